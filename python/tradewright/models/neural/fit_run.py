"""One fit of a torch model: what its epochs share, what breaks it off, and how it goes on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tradewright.base import LoopObserver
from tradewright.errors import DeviceMemoryError
from tradewright.models.neural.batch_source import Rows
from tradewright.models.neural.epoch_loop import EpochLoop
from tradewright.models.neural.learning_rate import LearningRate
from tradewright.models.neural.precision import Precision
from tradewright.models.neural.private_random import PrivateRandom
from tradewright.models.neural.state_bytes import copied, pack, unpack
from tradewright.models.neural.team import Team
from tradewright.runtime.device_layer_torch import DeviceLayer

__all__ = ["FitRun"]

#: How often the rows read at a time are halved before giving up: to less than one in a thousand.
_MOST_HALVINGS = 10


@dataclass(frozen=True, eq=False)
class FitRun:
    """A fit under way.

    Parameters
    ----------
    module, optimizer, rate, precision, generator, random
        What an epoch changes, and so what is put back when one is tried again, or a fit is resumed.
    loop : EpochLoop
        Runs the epochs; made of these.
    team, layer
        The processes and the device it runs on.
    step_rows : int
        The rows of a step.
    part : PartSize
        How many of them are read at a time; changes when memory runs out.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    rate: LearningRate
    precision: Precision
    generator: torch.Generator
    random: PrivateRandom
    loop: EpochLoop
    team: Team
    layer: DeviceLayer
    step_rows: int
    part: PartSize

    def epoch(self, epoch: int, observer: LoopObserver) -> tuple[Tensor, bool]:
        """Train for one epoch; return its loss, still on the device, and whether the observer asked to stop.

        Where the device runs out of memory the epoch begins again from its start, with its steps read in parts half as
        large: the steps stay what they were. Not among several processes, where the others would wait for ever: there
        the error ends them all.

        Raises
        ------
        DeviceMemoryError
            When the device has no room for the smallest part.
        """
        if self.team.size > 1:
            self.rate.base = self.team.agree_on_rates(self.rate.base)
        if not self.layer.recovers or self.team.size > 1:
            with self.random, torch.enable_grad():
                return self.loop.run(epoch, observer, self.part.rows)
        start = self._capture(weights=True)
        while True:
            done = self._attempt(epoch, observer)
            if not isinstance(done, str):
                return done
            # Outside of the except block: its traceback would keep the memory of what had failed.
            self.optimizer.zero_grad(set_to_none=True)
            self.layer.synchronize()
            self.layer.empty_cache()
            self._halve(done)
            self._put_back(start)

    def validate(self, rows: Rows) -> Tensor:
        """Return the loss on rows that are not trained on, still on the device."""
        return self.loop.validate(rows)

    def state(self) -> dict[str, bytes]:
        """Return what a resumed fit needs beside the weights."""
        return pack(self._capture(weights=False))

    def go_on_from(self, state: Mapping[str, bytes]) -> None:
        """Take over what :meth:`state` returned; the weights are in the module already."""
        self._put_back(unpack(state))

    def _attempt(self, epoch: int, observer: LoopObserver) -> tuple[Tensor, bool] | str:
        """Run an epoch; return the device's words if it ran out of memory."""
        try:
            with self.random, torch.enable_grad():
                return self.loop.run(epoch, observer, self.part.rows)
        except RuntimeError as error:
            if not self.layer.ran_out(error):
                raise
            return str(error)

    def _halve(self, words: str) -> None:
        rows = self.part.rows or self.step_rows
        if rows <= 1 or self.part.halvings >= _MOST_HALVINGS:
            raise DeviceMemoryError(
                f"the device has no room for a pass over {rows} of the {self.step_rows} rows of a step: use a smaller"
                f" module, amp='bf16', or device='cpu'. The device said: {words}",
                code="model.out_of_memory",
                rows=rows,
            )
        self.part.rows = (rows + 1) // 2
        self.part.halvings += 1
        warnings.warn(
            f"out of device memory: steps of {self.step_rows} rows are read {self.part.rows} rows at a time from here on,"
            " with the gradients added up; the epoch begins again",
            UserWarning,
            stacklevel=2,
        )

    def _capture(self, *, weights: bool) -> dict[str, Any]:
        state: dict[str, Any] = {
            "optimizer": self.optimizer.state_dict(),
            "rate": self.rate.state_dict(),
            "precision": self.precision.state_dict(),
            "order": self.generator.get_state(),
            "random": self.random.states(),
            "part": [self.part.rows, self.part.halvings],
        }
        if weights:
            state["weights"] = dict(self.module.state_dict())
        return copied(state) if weights else state

    def _put_back(self, state: Mapping[str, Any]) -> None:
        if "weights" in state:
            self.module.load_state_dict(state["weights"])
        else:
            self.part.rows, self.part.halvings = state["part"]
        # Loading keeps tensors that fit as they are; the next attempt would write into them.
        self.optimizer.load_state_dict(copied(state["optimizer"]))
        self.rate.load_state_dict(state["rate"])
        self.precision.load_state_dict(state["precision"])
        self.generator.set_state(state["order"])
        if not self.team.rank:  # the others have streams of their own, which no checkpoint holds
            self.random.go_on_from(state["random"])


@dataclass(slots=True)
class PartSize:
    """How many rows of a step are read at a time; None for all of them.

    Parameters
    ----------
    rows : int or None
        The number.
    halvings : int
        How often it was halved for want of memory.
    """

    rows: int | None
    halvings: int = 0
