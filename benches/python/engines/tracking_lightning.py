"""Lightning's MLFlowLogger, called as its trainer calls it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from lightning.pytorch.loggers import MLFlowLogger

PACKAGE = "lightning"


class Logger:
    """``log_metrics`` for each step."""

    def __init__(self, uri: str, folder: str) -> None:
        warnings.simplefilter("ignore")
        self.logger = MLFlowLogger("bench", tracking_uri=uri)
        _ = self.logger.experiment

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self.logger.log_metrics(metrics, step)

    def close(self) -> None:
        self.logger.finalize("success")
