"""Learning-rate schedules: by what a model's ``lr`` is multiplied as its training goes on.

Written as functions of the time gone, not as a chain of updates: a schedule is at the same place after a resumed
training as after an uninterrupted one, and nothing adds up rounding. They know no torch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewright.errors import ParameterError
from tradewright.registry import Registry

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Linear",
    "OneCycle",
    "Plateau",
    "Schedule",
    "ScheduleRegistry",
    "Step",
]


class Schedule(ABC):
    """A factor for the learning rate, 1 for the rate as it was given. Subclass it and register your own."""

    @abstractmethod
    def factor(self, epoch: float, epochs: float) -> float:
        """Return the factor of a step.

        Parameters
        ----------
        epoch : float
            Epochs gone when the step begins, with its part of the current one: 1.5 is the middle of the second.
        epochs : float
            All epochs planned. Warm-up is counted in neither.
        """

    def observe(self, loss: float) -> None:  # noqa: B027  most schedules need nothing of it
        """Take in the loss of an epoch that ended: of the validation rows where there are any, else of the train rows."""

    def state_dict(self) -> dict[str, Any]:
        """Return what was learnt from losses, as plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Take over what :meth:`state_dict` returned."""


ScheduleRegistry: Registry[Schedule] = Registry("learning-rate schedule", entry_points="tradewright.schedules")


@ScheduleRegistry.register("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """The rate as it was given, throughout."""

    def factor(self, epoch: float, epochs: float) -> float:
        """Return 1."""
        return 1.0


@ScheduleRegistry.register("linear", tags=["smooth"])
@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from 1 down to ``final`` at the end.

    Parameters
    ----------
    final : float
        The factor at the end, in [0, 1].
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        _check_share("final", self.final)

    def factor(self, epoch: float, epochs: float) -> float:
        """Return 1 − (1 − final)·epoch/epochs."""
        return 1.0 - (1.0 - self.final) * _progress(epoch, epochs)


@ScheduleRegistry.register("cosine", tags=["smooth"])
@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 down to ``final`` at the end (Loshchilov and Hutter, 2017, without restarts).

    Parameters
    ----------
    final : float
        The factor at the end, in [0, 1].

    Examples
    --------
    >>> [round(Cosine().factor(epoch, 4), 3) for epoch in (0, 1, 2, 3, 4)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        _check_share("final", self.final)

    def factor(self, epoch: float, epochs: float) -> float:
        """Return final + (1 − final)·(1 + cos(π·epoch/epochs))/2."""
        return _fall(1.0, self.final, _progress(epoch, epochs))


@ScheduleRegistry.register("one_cycle", tags=["smooth"])
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from ``start`` to 1, then down to ``final``, each by half a cosine (Smith and Topin, 2018).

    ``lr`` is the highest rate. Momentum is left as it is.

    Parameters
    ----------
    start, final : float
        The factors at both ends, in [0, 1].
    peak : float
        Where the rate is highest: a share of the epochs, in (0, 1).
    """

    start: float = 1.0 / 25.0
    final: float = 4e-6
    peak: float = 0.3

    def __post_init__(self) -> None:
        _check_share("start", self.start)
        _check_share("final", self.final)
        if not 0.0 < self.peak < 1.0:
            raise _refused("peak", self.peak, "a share of the epochs, above 0 and below 1")

    def factor(self, epoch: float, epochs: float) -> float:
        """Return the factor on the way up or down."""
        gone = _progress(epoch, epochs)
        if gone < self.peak:
            return _fall(self.start, 1.0, gone / self.peak)
        return _fall(1.0, self.final, (gone - self.peak) / (1.0 - self.peak))


@ScheduleRegistry.register("step")
@dataclass(frozen=True)
class Step(Schedule):
    """A fall to ``gamma`` times the rate, each ``every`` epochs.

    Parameters
    ----------
    every : int
        Epochs between falls.
    gamma : float
        What is kept, in (0, 1].

    Examples
    --------
    >>> [Step(every=2, gamma=0.5).factor(epoch, 6) for epoch in (0, 1.9, 2, 4)]
    [1.0, 1.0, 0.5, 0.25]
    """

    every: int = 10
    gamma: float = 0.1

    def __post_init__(self) -> None:
        if not _is_count(self.every, least=1):
            raise _refused("every", self.every, "a whole number of epochs, at least 1")
        _check_gamma(self.gamma)

    def factor(self, epoch: float, epochs: float) -> float:
        """Return gamma to the power of ⌊epoch/every⌋."""
        return float(self.gamma ** (math.floor(epoch) // self.every))


@ScheduleRegistry.register("exponential")
@dataclass(frozen=True)
class Exponential(Schedule):
    """A fall to ``gamma`` times the rate after each epoch.

    Parameters
    ----------
    gamma : float
        What is kept, in (0, 1].
    """

    gamma: float = 0.95

    def __post_init__(self) -> None:
        _check_gamma(self.gamma)

    def factor(self, epoch: float, epochs: float) -> float:
        """Return gamma to the power of ⌊epoch⌋."""
        return float(self.gamma ** math.floor(epoch))


@ScheduleRegistry.register("plateau", tags=["adaptive"])
class Plateau(Schedule):
    """A fall to ``gamma`` times the rate whenever the loss has not become better for more than ``patience`` epochs.

    Parameters
    ----------
    gamma : float
        What is kept, in (0, 1].
    patience : int
        Epochs without a better loss that are let pass.
    min_delta : float
        Better is below best − min_delta·|best|: losses may be negative.
    lowest : float
        The factor never falls below this.
    """

    def __init__(self, *, gamma: float = 0.1, patience: int = 10, min_delta: float = 1e-4, lowest: float = 0.0) -> None:
        _check_gamma(gamma)
        _check_share("lowest", lowest)
        if not _is_count(patience, least=0):
            raise _refused("patience", patience, "a whole number of epochs, not negative")
        if not (math.isfinite(min_delta) and min_delta >= 0.0):
            raise _refused("min_delta", min_delta, "a finite share of the best loss, not negative")
        self.gamma, self.patience, self.min_delta, self.lowest = gamma, patience, min_delta, lowest
        self._now = 1.0
        self._best = math.inf
        self._waited = 0

    def factor(self, epoch: float, epochs: float) -> float:
        """Return the factor the losses so far have brought about."""
        return self._now

    def observe(self, loss: float) -> None:
        """Compare with the best loss so far; NaN is never better."""
        margin = self.min_delta * abs(self._best) if math.isfinite(self._best) else 0.0
        if loss < self._best - margin:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited > self.patience:
            self._now, self._waited = max(self._now * self.gamma, self.lowest), 0

    def state_dict(self) -> dict[str, Any]:
        """Return factor, best loss and epochs waited."""
        best = self._best if math.isfinite(self._best) else None
        return {"now": self._now, "best": best, "waited": self._waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        best = math.inf if state["best"] is None else float(state["best"])
        self._now, self._best, self._waited = float(state["now"]), best, int(state["waited"])


def _progress(epoch: float, epochs: float) -> float:
    return min(max(epoch / epochs, 0.0), 1.0)


def _fall(first: float, last: float, gone: float) -> float:
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * gone))


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise _refused(name, value, "a factor in [0, 1]")


def _check_gamma(gamma: float) -> None:
    if not 0.0 < gamma <= 1.0:
        raise _refused("gamma", gamma, "a factor above 0, at most 1")


def _refused(name: str, value: object, what: str) -> ParameterError:
    return ParameterError(f"{name}={value!r}: pass {what}", code="schedule.parameter", parameter=name)
