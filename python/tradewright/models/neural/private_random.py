"""torch's global generators, borrowed: training draws from its own stream and leaves the caller's as it was."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch

__all__ = ["PrivateRandom"]


class PrivateRandom:
    """A random stream that is torch's global one inside ``with``, and rests outside.

    Dropout and initialisation draw from torch's global generator and nothing else. Entering puts this stream there,
    leaving puts the caller's back; the stream goes on at the next entry, whatever others drew in between.

    Parameters
    ----------
    seed : int
        Where the stream starts.
    device : str
        Its generator is borrowed as well.
    """

    def __init__(self, seed: int, device: str) -> None:
        self._seed: int | None = seed
        self._device = device
        self._own: list[Any] = []
        self._callers: list[Any] = []

    def __enter__(self) -> PrivateRandom:
        self._callers = self._states()
        if self._seed is not None:
            torch.manual_seed(self._seed)
            self._seed = None
        else:
            self._put(self._own)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own = self._states()
        self._put(self._callers)

    def _states(self) -> list[Any]:
        states: list[Any] = [torch.get_rng_state()]
        if self._device.startswith("cuda"):
            # manual_seed seeds every device
            states.append(torch.cuda.get_rng_state_all())
        elif self._device == "mps":
            states.append(torch.mps.get_rng_state())
        return states

    def _put(self, states: list[Any]) -> None:
        torch.set_rng_state(states[0])
        if self._device.startswith("cuda"):
            torch.cuda.set_rng_state_all(states[1])
        elif self._device == "mps":
            torch.mps.set_rng_state(states[1])
