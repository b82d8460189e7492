"""Parameters of other libraries' estimators as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tradewright.errors import ParameterError

__all__ = ["decode", "describe", "encode"]


def describe(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as flat JSON values to be read by people and tracking servers; estimators are left out.

    Examples
    --------
    >>> describe({"alpha": np.float64(0.5), "missing": float("nan"), "metric": len, "shape": (3, 4)})
    {'alpha': 0.5, 'metric': 'builtins.len', 'missing': 'nan', 'shape': [3, 4]}
    """
    return {name: _readable(value) for name, value in sorted(params.items()) if not _holds_estimators(value)}


def encode(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON values from which :func:`decode` makes equal ones.

    Raises
    ------
    ParameterError
        When a value has no faithful form, such as a function.
    """
    return {name: _exact(name, value) for name, value in params.items()}


def decode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`encode`.

    Examples
    --------
    >>> decode(encode({"class_weight": {0: 1.0, 1: 3.0}, "alpha": 0.1}))
    {'class_weight': {0: 1.0, 1: 3.0}, 'alpha': 0.1}
    """
    return {name: _back(value) for name, value in values.items()}


def _holds_estimators(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_estimators(item) for item in value)
    return hasattr(value, "get_params") and not isinstance(value, type)


def _readable(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _readable(item) for key, item in value.items()}
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    text = repr(value)
    if "\n" in text or " object at 0x" in text:  # a torch module, layer by layer; an address, which says nothing
        return f"{type(value).__module__}.{type(value).__qualname__}"
    return text


def _exact(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_exact(name, item) for item in value]
    if isinstance(value, Mapping):  # JSON would turn keys that are numbers into text
        return {"pairs": [[_exact(name, key), _exact(name, item)] for key, item in value.items()]}
    raise ParameterError(
        f"the parameter {name} is a {type(value).__name__}, which a bundle cannot hold: use numbers, text, lists and"
        " dicts, or save with format='pickle'",
        code="model.parameter_not_plain",
        parameter=name,
    )


def _back(value: Any) -> Any:
    if isinstance(value, list):
        return [_back(item) for item in value]
    if isinstance(value, dict):
        return float(value["float"]) if "float" in value else {_back(key): _back(item) for key, item in value["pairs"]}
    return value
