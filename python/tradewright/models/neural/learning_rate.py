"""The learning rate of each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tradewright.optimizers import Schedule

__all__ = ["LearningRate"]


class LearningRate:
    """Sets an optimizer's rate before each step: the base rate times the schedule's factor, after a warm-up.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Its groups keep their rates in proportion.
    schedule : Schedule
        The factor over time; its clock starts when the warm-up ends.
    warmup : float
        Epochs during which the rate rises in a straight line, to its full height at their last step.
    epochs : int
        Epochs planned.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Schedule, warmup: float, epochs: int) -> None:
        self._optimizer, self._schedule = optimizer, schedule
        self._warmup, self._epochs = warmup, epochs
        self._base = [float(group["lr"]) for group in optimizer.param_groups]
        self._now = self._base[0]

    @property
    def now(self) -> float:
        """The rate of the last step, of the first group."""
        return self._now

    @property
    def base(self) -> list[float]:
        """The base rate of each group."""
        return list(self._base)

    @base.setter
    def base(self, rates: list[float]) -> None:
        self._base = list(rates)

    def set(self, lr: float) -> None:
        """Make ``lr`` the base rate; the schedule goes on multiplying it."""
        first = self._base[0]
        self._base = [lr * base / first for base in self._base]

    def before_step(self, epoch: int, step: int, steps: int) -> None:
        """Set the rate of step ``step`` of the ``steps`` of an epoch."""
        gone = epoch + step / steps
        if gone < self._warmup:
            factor = min(1.0, (gone + 1.0 / steps) / self._warmup) * self._schedule.factor(
                0.0, self._epochs - self._warmup
            )
        else:
            factor = self._schedule.factor(gone - self._warmup, self._epochs - self._warmup)
        for group, base in zip(self._optimizer.param_groups, self._base, strict=True):
            group["lr"] = base * factor
        self._now = self._base[0] * factor

    def after_epoch(self, epoch: int, loss: float) -> None:
        """Tell the schedule the loss of an epoch; a warm-up's don't count."""
        if epoch + 1 > self._warmup:
            self._schedule.observe(loss)

    def state_dict(self) -> dict[str, Any]:
        """Return base rates and the schedule's state, as plain values."""
        return {"base": list(self._base), "now": self._now, "schedule": self._schedule.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._base, self._now = [float(base) for base in state["base"]], float(state["now"])
        self._schedule.load_state_dict(state["schedule"])
