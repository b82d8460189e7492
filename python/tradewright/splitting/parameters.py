"""What the parameters of splitters may be."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any, Literal

import numpy as np

from tradewright.errors import ParameterError
from tradewright.panel.durations import parse_duration
from tradewright.splitting.layout import is_duration, is_nothing, resolve_count

__all__ = [
    "Closed",
    "OnEmpty",
    "PurgeScope",
    "Size",
    "check_count",
    "check_known",
    "check_one_of",
    "check_size",
    "plain_value",
]

#: A number of distinct timestamps, a fraction of them, or a duration.
Size = int | float | str | timedelta
Closed = Literal["both", "left"]
OnEmpty = Literal["raise", "skip", "keep"]
PurgeScope = Literal["all", "asset"]


def check_size(value: Any, name: str, *, positive: bool = False) -> None:
    """Refuse what is neither a count, a fraction nor a duration; with ``positive`` also one of nothing."""
    if is_duration(value):
        parse_duration(value, name=name)
    else:
        resolve_count(value, 0, name=name)
    if positive and is_nothing(value, name=name):
        raise ParameterError(f"{name}={value!r}: pass at least one timestamp", code="parameter.size", name=name)


def check_count(name: str, value: Any, least: int) -> None:
    """Refuse a number of splits or groups that is no number or too small."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ParameterError(
            f"{name}={value!r}: pass an integer of at least {least}", code=f"parameter.{name}", name=name
        )


def check_known(cls: type[Any], params: dict[str, Any]) -> None:
    """Refuse parameters that a splitter does not have."""
    names = [item.name for item in fields(cls)]
    for name in params:
        if name not in names:
            raise ParameterError(
                f"{cls.__name__} has no parameter {name!r}: it has {', '.join(names)}",
                code="parameter.unknown",
                name=name,
            )


def check_one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is not one of those allowed."""
    if value not in allowed:
        choices = " or ".join(map(repr, allowed))
        raise ParameterError(f"{name}={value!r}: pass {choices}", code=f"parameter.{name}", name=name)


def plain_value(value: Any) -> Any:
    """A parameter as JSON: timedeltas as elapsed nanoseconds."""
    if isinstance(value, np.integer | np.floating):
        return value.item()
    if is_duration(value) and not isinstance(value, str) and value is not None:
        return f"{parse_duration(value, name='duration').count}ns"
    return value
