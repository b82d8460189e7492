"""Checks of the parameters a loss is made with: each refuses what cannot be, by name."""

from __future__ import annotations

import math
from typing import Any

from tradewright.errors import ParameterError

__all__ = ["boolean", "finite", "positive", "refuse", "within"]


def refuse(loss: Any, name: str, hint: str) -> ParameterError:
    """Build the error for a parameter of ``loss`` that cannot be."""
    value = getattr(loss, name)
    return ParameterError(
        f"{type(loss).__name__}: {name}={value!r} is not allowed; {hint}",
        code="parameter.invalid",
        name=name,
        value=value,
    )


def finite(loss: Any, *names: str) -> None:
    """Refuse what is no finite number."""
    for name in names:
        value = getattr(loss, name)
        if not _is_number(value) or not math.isfinite(value):
            raise refuse(loss, name, "pass a finite number")


def positive(loss: Any, *names: str) -> None:
    """Refuse what is not finite and above 0."""
    for name in names:
        value = getattr(loss, name)
        if not _is_number(value) or not 0.0 < value < math.inf:
            raise refuse(loss, name, "pass a finite number above 0")


def within(loss: Any, name: str, low: float, high: float, *, closed: str = "both") -> None:
    """Refuse what does not lie between ``low`` and ``high``; ``closed`` says which ends belong: both, left, neither."""
    value = getattr(loss, name)
    if _is_number(value):
        above = low <= value if closed in ("both", "left") else low < value
        below = value <= high if closed == "both" else value < high
        if above and below:
            return
    ends = {"both": "both included", "left": f"{high} excluded", "neither": "both excluded"}[closed]
    raise refuse(loss, name, f"pass a number from {low} to {high}, {ends}")


def boolean(loss: Any, *names: str) -> None:
    """Refuse what is neither True nor False."""
    for name in names:
        if not isinstance(getattr(loss, name), bool):
            raise refuse(loss, name, "pass True or False")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
