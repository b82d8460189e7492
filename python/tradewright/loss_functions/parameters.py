"""Checks of the parameters a loss is made with: each refuses what cannot be, by name.

Numbers are kept as Python's own, whatever they came as (``numpy.float32`` from a search grid, 1 for 1.0): equal losses
then have equal JSON.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from tradewright.errors import ParameterError

__all__ = ["choice", "flag", "keep", "number", "real", "refuse", "whole"]


def refuse(loss: Any, name: str, hint: str) -> ParameterError:
    """Build the error for a parameter of ``loss`` that cannot be."""
    value = getattr(loss, name)
    return ParameterError(
        f"{type(loss).__name__}: {name}={value!r} is not allowed; {hint}",
        code="parameter.invalid",
        name=name,
        value=value,
    )


def keep(loss: Any, name: str, value: Any) -> None:
    """Keep a parameter of a frozen loss in another form; only for ``__post_init__``."""
    object.__setattr__(loss, name, value)


def real(value: Any) -> float | None:
    """Return a number as a float, None for anything that is no finite number (truth values are none)."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return None
    return float(value)


def number(
    loss: Any,
    *names: str,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Refuse parameters that are not finite numbers in the range; ``open`` ends do not belong to it."""
    for name in names:
        value = real(getattr(loss, name))
        if (
            value is None
            or (value <= low if open_low else value < low)
            or (value >= high if open_high else value > high)
        ):
            raise refuse(loss, name, f"pass a finite number{_bounds(low, high, open_low, open_high)}")
        keep(loss, name, value)


def _bounds(low: float, high: float, open_low: bool, open_high: bool) -> str:
    bounds = [
        f"{'above' if open_low else 'at least'} {low:g}" if low > -math.inf else "",
        f"{'below' if open_high else 'at most'} {high:g}" if high < math.inf else "",
    ]
    allowed = " and ".join(filter(None, bounds))
    return f" {allowed}" if allowed else ""


def whole(loss: Any, name: str, *, low: int, optional: bool = False) -> None:
    """Refuse a parameter that is not a whole number of at least ``low``."""
    value = getattr(loss, name)
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise refuse(loss, name, f"pass a whole number of at least {low}{', or None' if optional else ''}")
    keep(loss, name, int(value))


def flag(loss: Any, *names: str) -> None:
    """Refuse what is neither True nor False."""
    for name in names:
        if not isinstance(getattr(loss, name), bool):
            raise refuse(loss, name, "pass True or False")


def choice(loss: Any, name: str, allowed: tuple[Any, ...]) -> None:
    """Refuse a parameter that is not one of ``allowed``."""
    if getattr(loss, name) not in allowed:
        raise refuse(loss, name, f"pass one of {', '.join(map(repr, allowed))}")
