"""Which device a model computes on."""

from __future__ import annotations

import re
import warnings

from tradewright import _optional
from tradewright.errors import ParameterError

__all__ = ["resolve_device"]

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def resolve_device(device: str = "auto") -> str:
    """Return the device that is really used for what was asked.

    Parameters
    ----------
    device : str
        ``"auto"`` (the first CUDA device, else Apple's mps, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or
        ``"mps"``.

    Returns
    -------
    str
        ``"cpu"``, ``"cuda:<i>"`` or ``"mps"``.

    Raises
    ------
    ParameterError
        For any other text.

    Warns
    -----
    UserWarning
        When the device is absent, or torch is not installed; the CPU is used then.

    Notes
    -----
    Anything but ``"cpu"`` imports torch, where it is installed.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    if not _DEVICE.fullmatch(str(device)):
        raise ParameterError(
            f"device={device!r}: pass 'auto', 'cpu', 'cuda', 'cuda:0' (or another number), or 'mps'",
            code="runtime.device",
        )
    if device == "cpu":
        return device
    if not _optional.is_available("torch"):
        found = None
    else:
        from tradewright.runtime import device_torch

        found = device_torch.find(device)
    if found is not None:
        return found
    if device != "auto":
        warnings.warn(f"device {device!r} is not there: computing on the CPU", UserWarning, stacklevel=2)
    return "cpu"
