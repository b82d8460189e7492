"""The callbacks of a training that was given none."""

from __future__ import annotations

from tradewright.base import Callback
from tradewright.callbacks import ProgressBar
from tradewright.tracking import MLflowLogger

__all__ = ["default_callbacks"]


def default_callbacks(*, tracking: bool = True) -> list[Callback]:
    """Return what ``callbacks=None`` means: a progress bar, and the MLflow logger when tracking is on.

    Examples
    --------
    >>> default_callbacks()
    [ProgressBar(every_n=None), MLflowLogger(every_n_epochs=1)]
    """
    return [ProgressBar(), MLflowLogger()] if tracking else [ProgressBar()]
