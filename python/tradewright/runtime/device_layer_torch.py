"""What training asks of a device beside arithmetic: to finish, to give memory back, to say how much it took."""

from __future__ import annotations

from typing import Protocol

import torch

__all__ = ["DeviceLayer", "open_layer"]


class DeviceLayer(Protocol):
    """A device's memory."""

    @property
    def recovers(self) -> bool:
        """Whether a computation that ran out of memory may be tried again with less."""

    def start(self) -> None:
        """Count the peak afresh from here."""

    def synchronize(self) -> None:
        """Wait until all that was asked for is done."""

    def empty_cache(self) -> None:
        """Give memory back that is held but not in use."""

    def peak_memory(self) -> int | None:
        """Return the most bytes in use at once since :meth:`start`; None where the device does not count."""

    def ran_out(self, error: BaseException) -> bool:
        """Whether an error says that memory ran out."""


class CpuLayer:
    """The host: the system ends a process that takes too much, so there is nothing to go on from."""

    recovers = False

    def start(self) -> None:
        """Do nothing."""

    def synchronize(self) -> None:
        """Do nothing: the CPU is never behind."""

    def empty_cache(self) -> None:
        """Do nothing."""

    def peak_memory(self) -> int | None:
        """Return None."""
        return None

    def ran_out(self, error: BaseException) -> bool:
        """Whether an error says that memory ran out."""
        return isinstance(error, torch.OutOfMemoryError)


class CudaLayer:
    """A CUDA device.

    Parameters
    ----------
    device : str
        ``"cuda:<i>"``.
    """

    recovers = True

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    def start(self) -> None:
        """Count the peak afresh from here."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def synchronize(self) -> None:
        """Wait until all that was asked for is done."""
        torch.cuda.synchronize(self._device)

    def empty_cache(self) -> None:
        """Give cached blocks back to the driver."""
        with torch.cuda.device(self._device):
            torch.cuda.empty_cache()

    def peak_memory(self) -> int | None:
        """Return the largest sum of bytes of live tensors."""
        return int(torch.cuda.max_memory_allocated(self._device))

    def ran_out(self, error: BaseException) -> bool:
        """Whether an error says that memory ran out; the linear-algebra library has words of its own for it."""
        return isinstance(error, torch.OutOfMemoryError) or (
            isinstance(error, RuntimeError) and "CUBLAS_STATUS_ALLOC_FAILED" in str(error)
        )


class MpsLayer:
    """Apple's GPU, which shares the host's memory and keeps no peak."""

    recovers = True

    def start(self) -> None:
        """Do nothing."""

    def synchronize(self) -> None:
        """Wait until all that was asked for is done."""
        torch.mps.synchronize()

    def empty_cache(self) -> None:
        """Give cached blocks back to the driver."""
        torch.mps.empty_cache()

    def peak_memory(self) -> int | None:
        """Return None."""
        return None

    def ran_out(self, error: BaseException) -> bool:
        """Whether an error says that memory ran out."""
        return isinstance(error, RuntimeError) and "out of memory" in str(error)


def open_layer(device: str) -> DeviceLayer:
    """Return the layer of a device that is there: ``"cpu"``, ``"cuda:<i>"`` or ``"mps"``."""
    if device.startswith("cuda"):
        return CudaLayer(device)
    return MpsLayer() if device == "mps" else CpuLayer()
