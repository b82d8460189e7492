"""torch's global generators, borrowed: training draws from its own stream and leaves the caller's as it was."""

from __future__ import annotations

from types import TracebackType

import torch

__all__ = ["PrivateRandom", "generator_states", "set_generator_states"]


class PrivateRandom:
    """A random stream that is torch's global one inside ``with``, and rests outside.

    Dropout and initialisation draw from torch's global generators and can't be given another. Entering puts this
    stream there, leaving puts the caller's back; the stream goes on at the next entry, whatever others drew in between.

    Parameters
    ----------
    seed : int
        Where the stream starts.
    device : str
        Its generator is borrowed as well as the CPU's.
    """

    def __init__(self, seed: int, device: str) -> None:
        self._seed: int | None = seed
        self._device = device
        self._own: list[torch.Tensor] = []
        self._callers: list[torch.Tensor] = []

    def __enter__(self) -> PrivateRandom:
        self._callers = generator_states(self._device)
        if self._seed is not None:
            self._start(self._seed)
            self._seed = None
        else:
            set_generator_states(self._device, self._own)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own = generator_states(self._device)
        set_generator_states(self._device, self._callers)

    def states(self) -> list[torch.Tensor]:
        """Return where the stream rests: uint8, of the CPU's generator and the device's. Not inside ``with``."""
        return [state.clone() for state in self._own]

    def go_on_from(self, states: list[torch.Tensor]) -> None:
        """Let the stream go on from what :meth:`states` returned. Not inside ``with``."""
        self._own, self._seed = [state.clone() for state in states], None

    def _start(self, seed: int) -> None:
        # torch.manual_seed would seed the accelerators that aren't ours, too.
        torch.default_generator.manual_seed(seed)
        if self._device.startswith("cuda"):
            with torch.cuda.device(self._device):
                torch.cuda.manual_seed(seed)
        elif self._device == "mps":
            torch.mps.manual_seed(seed)


def generator_states(device: str | torch.device) -> list[torch.Tensor]:
    """Return where torch's global generators are: the CPU's, and the device's where that has its own."""
    states = [torch.get_rng_state()]
    kind = torch.device(device).type
    if kind == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    elif kind == "mps":
        states.append(torch.mps.get_rng_state())
    return states


def set_generator_states(device: str | torch.device, states: list[torch.Tensor]) -> None:
    """Put torch's global generators where :func:`generator_states` found them."""
    torch.set_rng_state(states[0])
    kind = torch.device(device).type
    if kind == "cuda":
        torch.cuda.set_rng_state(states[1], device)
    elif kind == "mps":
        torch.mps.set_rng_state(states[1])
