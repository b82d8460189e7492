"""Nested states of optimizers and the like as safetensors and JSON, and back: no pickle."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import safetensors.torch
from torch import Tensor

from tradewright.errors import IntegrityError

__all__ = ["copied", "pack", "unpack"]

_TREE, _TENSORS = "torch_state.json", "torch_state.safetensors"


def pack(state: Any) -> dict[str, bytes]:
    """Return a state of dicts, lists, tuples, tensors and plain values as two named payloads.

    Examples
    --------
    >>> import torch
    >>> unpack(pack({"step": {0: torch.ones(2)}, "betas": (0.9, 0.999), "best": float("inf")}))
    {'step': {0: tensor([1., 1.])}, 'betas': (0.9, 0.999), 'best': inf}
    """
    tensors: dict[str, Tensor] = {}
    tree = _plain(state, tensors)
    return {
        _TREE: json.dumps(tree, allow_nan=False).encode(),
        _TENSORS: safetensors.torch.save(tensors),
    }


def unpack(payloads: Mapping[str, bytes]) -> Any:
    """Undo :func:`pack`.

    Raises
    ------
    IntegrityError
        When a payload is missing, or they don't belong together.
    """
    try:
        tensors = safetensors.torch.load(payloads[_TENSORS])
        return _state(json.loads(payloads[_TREE]), tensors)
    except (KeyError, ValueError, TypeError, safetensors.SafetensorError) as error:
        raise IntegrityError(
            f"the training state of the checkpoint cannot be read ({type(error).__name__}: {error}): train from scratch,"
            " or resume from another checkpoint",
            code="bundle.training_state",
        ) from error


def copied(state: Any) -> Any:
    """Return a copy of a state with its tensors on the host."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, Mapping):
        return {key: copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(copied(value) for value in state)
    return state


def _plain(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = f"t{len(tensors)}"
        # One tensor's memory may be another's view; in the file each stands alone.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[_plain(key, tensors), _plain(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_plain(item, tensors) for item in value]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a training state cannot hold a {type(value).__name__}")


def _state(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "float":
        return float(content)
    items = content
    if kind == "dict":
        return {_state(key, tensors): _state(item, tensors) for key, item in items}
    return {"list": list, "tuple": tuple}[kind](_state(item, tensors) for item in items)
