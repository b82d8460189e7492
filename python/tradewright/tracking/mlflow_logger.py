"""The callback that sends per-epoch metrics to the tracking run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from tradewright.base import Callback
from tradewright.errors import ParameterError

__all__ = ["MLflowLogger"]


class MLflowLogger(Callback):
    """Log each turn's metrics to the run the trainer has opened; does nothing when tracking is off.

    Run-level facts (parameters, tags, artifacts, status) are the trainer's; this is about the curves.

    Parameters
    ----------
    every_n_epochs : int
        Log each n-th turn only, and the last one.

    Notes
    -----
    Metrics are written in batches of up to 1,000, at least every five seconds. A failing store warns once and never
    ends the training.

    Examples
    --------
    >>> MLflowLogger(every_n_epochs=10)
    MLflowLogger(every_n_epochs=10)
    """

    order: ClassVar[int] = 40
    on_error: Literal["raise", "warn"] = "warn"

    def __init__(self, every_n_epochs: int = 1) -> None:
        if every_n_epochs < 1:
            raise ParameterError(f"every_n_epochs={every_n_epochs}: pass 1 or more", code="callback.every_n_epochs")
        self.every_n_epochs = every_n_epochs
        self._pending: tuple[int, Mapping[str, float]] | None = None

    def __repr__(self) -> str:
        return f"MLflowLogger(every_n_epochs={self.every_n_epochs})"

    def on_train_begin(self, trainer: object) -> None:
        """Forget the last training."""
        self._pending = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Log this turn, or keep it in case it is the last one."""
        if (epoch + 1) % self.every_n_epochs:
            self._pending = (epoch, dict(logs))
            return
        self._pending = None
        self._log(epoch, logs)

    def on_train_end(self, logs: Mapping[str, float]) -> None:
        """Log the last turn if it was left out, and write out what is buffered."""
        if self._pending is not None:
            self._log(*self._pending)
            self._pending = None
        run = None if self.trainer is None else self.trainer.tracking_run
        if run is not None:
            run.flush()

    def _log(self, epoch: int, logs: Mapping[str, float]) -> None:
        run = None if self.trainer is None else self.trainer.tracking_run
        if run is not None:
            run.log_metrics(logs, epoch)
