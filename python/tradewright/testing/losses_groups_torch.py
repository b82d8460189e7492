"""The part of the contract of losses across rows that is about torch."""

from __future__ import annotations

from typing import Any

import torch

from tradewright.errors import UnsupportedError
from tradewright.loss_functions import GroupIndex
from tradewright.loss_functions.adapters import torch_operators
from tradewright.testing.loss_problem import changed
from tradewright.testing.losses_shared import Rows

__all__ = ["check"]


def check(loss: Any, rows: Rows) -> None:
    """Check the operator against the composition for accelerators, ids as tensors and as an index."""
    for dtype, rtol in ((torch.float64, 1e-10), (torch.float32, 2e-3)):
        target, weight = torch.as_tensor(rows.y, dtype=dtype), torch.as_tensor(rows.w, dtype=dtype)
        prediction = torch.as_tensor(rows.s, dtype=dtype).requires_grad_()
        ids = {name: torch.as_tensor(values) for name, values in rows.ids.items()}
        extra = {name: torch.as_tensor(values, dtype=dtype) for name, values in rows.extra.items()}
        index = GroupIndex(rows.groups, rows.assets)
        for reduction in loss.reductions:
            used = changed(loss, reduction=reduction)
            value = used(target, prediction, sample_weight=weight, **ids, **extra)
            assert value.dtype == dtype, "the value has another dtype than the prediction"
            (gradient,) = torch.autograd.grad(value.sum() * -1.5, prediction)
            named: list[dict[str, Any]] = [{**ids}, {"groups": index}]
            for given in named:
                given = {"sample_weight": weight, **given, **extra}
                composed = torch_operators.compose(used, target, prediction, given, check=True)
                (expected,) = torch.autograd.grad(composed.sum() * -1.5, prediction)
                torch.testing.assert_close(value, composed, rtol=rtol, atol=rtol)
                scale = float(expected.abs().max())
                torch.testing.assert_close(gradient, expected, rtol=rtol, atol=rtol * scale)
            again = used(target, prediction, sample_weight=weight, groups=index, **extra)
            torch.testing.assert_close(again, value, rtol=0, atol=0)
    once = torch.as_tensor(rows.s).requires_grad_()
    plain = changed(loss, reduction="mean")
    names = {name: torch.as_tensor(values) for name, values in {**rows.ids, **rows.extra}.items()}
    try:
        torch.autograd.grad(plain(torch.as_tensor(rows.y), once, **names), once, create_graph=True)
    except UnsupportedError:
        return
    raise AssertionError("a second derivative went through")
