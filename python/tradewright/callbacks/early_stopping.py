"""Stop when a watched value no longer gets better, and go back to where it was best."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from tradewright.base import Callback, ModelState, TrainerView
from tradewright.callbacks.monitor import Mode, Monitor
from tradewright.errors import ParameterError, UnknownMonitorError, UnsupportedError

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """End the training when the monitored value stops improving.

    Parameters
    ----------
    monitor : str
        The log key to watch.
    mode : {"min", "max"}
        Whether less or more of it is better.
    patience : int
        How many turns in a row may pass without an improvement; the training ends with the last of them. 0 ends it
        at the first turn that does not improve.
    min_delta : float
        By how much a turn must beat the last improvement to count as one, and so to restart the patience.
    min_delta_mode : {"abs", "rel"}
        ``min_delta`` as it is, or as a share of the absolute value of the best: right for
        negative values too.
    restore_best : bool
        Go back to the weights of the very best turn when training is over, whatever ended it: patience, the last
        round, Ctrl-C or another callback. The best turn is the one with the best value; ``min_delta`` plays no part.
        A one-shot fit has one turn and nothing to go back to.
    baseline : float, optional
        Patience restarts only for improvements that also beat this.
    start_from_epoch : int
        Turns before this one (counted from 0) are ignored altogether, for values that are noise at first.
    stopping_threshold : float, optional
        Stop as soon as the value is at least as good as this.
    divergence_threshold : float, optional
        Stop as soon as the value is worse than this.
    check_finite : bool
        Stop when the value is NaN or infinite. Otherwise such a turn counts as one without improvement.
    strict : bool
        Raise when the key is not logged; otherwise warn once and never stop.

    Attributes
    ----------
    best_score, best_epoch : float or None, int or None
        The best value of the last training, and its turn.
    stopped_epoch : int or None
        The turn at which this callback asked for the end.

    Raises
    ------
    NoValidationError
        At the start of training: a ``val_`` key, and no validation rows.
    UnknownMonitorError
        At the end of the first turn: a key that is not logged, with ``strict``.

    Notes
    -----
    Cost: one snapshot of the weights per improvement, held in memory (of a booster, its number of rounds) and written
    into checkpoints.

    Examples
    --------
    >>> EarlyStopping("val_loss", patience=5)
    EarlyStopping('val_loss', mode='min', patience=5)
    """

    order: ClassVar[int] = 30

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: Mode = "min",
        patience: int = 10,
        min_delta: float = 0.0,
        min_delta_mode: Literal["abs", "rel"] = "abs",
        restore_best: bool = True,
        baseline: float | None = None,
        start_from_epoch: int = 0,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
        check_finite: bool = True,
        strict: bool = True,
    ) -> None:
        self._monitor = Monitor(monitor, mode)
        if patience < 0:
            raise ParameterError(f"patience={patience}: pass 0 or more", code="callback.patience")
        if not (min_delta >= 0 and math.isfinite(min_delta)):
            raise ParameterError(f"min_delta={min_delta}: pass a finite number, 0 or more", code="callback.min_delta")
        if min_delta_mode not in ("abs", "rel"):
            raise ParameterError(
                f"min_delta_mode={min_delta_mode!r}: pass 'abs' or 'rel'", code="callback.min_delta_mode"
            )
        self.monitor, self.mode = monitor, mode
        self.patience = patience
        self.min_delta, self.min_delta_mode = min_delta, min_delta_mode
        self.restore_best = restore_best
        self.baseline = baseline
        self.start_from_epoch = start_from_epoch
        self.stopping_threshold, self.divergence_threshold = stopping_threshold, divergence_threshold
        self.check_finite, self.strict = check_finite, strict
        self._start_afresh()

    def __repr__(self) -> str:
        return f"EarlyStopping({self.monitor!r}, mode={self.mode!r}, patience={self.patience})"

    def _start_afresh(self) -> None:
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._best_state: ModelState | None = None
        # What the next improvement must beat: the value of the last one, not of the best turn.
        self._reference = self._monitor.worst
        self._wait = 0
        self._blind = False

    def on_train_begin(self, trainer: TrainerView) -> None:
        """Forget the last training; refuse a validation key without validation rows."""
        self._start_afresh()
        if self.strict:
            self._monitor.refuse_without_validation(trainer, "EarlyStopping")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Look at the value of this turn."""
        if self._blind or epoch < self.start_from_epoch:
            return
        try:
            value = self._monitor.read(logs, "EarlyStopping")
        except UnknownMonitorError as error:
            if self.strict:
                raise
            self._blind = True
            warnings.warn(f"{error}. Training goes on without early stopping", UserWarning, stacklevel=2)
            return
        self._remember(epoch, value)
        reason = self._reason_to_stop(value)
        if reason is not None:
            self.stopped_epoch = epoch
            assert self.trainer is not None
            self.trainer.request_stop(reason)

    def _remember(self, epoch: int, value: float) -> None:
        """Keep the best turn, and count the turns without an improvement."""
        if math.isfinite(value) and (self.best_score is None or self._monitor.is_better(value, self.best_score)):
            self.best_score, self.best_epoch = value, epoch
            if self.restore_best:
                assert self.trainer is not None
                self._best_state = self.trainer.model.snapshot()
        self._wait += 1
        if self._is_improvement(value):
            self._reference = value
            if self.baseline is None or self._monitor.is_better(value, self.baseline):
                self._wait = 0

    def _is_improvement(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if math.isinf(self._reference):
            return True
        delta = self.min_delta * (abs(self._reference) if self.min_delta_mode == "rel" else 1.0)
        bar = self._reference - delta if self.mode == "min" else self._reference + delta
        return self._monitor.is_better(value, bar)

    def _reason_to_stop(self, value: float) -> str | None:
        name = self.monitor
        if self.check_finite and not math.isfinite(value):
            return f"{name} is {value}"
        threshold = self.stopping_threshold
        if threshold is not None and (value == threshold or self._monitor.is_better(value, threshold)):
            return f"{name} = {value:.6g} reached {threshold:.6g}"
        limit = self.divergence_threshold
        if limit is not None and self._monitor.is_better(limit, value):
            return f"{name} = {value:.6g} is worse than {limit:.6g}"
        if self._wait and self._wait >= self.patience:
            best = "no value yet" if self.best_score is None else f"best {self.best_score:.6g} at {self.best_epoch}"
            return f"{name} did not improve for {self._wait} turns ({best})"
        return None

    def on_train_end(self, logs: Mapping[str, float]) -> None:
        """Go back to the best turn."""
        state, self._best_state = self._best_state, None
        trainer = self.trainer
        if trainer is not None and state is not None:
            trainer.model.go_back(state)

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, and the weights of the best turn where the model can write them."""
        state: dict[str, Any] = {
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "stopped_epoch": self.stopped_epoch,
            "reference": self._reference,
            "wait": self._wait,
            "blind": self._blind,
            "held_epoch": None,
        }
        if self._best_state is not None and self.trainer is not None:
            state["held_epoch"] = self._best_state.epoch
            with contextlib.suppress(UnsupportedError):  # load_state_dict says so
                state["held_weights"] = self.trainer.model._snapshot_to_bytes(self._best_state)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the counters."""
        self.best_score, self.best_epoch = state["best_score"], state["best_epoch"]
        self.stopped_epoch = state["stopped_epoch"]
        self._reference, self._wait = state["reference"], state["wait"]
        self._blind = state["blind"]
        self._best_state = None
        if state["held_epoch"] is None or not self.restore_best or self.trainer is None:
            return
        if "held_weights" in state:
            self._best_state = self.trainer.model._snapshot_from_bytes(state["held_epoch"], state["held_weights"])
            return
        warnings.warn(
            f"the checkpoint does not hold the weights of the best turn, {state['held_epoch']}: restore_best can only go"
            " back to later ones",
            UserWarning,
            stacklevel=2,
        )
