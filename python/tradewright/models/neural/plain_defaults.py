"""torch's defaults, as a model needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

__all__ = ["plain_defaults"]


@contextmanager
def plain_defaults() -> Iterator[None]:
    """Compute in float32, on the CPU unless told otherwise and with gradients, whatever the caller has made the default.

    Also a decorator. The caller's defaults are put back after.

    Examples
    --------
    >>> torch.set_default_dtype(torch.float64)
    >>> with plain_defaults():
    ...     torch.ones(1).dtype
    torch.float32
    >>> torch.ones(1).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    dtype = torch.get_default_dtype()
    with ExitStack() as stack:
        if torch.get_default_device().type != "cpu":  # a device context costs a little at every call
            stack.enter_context(torch.device("cpu"))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
