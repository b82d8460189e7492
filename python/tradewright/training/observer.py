"""The trainer's ear on a model's loop."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any, Literal

from tradewright.base import TrainerView, TrainState
from tradewright.training.checkpoint_file import Checkpoint
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
        End after so many batches or, where there are none, turns; 0 for a real training.
    resumed : Checkpoint, optional
        The checkpoint the training goes on from.
    """

    def __init__(
        self, dispatcher: Dispatcher, trainer: TrainerView, dry_run: int = 0, resumed: Checkpoint | None = None
    ) -> None:
        self._dispatcher = dispatcher
        self._trainer = trainer
        self._dry_run = dry_run
        self._resumed = resumed
        self.signals = SignalWatch()
        self.unit: Literal["epoch", "round", "fit"] = "fit"
        self.total: int | None = None
        #: One entry per turn, those of before a resume too.
        self.history: list[dict[str, float]] = (
            [] if resumed is None else [dict(row) for row in resumed.progress.history]
        )
        #: What has been done, as a checkpoint would say: turns, and batches of the next one.
        self.turns = 0 if resumed is None else resumed.resume.epoch
        self.batches = 0
        # Of a dry run: batches, or turns that have none.
        self._tried = 0
        self.logs: dict[str, float] = {}
        self.began: float | None = None
        self.stop_reason: str | None = None
        self.error: BaseException | None = None
        self.interrupted = False
        #: What the callbacks of a resumed training could not take over.
        self.notes: list[str] = []

    @property
    def segment(self) -> int | None:
        """The rounds that a callback wants a booster to train at a stretch."""
        return self._dispatcher.segment

    @property
    def batch_limit(self) -> int | None:
        """The batches a dry run may still have."""
        return max(1, self._dry_run - self._tried) if self._dry_run else None

    @property
    def wants_batches(self) -> bool:
        """Whether any callback listens to batches, or a dry run counts them."""
        return (
            self._dry_run > 0
            or self._dispatcher.overridden("on_batch_begin")
            or self._dispatcher.overridden("on_batch_end")
        )

    @property
    def seconds(self) -> float:
        """Seconds since the first hook, with those of before a resume."""
        before = 0.0 if self._resumed is None else self._resumed.progress.seconds
        return before if self.began is None else before + time.perf_counter() - self.began

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
        if self._resumed is not None:
            self.notes += self._dispatcher.load_states(self._resumed.callbacks)

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
        self.batches = batch + 1
        self._dispatcher.call("on_batch_end", batch, logs)
        return self._should_end()

    def epoch_end(self, state: TrainState) -> bool:
        """Run ``on_validation_end`` and ``on_epoch_end``, then look for signals."""
        # One dict for all callbacks: what a metric maker adds, those after it see.
        logs = {key: float(value) for key, value in state.logs.items()}
        self.logs = logs
        self._tried += max(1, self.batches)
        self.turns, self.batches = state.epoch + 1, 0
        try:
            if any(key.startswith("val_") for key in logs):
                self._hook("on_validation_end", logs)
            self._hook("on_epoch_end", state.epoch, logs)
        finally:
            # Also when a second Ctrl-C tears the hooks apart: the turn is over, and may be the best one.
            self.history.append({"epoch": state.epoch, **logs})
        self.look_for_signals()
        if self._dry_run and self._tried >= self._dry_run:
            self.request_stop(f"dry run of {self._dry_run}")
        return self._should_end()

    def history_so_far(self) -> list[dict[str, float]]:
        """Return the history with the turn at hand, when it is over and its hooks run."""
        is_noted = not self.turns or (bool(self.history) and self.history[-1]["epoch"] == self.turns - 1)
        return self.history if is_noted else [*self.history, {"epoch": self.turns - 1, **self.logs}]

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
