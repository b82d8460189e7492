"""The part of a loss's contract that is about torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tradewright.errors import UnsupportedError
from tradewright.loss_functions import BaseLoss
from tradewright.loss_functions.adapters.torch_operators import tensor_inputs
from tradewright.testing.loss_problem import Problem

__all__ = ["check", "check_sum"]


def _tensors(problem: Problem, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    def tensor(array: Any) -> torch.Tensor:
        return torch.as_tensor(array, dtype=dtype if np.asarray(array).dtype.kind == "f" else None)

    given = {name: tensor(value) for name, value in problem.given.items()}
    return tensor(problem.target), tensor(problem.prediction), given


def check(loss: BaseLoss, problem: Problem) -> None:
    """Check values, gradients and the composition for accelerators against the core, in both widths."""
    for dtype, rtol, atol in ((torch.float64, 1e-10, 1e-13), (torch.float32, 2e-4, 1e-6)):
        target, prediction, given = _tensors(problem, dtype)
        if not loss.differentiable:
            value = loss(target, prediction, **given)
            composed = loss._on_device(torch, tensor_inputs(prediction, target, given, tuple(prediction.shape), dtype))
            torch.testing.assert_close(value, composed, rtol=rtol, atol=atol)
            continue
        prediction.requires_grad_()
        upstream = torch.tensor(-1.5, dtype=dtype)
        value = loss(target, prediction, **given)
        assert value.dtype == dtype, "the value has another dtype than the prediction"
        (gradient,) = torch.autograd.grad((value * upstream).sum(), prediction)

        composed = loss._on_device(torch, tensor_inputs(prediction, target, given, tuple(prediction.shape), dtype))
        (expected,) = torch.autograd.grad((composed * upstream).sum(), prediction)
        scale = float(composed.detach().abs().max())
        torch.testing.assert_close(value, composed, rtol=rtol, atol=atol * max(1.0, scale))
        torch.testing.assert_close(gradient, expected, rtol=rtol, atol=10 * atol * float(expected.abs().max()))
    target, prediction, given = _tensors(problem, torch.float64)
    with torch.no_grad():
        np.testing.assert_array_equal(loss(target, prediction, **given).numpy(), problem.call(loss))
    if loss.differentiable:
        _no_second_derivative(loss, target, prediction, given)


def _no_second_derivative(loss: BaseLoss, target: Any, prediction: torch.Tensor, given: Any) -> None:
    once = prediction.requires_grad_()
    try:
        torch.autograd.grad(loss(target, once, **given).sum(), once, create_graph=True)
    except UnsupportedError:
        return
    raise AssertionError("a second derivative went through")


def check_sum(loss: BaseLoss, problem: Problem) -> None:
    """Check that two calls of one loss keep gradients of their own."""
    target, prediction, given = _tensors(problem, torch.float64)
    prediction.requires_grad_()
    (once,) = torch.autograd.grad(loss(target, prediction, **given), prediction)
    both = loss(target, prediction, **given) + 2 * loss(target, prediction, **given)
    torch.testing.assert_close(torch.autograd.grad(both, prediction)[0], 3 * once)
