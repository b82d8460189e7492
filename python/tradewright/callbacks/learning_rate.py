"""Change the learning rate from turn to turn."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tradewright.base import Callback, TrainerView
from tradewright.errors import CallbackError, ParameterError
from tradewright.optimizers import Schedule, ScheduleRegistry

__all__ = ["LearningRateScheduler"]

#: How models call their learning rate.
_RATES = ("lr", "learning_rate", "eta")


class LearningRateScheduler(Callback):
    """Set the learning rate before each turn, of torch and of boosters.

    A TorchModel has schedules of its own that also move within an epoch (``schedule=``); the two multiply. On a model
    without a learning rate that can change this callback warns once and does nothing.

    Parameters
    ----------
    schedule : callable, str or Schedule
        A function from the turn (from 0) to its rate; or a schedule, or its name in ``ScheduleRegistry``, whose factors
        multiply ``lr``.
    lr : float, optional
        What a schedule multiplies; by default the model's own rate. A function gives the rate itself.

    Examples
    --------
    >>> LearningRateScheduler(lambda epoch: 0.1 * 0.9**epoch)
    LearningRateScheduler(<function>)
    >>> LearningRateScheduler("cosine", lr=0.01)
    LearningRateScheduler('cosine', lr=0.01)
    """

    order: ClassVar[int] = 20

    def __init__(self, schedule: Callable[[int], float] | str | Schedule, lr: float | None = None) -> None:
        if lr is not None and not (_is_number(lr) and lr > 0):
            raise ParameterError(f"lr={lr!r}: pass a number above 0", code="callback.lr")
        if not isinstance(schedule, str | Schedule) and not callable(schedule):
            raise ParameterError(
                f"schedule={schedule!r}: pass a function from the epoch to the rate, or the name of a schedule",
                code="callback.schedule",
            )
        if lr is not None and not isinstance(schedule, str | Schedule):
            raise ParameterError("lr goes with a schedule: a function gives the rate itself", code="callback.lr")
        self.schedule = schedule
        self.lr = lr
        # An unknown name is said here, not after the data were loaded.
        self._template = ScheduleRegistry.create(schedule) if isinstance(schedule, str) else schedule
        self._off = False

    def __repr__(self) -> str:
        what = repr(self.schedule) if isinstance(self.schedule, str | Schedule) else "<function>"
        return f"LearningRateScheduler({what}{'' if self.lr is None else f', lr={self.lr}'})"

    def on_train_begin(self, trainer: TrainerView) -> None:
        """Start the schedule."""
        self._off = False
        # One object serves many fits, and some schedules learn from the losses of theirs.
        self._running = copy.deepcopy(self._template)
        self._base, self._total = 1.0, 1.0
        if isinstance(self._running, Schedule) and trainer.unit != "fit":
            self._base = self.lr if self.lr is not None else _rate_of(trainer)
            if trainer.total is None:
                raise CallbackError(
                    f"{self!r}: how many turns there will be is not known; pass a function of the epoch",
                    code="callback.schedule_total",
                )
            self._total = float(trainer.total)

    def on_epoch_begin(self, epoch: int) -> None:
        """Set the rate of this turn."""
        if self._off:
            return
        assert self.trainer is not None
        if isinstance(self._running, Schedule):
            rate = self._base * self._running.factor(float(epoch), self._total)
        else:
            rate = self._running(epoch)
        if not _is_number(rate) or rate < 0:
            raise CallbackError(
                f"{self!r} gave {rate!r} for epoch {epoch}: a rate is a finite number, not negative",
                code="callback.rate",
                epoch=epoch,
            )
        if not self.trainer.model.set_learning_rate(float(rate)):
            self._off = True
            warnings.warn(
                f"{self!r} has no effect: a {type(self.trainer.model).__name__} of {self.trainer.model.framework} has no"
                " learning rate that can change during the fit",
                UserWarning,
                stacklevel=2,
            )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Tell the schedule how the turn went: the validation loss, without one the train loss."""
        loss = logs.get("val_loss", logs.get("train_loss"))
        if isinstance(self._running, Schedule) and loss is not None:
            self._running.observe(loss)

    def state_dict(self) -> dict[str, Any]:
        """Return what the schedule learnt from losses."""
        running = getattr(self, "_running", None)
        return {"schedule": running.state_dict() if isinstance(running, Schedule) else {}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what the schedule learnt."""
        if isinstance(self._running, Schedule):
            self._running.load_state_dict(state["schedule"])


def _is_number(value: object) -> bool:
    is_number = hasattr(value, "__float__") and not isinstance(value, bool | str)
    return is_number and math.isfinite(float(value))  # type: ignore[arg-type]


def _rate_of(trainer: TrainerView) -> float:
    parameters = trainer.model.hyperparameters
    rate = next((parameters[name] for name in _RATES if parameters.get(name) is not None), None)
    if not isinstance(rate, int | float):
        raise CallbackError(
            f"a {type(trainer.model).__name__} does not say its learning rate: pass LearningRateScheduler(…, lr=…)",
            code="callback.no_rate",
        )
    return float(rate)
