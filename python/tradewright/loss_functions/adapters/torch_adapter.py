"""Losses on torch tensors: autograd, ``torch.compile`` and modules, written once for all losses.

On the CPU a call is one custom operator: it views the tensors as arrays, lets the core compute value and gradient
in one pass, and keeps the gradient for the way back. On an accelerator the loss is composed of torch's own
operations and never leaves the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch

from tradewright.errors import LossError, UnsupportedError
from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.group_index import GroupIndex, find_index
from tradewright.loss_functions.inputs import LossInputs, check_shapes, shape_error

__all__ = ["LossModule", "as_array", "evaluate", "is_tensor", "make_module"]

#: Operators take tensors and strings, so losses are handed over by key. A key says all there is to know about its
#: loss; the table is bounded by the number of different losses a process makes.
_LOSSES: dict[str, BaseLoss] = {}
_OPTIONAL = ("sample_weight", "groups", "assets")


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
    named = dict(zip(_OPTIONAL, (sample_weight, groups, assets), strict=True)) | dict(per_row or {})
    given = {name: value for name, value in named.items() if value is not None}
    target, given = _checked(loss, target, prediction, given)
    # A value per group has no shape that an operator could foretell: it is composed on the CPU too.
    composed = loss.reduction == "none" and not loss.per_row_value
    if prediction.device.type != "cpu" or composed:
        return _on_device(loss, target, prediction, given, check=check_on_device or composed)
    names: list[str] = []
    columns = [target]
    for name, column in given.items():
        if isinstance(column, GroupIndex):
            names.append(f"{name}@{column._key}")
        else:
            names.append(name)
            columns.append(column)
    spec = "|".join([key or register(loss), *names])
    if prediction.requires_grad and torch.is_grad_enabled():
        value: torch.Tensor = _value_grad(prediction, columns, spec)[0]
        return value
    return cast("torch.Tensor", _value(prediction, columns, spec))


def register(loss: BaseLoss) -> str:
    """Return the key under which the operators find ``loss``."""
    key = f"{type(loss).__module__}.{type(loss).__qualname__}:{loss.to_json()}"
    _LOSSES[key] = loss
    return key


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
        if shape[:1] != (rows,) or (name in _OPTIONAL and shape not in ((rows,), (rows, 1))):
            raise shape_error(name, shape, tuple(prediction.shape))
    return target, given


def _inputs(prediction: Any, target: Any, given: Mapping[str, Any], shape: tuple[int, ...], dtype: Any) -> LossInputs:
    flat = {
        name: value if isinstance(value, GroupIndex) else value.reshape(-1)
        for name, value in given.items()
        if name in _OPTIONAL
    }
    return LossInputs(
        prediction=prediction.reshape(-1),
        target=target.reshape(-1),
        weight=flat.get("sample_weight"),
        groups=flat.get("groups"),
        assets=flat.get("assets"),
        per_row={name: value for name, value in given.items() if name not in _OPTIONAL},
        shape=shape,
        dtype=dtype,
    )


# --- accelerators -------------------------------------------------------------------------------------------------


def _on_device(
    loss: BaseLoss, target: torch.Tensor, prediction: torch.Tensor, given: Mapping[str, Any], *, check: bool
) -> torch.Tensor:
    working = prediction.float() if prediction.dtype in (torch.float16, torch.bfloat16) else prediction
    inputs = _inputs(working, target, given, tuple(prediction.shape), prediction.dtype)
    # A compiled graph cannot stop to look at values.
    if check and not torch.compiler.is_compiling():
        loss._check_on_device(torch, inputs)
    value: torch.Tensor = loss._on_device(torch, inputs).to(prediction.dtype)
    return value


# --- the CPU operators --------------------------------------------------------------------------------------------


def _numpy_call(prediction: torch.Tensor, columns: Sequence[torch.Tensor], spec: str) -> tuple[BaseLoss, LossInputs]:
    key, *names = spec.split("|")
    target, *further = (_numpy_view(column) for column in columns)
    given: dict[str, Any] = {}
    arrays = iter(further)
    for name in names:
        plain, _, index = name.partition("@")
        given[plain] = find_index(index) if index else next(arrays)
    return _LOSSES[key], _inputs(_numpy_view(prediction), target, given, tuple(prediction.shape), None)


def _numpy_view(tensor: torch.Tensor) -> Any:
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    # An expanded tensor repeats one value by a stride of 0, which the core does not read.
    if 0 in tensor.stride():
        tensor = tensor.contiguous()
    return tensor.detach().resolve_neg().numpy()


def _to_tensor(value: Any, prediction: torch.Tensor) -> torch.Tensor:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value).to(prediction.dtype)
    return torch.tensor(value, dtype=prediction.dtype)


@torch.library.custom_op("tradewright::loss_value", mutates_args=(), device_types="cpu")
def _value(prediction: torch.Tensor, columns: Sequence[torch.Tensor], spec: str) -> torch.Tensor:
    loss, inputs = _numpy_call(prediction, columns, spec)
    return _to_tensor(loss._value(inputs), prediction)


@_value.register_fake
def _(prediction: torch.Tensor, _columns: Sequence[torch.Tensor], spec: str) -> torch.Tensor:
    return prediction.new_empty(_value_shape(prediction, spec))


@torch.library.custom_op("tradewright::loss_value_grad", mutates_args=(), device_types="cpu")
def _value_grad(
    prediction: torch.Tensor, columns: Sequence[torch.Tensor], spec: str
) -> tuple[torch.Tensor, torch.Tensor]:
    loss, inputs = _numpy_call(prediction, columns, spec)
    # Fresh on every call: autograd holds on to it, and a reused buffer would change under loss(a) + loss(b).
    gradient = np.empty(inputs.shape, dtype=inputs.prediction.dtype)
    value = loss._value_and_grad(inputs, gradient.reshape(-1))
    return _to_tensor(value, prediction), _to_tensor(gradient, prediction)


@_value_grad.register_fake
def _(prediction: torch.Tensor, _columns: Sequence[torch.Tensor], spec: str) -> tuple[torch.Tensor, torch.Tensor]:
    return prediction.new_empty(_value_shape(prediction, spec)), prediction.new_empty(prediction.shape)


def _value_shape(prediction: torch.Tensor, spec: str) -> tuple[int, ...]:
    loss = _LOSSES[spec.split("|")[0]]
    return tuple(prediction.shape) if loss.reduction == "none" else ()


def _keep_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.save_for_backward(output[1])
    ctx.columns = len(inputs[1])


def _backward(ctx: Any, upstream: torch.Tensor, _: torch.Tensor) -> tuple[Any, ...]:
    if torch.is_grad_enabled():
        raise UnsupportedError(
            "a tradewright loss has no second derivative through autograd; call backward without create_graph=True, or "
            "use loss.grad_hess",
            code="loss.double_backward",
        )
    (gradient,) = ctx.saved_tensors
    return upstream * gradient, [None] * ctx.columns, None


_value_grad.register_autograd(_backward, setup_context=_keep_gradient)


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
