"""The part of a loss's contract that is about torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tradewright.errors import UnsupportedError
from tradewright.loss_functions import PointLoss
from tradewright.loss_functions.adapters.torch_adapter import _inputs

__all__ = ["check"]


def check(loss: PointLoss, y: NDArray[Any], s: NDArray[Any], w: NDArray[Any]) -> None:
    """Check values, gradients and the composition for accelerators against the core, in both widths."""
    for dtype, rtol in ((torch.float64, 1e-9), (torch.float32, 2e-4)):
        target, weight = torch.as_tensor(y, dtype=dtype), torch.as_tensor(w, dtype=dtype)
        prediction = torch.as_tensor(s, dtype=dtype).requires_grad_()
        upstream = torch.tensor(-1.5, dtype=dtype)
        value = loss(target, prediction, sample_weight=weight)
        assert value.dtype == dtype, "the value has another dtype than the prediction"
        (gradient,) = torch.autograd.grad((value * upstream).sum(), prediction)

        composed = loss._on_device(
            torch, _inputs(prediction, target, {"sample_weight": weight}, tuple(prediction.shape), dtype)
        )
        (expected,) = torch.autograd.grad((composed * upstream).sum(), prediction)
        torch.testing.assert_close(value, composed, rtol=rtol, atol=1e-6)
        torch.testing.assert_close(gradient, expected, rtol=rtol, atol=1e-6 * float(expected.abs().max()))
    with torch.no_grad():
        np.testing.assert_array_equal(loss(torch.as_tensor(y), torch.as_tensor(s)).numpy(), loss(y, s))
    once = torch.as_tensor(s).requires_grad_()
    try:
        torch.autograd.grad(loss(torch.as_tensor(y), once).sum(), once, create_graph=True)
    except UnsupportedError:
        return
    raise AssertionError("a second derivative went through")
