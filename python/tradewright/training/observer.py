"""The trainer's ear on a model's loop."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any, Literal

from tradewright.base import TrainerView, TrainState
from tradewright.training.dispatcher import Dispatcher
from tradewright.training.interrupts import SignalWatch

__all__ = ["TrainingObserver"]


class TrainingObserver:
    """Turns the reports of a loop into hooks, and requests to stop into the answer the loop waits for.

    An error of a callback at the end or the beginning of a turn is kept in :attr:`error` and ends the loop by its
    regular way out: an exception through LightGBM or XGBoost would leave no model. The session raises it afterwards.

    Parameters
    ----------
    dispatcher : Dispatcher
        The callbacks.
    trainer : TrainerView
        What ``on_train_begin`` is handed.
    dry_run : int
        End after so many turns; 0 for a real training.
    """

    def __init__(self, dispatcher: Dispatcher, trainer: TrainerView, dry_run: int = 0) -> None:
        self._dispatcher = dispatcher
        self._trainer = trainer
        self._dry_run = dry_run
        self.signals = SignalWatch()
        self.unit: Literal["epoch", "round", "fit"] = "fit"
        self.total: int | None = None
        self.history: list[dict[str, float]] = []
        self.logs: dict[str, float] = {}
        self.began: float | None = None
        self.stop_reason: str | None = None
        self.error: BaseException | None = None
        self.interrupted = False

    @property
    def segment(self) -> int | None:
        """The rounds that a callback wants a booster to train at a stretch."""
        return self._dispatcher.segment

    @property
    def batch_limit(self) -> int | None:
        """The batches a dry run may have."""
        return self._dry_run or None

    @property
    def wants_batches(self) -> bool:
        """Whether any callback listens to batches."""
        return self._dispatcher.overridden("on_batch_begin") or self._dispatcher.overridden("on_batch_end")

    def request_stop(self, reason: str) -> None:
        """Note that the loop should end; the first reason counts."""
        if self.stop_reason is None:
            self.stop_reason = reason

    def loop_begin(self, unit: Literal["epoch", "round", "fit"], total: int | None) -> None:
        """Start: ``on_train_begin``. A one-shot fit keeps Python's Ctrl-C: no round would ever look at a flag."""
        self.unit, self.total = unit, total
        self.began = time.perf_counter()
        if unit != "fit":
            self.signals.install()
        self._dispatcher.call("on_train_begin", self._trainer)

    def epoch_begin(self, epoch: int) -> bool:
        """Run ``on_epoch_begin``."""
        if not self._should_end():
            self._hook("on_epoch_begin", epoch)
        return self._should_end()

    def batch_begin(self, batch: int) -> None:
        """Run ``on_batch_begin``; its errors are raised at once."""
        self._dispatcher.call("on_batch_begin", batch)

    def batch_end(self, batch: int, logs: Mapping[str, float]) -> bool:
        """Run ``on_batch_end``; its errors are raised at once."""
        self._dispatcher.call("on_batch_end", batch, logs)
        return self._should_end()

    def epoch_end(self, state: TrainState) -> bool:
        """Run ``on_validation_end`` and ``on_epoch_end``, then look for signals."""
        # One dict for all callbacks: what a metric maker adds, those after it see.
        logs = {key: float(value) for key, value in state.logs.items()}
        self.logs = logs
        if any(key.startswith("val_") for key in logs):
            self._hook("on_validation_end", logs)
        self._hook("on_epoch_end", state.epoch, logs)
        self.history.append({"epoch": state.epoch, **logs})
        self.look_for_signals()
        if self._dry_run and len(self.history) >= self._dry_run:
            self.request_stop(f"dry run of {self._dry_run}")
        return self._should_end()

    def look_for_signals(self) -> None:
        """Run ``on_interrupt`` once if a signal has come."""
        if self.signals.signum is not None and not self.interrupted:
            self.interrupt(self.signals.signum)

    def interrupt(self, signum: int) -> None:
        """Note that a signal ends the training."""
        self.interrupted = True
        self.stop_reason = f"interrupted by {signal.Signals(signum).name}"
        self._hook("on_interrupt", signum)

    def _hook(self, hook: str, *args: Any) -> None:
        try:
            self._dispatcher.call(hook, *args)
        except Exception as error:  # noqa: BLE001  raised by the session once the loop has ended
            if self.error is None:
                self.error = error

    def _should_end(self) -> bool:
        return self.stop_reason is not None or self.error is not None or self.signals.signum is not None
