"""Losses on torch tensors: calls with autograd, and modules, written once for all losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tradewright.errors import LossError, UnsupportedError
from tradewright.loss_functions.adapters.torch_operators import OPTIONAL, compose, in_core, operate, register
from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.loss_functions.inputs import check_shapes, shape_error

__all__ = ["LossModule", "as_array", "evaluate", "is_tensor", "make_module"]


def is_tensor(value: Any) -> bool:
    """Whether ``value`` is a torch tensor."""
    return isinstance(value, torch.Tensor)


def as_array(value: Any) -> Any:
    """View a CPU tensor as an array; anything else comes back as it is.

    Raises
    ------
    UnsupportedError
        When the tensor lives on an accelerator: copying it to the host is the caller's decision.
    """
    if not isinstance(value, torch.Tensor):
        return value
    if value.device.type != "cpu":
        raise UnsupportedError(
            f"this tensor lives on {value.device}; call the loss itself for autograd there, or pass tensor.cpu()",
            code="loss.device",
        )
    value = value.detach()
    return (value.float() if value.dtype is torch.bfloat16 else value).numpy()


def evaluate(
    loss: BaseLoss,
    target: Any,
    prediction: torch.Tensor,
    sample_weight: Any = None,
    groups: Any = None,
    assets: Any = None,
    per_row: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    check_on_device: bool = True,
) -> torch.Tensor:
    """Compute the loss of tensors, with autograd. Arguments are those of :meth:`BaseLoss.__call__`."""
    named = dict(zip(OPTIONAL, (sample_weight, groups, assets), strict=True)) | dict(per_row or {})
    given = {name: value for name, value in named.items() if value is not None}
    target, given = _checked(loss, target, prediction, given)
    # A value per group has no shape that an operator could foretell: it is composed on the CPU too.
    each_group = loss.reduction == "none" and not loss.per_row_value
    # On an accelerator a composition is fused into a compiled graph where it can be traced; else the graph calls an
    # operator, which composes.
    opaque = torch.compiler.is_compiling() and not loss.traceable
    if each_group or not (in_core(prediction) or opaque):
        return compose(loss, target, prediction, given, check=check_on_device or each_group)
    return operate(key or register(loss), target, prediction, given, check=check_on_device)


def _checked(
    loss: BaseLoss, target: Any, prediction: torch.Tensor, given: dict[str, Any]
) -> tuple[torch.Tensor, dict[str, Any]]:
    if not prediction.is_floating_point():
        raise LossError(f"y_pred has dtype {prediction.dtype}; pass a floating-point tensor", code="loss.dtype")
    tensors = {name: value for name, value in given.items() if not isinstance(value, GroupIndex)}
    everything = {"y_true": target, **tensors}
    for name, value in everything.items():
        if not isinstance(value, torch.Tensor):
            raise LossError(
                f"{name} is a {type(value).__name__} and y_pred is a tensor; pass torch.as_tensor({name})",
                code="loss.mixed_types",
            )
        if value.device != prediction.device:
            raise LossError(
                f"{name} lives on {value.device}, y_pred on {prediction.device}; move it with .to(y_pred.device)",
                code="loss.device",
            )
        if value.requires_grad and torch.is_grad_enabled():
            raise LossError(
                f"{name} requires a gradient, but a loss has gradients by y_pred only; pass {name}.detach()",
                code="loss.target_gradient",
            )
    check_shapes(tuple(target.shape), tuple(prediction.shape), loss.outputs)
    for name, value in tensors.items():
        shape = tuple(value.shape)
        rows = prediction.shape[0]
        if shape[:1] != (rows,) or (name in OPTIONAL and shape not in ((rows,), (rows, 1))):
            raise shape_error(name, shape, tuple(prediction.shape))
    return target, given


# --- modules ------------------------------------------------------------------------------------------------------


class LossModule(torch.nn.Module):
    """A loss as a module; ``forward(input, target)`` in torch's order. Made by :meth:`BaseLoss.module`.

    Parameters
    ----------
    loss : BaseLoss
        What to compute.
    check_on_device : bool, default True
        Whether values are checked on accelerators, at one synchronisation a call.

    Examples
    --------
    >>> import torch
    >>> from tradewright.loss_functions import MSELoss
    >>> prediction = torch.tensor([1.0, 3.0], requires_grad=True)
    >>> value = MSELoss().module()(prediction, torch.tensor([0.0, 1.0]))
    >>> value.backward()
    >>> value.item(), prediction.grad.tolist()
    (2.5, [1.0, 2.0])
    """

    def __init__(self, loss: BaseLoss, *, check_on_device: bool = True) -> None:
        super().__init__()
        self.loss = loss
        self.check_on_device = check_on_device
        self._key = register(loss)

    def forward(
        self,
        input: torch.Tensor,  # noqa: A002  torch's own name
        target: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        groups: torch.Tensor | GroupIndex | None = None,
        assets: torch.Tensor | None = None,
        **per_row: torch.Tensor,
    ) -> torch.Tensor:
        """Compute the loss of ``input`` (predictions) against ``target``."""
        if per_row:
            self.loss._check_names(per_row)
        return evaluate(
            self.loss,
            target,
            input,
            sample_weight,
            groups,
            assets,
            per_row,
            key=self._key,
            check_on_device=self.check_on_device,
        )

    def extra_repr(self) -> str:
        """Return the loss, for the module's repr."""
        return repr(self.loss)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        # An unpickled module may be the first of its loss in this process.
        self._key = register(self.loss)


def make_module(loss: BaseLoss, *, check_on_device: bool) -> LossModule:
    """Return ``loss`` as a module."""
    return LossModule(loss, check_on_device=check_on_device)
