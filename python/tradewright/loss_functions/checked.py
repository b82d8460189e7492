"""Checks of the parameters of losses, each naming its parameter."""

from __future__ import annotations

import math
from typing import Any

from tradewright.errors import ParameterError

__all__ = ["check_flag", "check_number", "check_whole"]


def check_number(
    loss: Any,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Refuse a parameter that is not a finite number in the range; ``open`` ends are not allowed themselves."""
    value = getattr(loss, name)
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if number and (value > low if open_low else value >= low) and (value < high if open_high else value <= high):
        return
    bounds = [
        f"{'above' if open_low else 'at least'} {low:g}" if low > -math.inf else "",
        f"{'below' if open_high else 'at most'} {high:g}" if high < math.inf else "",
    ]
    allowed = " and ".join(filter(None, bounds))
    raise _error(loss, name, value, f"a finite number{f' {allowed}' if allowed else ''}")


def check_flag(loss: Any, name: str) -> None:
    """Refuse a parameter that is not True or False."""
    value = getattr(loss, name)
    if not isinstance(value, bool):
        raise _error(loss, name, value, "True or False")


def check_whole(loss: Any, name: str, *, low: int, optional: bool = False) -> None:
    """Refuse a parameter that is not a whole number of at least ``low``."""
    value = getattr(loss, name)
    if (optional and value is None) or (isinstance(value, int) and not isinstance(value, bool) and value >= low):
        return
    raise _error(loss, name, value, f"a whole number of at least {low}{', or None' if optional else ''}")


def _error(loss: Any, name: str, value: Any, allowed: str) -> ParameterError:
    return ParameterError(
        f"{type(loss).__name__}: {name}={value!r} is not allowed; pass {allowed}",
        code="parameter.invalid",
        name=name,
        value=value,
    )
