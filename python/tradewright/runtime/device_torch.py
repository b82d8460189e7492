"""What devices torch sees."""

from __future__ import annotations

import torch

__all__ = ["accelerators", "find", "num_threads"]


def find(device: str) -> str | None:
    """Return the full name of the device that ``device`` asks for; None when it is absent."""
    kind, _, number = device.partition(":")
    if kind in ("auto", "cuda") and torch.cuda.is_available():
        index = int(number) if number else torch.cuda.current_device()
        if index < torch.cuda.device_count():
            return f"cuda:{index}"
    if kind in ("auto", "mps") and torch.backends.mps.is_available():
        return "mps"
    return None


def num_threads() -> int:
    """Return how many threads torch computes with."""
    return torch.get_num_threads()


def accelerators() -> list[str]:
    """Return the names of the devices beside the CPU; looking does not start them."""
    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ["mps"] if torch.backends.mps.is_available() else []
