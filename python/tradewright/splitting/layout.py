"""From a splitter's configuration to blocks of timestamps: sizes, durations, embargoes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import ParameterError
from tradewright.panel.durations import Duration, add_duration, parse_duration
from tradewright.panel.times import TimeAxis, common_unit, normalize_times

__all__ = ["Axis", "FoldLayout", "Layout", "resolve_count"]

#: A block of consecutive timestamps, half-open.
Span = tuple[int, int]


class Axis:
    """Times in time order, counted by distinct timestamps: what a layout is made on.

    Parameters
    ----------
    time, label_end : TimeAxis
        Of one unit; the rows in any order.
    """

    def __init__(self, time: TimeAxis, label_end: TimeAxis | None = None) -> None:
        self.unit, self.zone = time.unit, time.zone
        ends = None if label_end is None else np.ascontiguousarray(label_end.values)
        self.core = _core.Timeline(np.ascontiguousarray(time.values), ends)

    @classmethod
    def read(cls, data: Any, label_end: Any = None) -> Axis:
        """Read a panel (anything with ``time``, ``time_unit`` and ``label_end``), or an array of times."""
        if hasattr(data, "time_unit"):
            time = TimeAxis(data.time, data.time_unit, data.time_zone)
            ends = data.label_end if label_end is None else label_end
            return cls(time, None if ends is None else TimeAxis(ends, data.time_unit))
        time = normalize_times(data)
        if label_end is None:
            return cls(time)
        return cls(*common_unit(time, normalize_times(label_end, name="label_end")))

    @property
    def count(self) -> int:
        """How many distinct timestamps there are."""
        return self.core.timestamps

    def instant(self, timestamp: int) -> int:
        """The time of a timestamp."""
        row = int(self.core.first_rows(np.array([timestamp], dtype=np.int64))[0])
        return int(self.core.times[row])

    def shift(self, instant: int, duration: Any, *, sign: Literal[1, -1], name: str, times: int = 1) -> int:
        """An instant moved by a duration, so many times over in one step, so that months don't drift."""
        parsed = duration if isinstance(duration, Duration) else parse_duration(duration, name=name)
        moved = Duration(parsed.count * times, parsed.unit)
        return int(add_duration(np.array([instant]), moved, unit=self.unit, zone=self.zone, sign=sign, name=name)[0])

    def before(self, instant: int) -> int:
        """How many timestamps lie before an instant."""
        return self.core.count_before(instant, False)

    def until(self, instant: int) -> int:
        """How many timestamps lie at or before an instant."""
        return self.core.count_before(instant, True)


@dataclass(frozen=True, slots=True)
class FoldLayout:
    """The blocks of one fold, before purging."""

    tests: tuple[Span, ...]
    pool: Span
    val: Span = (0, 0)


@dataclass(frozen=True, slots=True)
class Layout:
    """The blocks of all folds, and the rules that turn them into roles.

    Parameters
    ----------
    folds : tuple of FoldLayout
    embargo : int, float, str or timedelta
        As the splitter was given it.
    embargo_side : {"before", "after"}
        Whether train rows precede the tests only (walk-forward), or follow them too (k-fold).
    window : int, float, str, timedelta or None
        How much of what is left is trained on; None is all.
    """

    folds: tuple[FoldLayout, ...]
    embargo: Any = 0
    embargo_side: Literal["before", "after"] = "after"
    window: Any = None


def is_duration(value: Any) -> bool:
    """Whether a size is a duration and not a count or a fraction."""
    return not isinstance(value, int | float | np.integer | np.floating)


def resolve_count(value: Any, total: int, *, name: str) -> int:
    """Turn a size in timestamps, or as a fraction of them, into a count.

    A fraction is the floor of the exact decimal: 0.7 of 90 is 63, though 0.7 * 90 is 62.99….

    Raises
    ------
    ParameterError
        When it is negative, NaN, or a fraction above 1.

    Examples
    --------
    >>> resolve_count(0.7, 90, name="train_size"), resolve_count(5, 90, name="embargo")
    (63, 5)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ParameterError(f"{name}={value!r} is not a size", code="parameter.size", name=name)
    if isinstance(value, int | np.integer):
        if value < 0:
            raise ParameterError(
                f"{name}={value}: a count of timestamps cannot be negative", code="parameter.size", name=name
            )
        return int(value)
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ParameterError(
            f"{name}={value!r}: a float is a fraction of the distinct timestamps, from 0 to 1; pass an int for a count",
            code="parameter.size",
            name=name,
        )
    return math.floor(Fraction(repr(float(value))) * total)


def val_span(axis: Axis, tests: tuple[Span, ...], size: Any) -> Span:
    """The validation block: just before the first test, or just after the last where nothing precedes."""
    first, last = tests[0][0], tests[-1][1]
    if not is_duration(size):
        count = resolve_count(size, axis.count, name="val_size")
        if count == 0:
            return (0, 0)
        return (max(first - count, 0), first) if first > 0 else (last, min(last + count, axis.count))
    if first > 0:
        since = axis.shift(axis.instant(first), size, sign=-1, name="val_size")
        return (axis.before(since), first)
    if last >= axis.count:
        return (0, 0)
    return (last, axis.before(axis.shift(axis.instant(last), size, sign=1, name="val_size")))


def embargo_limits(axis: Axis, layout: Layout, tests: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """The embargo of each test block, as counts of timestamps or as instants."""
    if not is_duration(layout.embargo):
        count = resolve_count(layout.embargo, axis.count, name="embargo")
        return np.full(len(tests), count, dtype=np.int64), False
    duration = parse_duration(layout.embargo, name="embargo")
    firsts, ends = axis.core.hulls(tests)
    if layout.embargo_side == "after":
        moved = add_duration(ends, duration, unit=axis.unit, zone=axis.zone, sign=1, name="embargo")
    else:
        moved = add_duration(firsts, duration, unit=axis.unit, zone=axis.zone, sign=-1, name="embargo")
    return moved, True
