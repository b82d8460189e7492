"""Losses as torch operators: what a compiled graph and autograd see of them.

An operator takes tensors and a string, which names the loss and its arguments. On the CPU it views the tensors as arrays
and lets the core compute value and gradient in one pass. On an accelerator it composes the loss of torch's own operations
there; eager calls compose without an operator, and so do compiled ones where the composition can be traced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from tradewright.errors import UnsupportedError
from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.group_index import GroupIndex, find_index
from tradewright.loss_functions.inputs import LossInputs

__all__ = ["OPTIONAL", "compose", "in_core", "operate", "register", "tensor_inputs"]

#: Operators take tensors and strings, so losses are handed over by key. A key says all there is to know about its
#: loss; the table is bounded by the number of different losses a process makes.
_LOSSES: dict[str, BaseLoss] = {}
OPTIONAL = ("sample_weight", "groups", "assets")
_UNCHECKED = "unchecked"


# A compiled graph keeps the key as it keeps any constant of the loss.
@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def register(loss: BaseLoss) -> str:
    """Return the key under which the operators find ``loss``."""
    key = f"{type(loss).__module__}.{type(loss).__qualname__}:{loss.to_json()}"
    _LOSSES[key] = loss
    return key


def in_core(prediction: torch.Tensor) -> bool:
    """Whether the core computes on this tensor's device."""
    return prediction.device.type == "cpu"


def operate(
    key: str, target: torch.Tensor, prediction: torch.Tensor, given: Mapping[str, Any], *, check: bool
) -> torch.Tensor:
    """Compute a registered loss by an operator."""
    names: list[str] = [] if check else [_UNCHECKED]
    columns = [target]
    for name, column in given.items():
        if isinstance(column, GroupIndex):
            names.append(f"{name}@{column._key}")
        else:
            names.append(name)
            columns.append(column)
    spec = "|".join([key, *names])
    if prediction.requires_grad and torch.is_grad_enabled():
        value: torch.Tensor = _value_grad(prediction, columns, spec)[0]
        return value
    plain: torch.Tensor = _value(prediction, columns, spec)
    return plain


def tensor_inputs(
    prediction: Any, target: Any, given: Mapping[str, Any], shape: tuple[int, ...], dtype: Any
) -> LossInputs:
    """Return a call's inputs, tensors or arrays."""
    flat = {
        name: value if isinstance(value, GroupIndex) else value.reshape(-1)
        for name, value in given.items()
        if name in OPTIONAL
    }
    return LossInputs(
        prediction=prediction.reshape(-1),
        target=target.reshape(-1),
        weight=flat.get("sample_weight"),
        groups=flat.get("groups"),
        assets=flat.get("assets"),
        per_row={name: value for name, value in given.items() if name not in OPTIONAL},
        shape=shape,
        dtype=dtype,
    )


def compose(
    loss: BaseLoss, target: torch.Tensor, prediction: torch.Tensor, given: Mapping[str, Any], *, check: bool
) -> torch.Tensor:
    """Compute a loss from torch's own operations, on the device of the tensors."""
    working = prediction.float() if prediction.dtype in (torch.float16, torch.bfloat16) else prediction
    inputs = tensor_inputs(working, target, given, tuple(prediction.shape), prediction.dtype)
    # A compiled graph cannot stop to look at values.
    if check and not torch.compiler.is_compiling():
        loss._check_on_device(torch, inputs)
    value: torch.Tensor = loss._on_device(torch, inputs).to(prediction.dtype)
    return value


# --- the operators ------------------------------------------------------------------------------------------------

_Call = tuple[BaseLoss, torch.Tensor, dict[str, Any], bool]


def _call(columns: Sequence[torch.Tensor], spec: str) -> _Call:
    """Return loss, target, further arguments by name and whether values are checked."""
    key, *names = spec.split("|")
    target, *further = columns
    given: dict[str, Any] = {}
    tensors = iter(further)
    for name in names:
        plain, _, index = name.partition("@")
        if plain != _UNCHECKED:
            given[plain] = find_index(index) if index else next(tensors)
    return _LOSSES[key], target, given, _UNCHECKED not in names


def _core_inputs(prediction: torch.Tensor, target: torch.Tensor, given: Mapping[str, Any]) -> LossInputs:
    arrays = {name: value if isinstance(value, GroupIndex) else _view(value) for name, value in given.items()}
    return tensor_inputs(_view(prediction), _view(target), arrays, tuple(prediction.shape), None)


def _view(tensor: torch.Tensor) -> Any:
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


@contextmanager
def _with_autograd() -> Iterator[None]:
    """Differentiate inside an operator, whose kernel runs below autograd."""
    keys, excluded = torch._C.DispatchKey, torch._C._dispatch_tls_local_exclude_set()
    for key in (keys.AutogradFunctionality, keys.AutogradOther, keys.AutogradNestedTensor, keys.ADInplaceOrView):
        excluded = excluded.remove(key)
    with torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), excluded), torch.enable_grad():
        yield


# What a composition does on an accelerator depends on values, which a CUDA graph cannot record.
@torch.library.custom_op("tradewright::loss_value", mutates_args=(), tags=torch.Tag.cudagraph_unsafe)
def _value(prediction: torch.Tensor, columns: Sequence[torch.Tensor], spec: str) -> torch.Tensor:
    loss, target, given, check = _call(columns, spec)
    if not in_core(prediction):
        return compose(loss, target, prediction, given, check=check)
    return _to_tensor(loss._value(_core_inputs(prediction, target, given)), prediction)


@_value.register_fake
def _(prediction: torch.Tensor, _columns: Sequence[torch.Tensor], spec: str) -> torch.Tensor:
    return prediction.new_empty(_value_shape(prediction, spec))


@torch.library.custom_op("tradewright::loss_value_grad", mutates_args=(), tags=torch.Tag.cudagraph_unsafe)
def _value_grad(
    prediction: torch.Tensor, columns: Sequence[torch.Tensor], spec: str
) -> tuple[torch.Tensor, torch.Tensor]:
    loss, target, given, check = _call(columns, spec)
    if not in_core(prediction):
        with _with_autograd():
            leaf = prediction.detach().requires_grad_()
            value = compose(loss, target, leaf, given, check=check)
            return value.detach(), torch.autograd.grad(value, leaf)[0]
    inputs = _core_inputs(prediction, target, given)
    # Fresh on every call: autograd holds on to it, and a reused buffer would change under loss(a) + loss(b).
    gradient = np.empty(inputs.shape, dtype=inputs.prediction.dtype)
    found = loss._value_and_grad(inputs, gradient.reshape(-1))
    return _to_tensor(found, prediction), _to_tensor(gradient, prediction)


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
