"""From a splitter's configuration to blocks of timestamps: sizes, durations, embargoes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import DataError, ParameterError, SplitError
from tradewright.panel.assets import encode_assets
from tradewright.panel.durations import Duration, add_duration, parse_duration
from tradewright.panel.times import UNITS, TimeAxis, common_unit, normalize_times

__all__ = ["Axis", "Layout", "Span", "is_duration", "is_nothing", "n_rows", "resolve_count"]

#: A block of consecutive timestamps, half-open.
Span = tuple[int, int]

#: A label that never closes; no shift may move it.
_OPEN = np.iinfo(np.int64).max


class Axis:
    """Times counted by distinct timestamps: what a layout is made on.

    Parameters
    ----------
    time, label_end : TimeAxis
        Of one unit; the rows in any order. Sorted ones are neither copied nor moved.
    asset : ndarray of int32, optional
        A code per row, from 0.
    """

    def __init__(
        self, time: TimeAxis, label_end: TimeAxis | None = None, asset: NDArray[np.int32] | None = None
    ) -> None:
        self.unit, self.zone = time.unit, time.zone
        ends = None if label_end is None else np.ascontiguousarray(label_end.values)
        codes = None if asset is None else np.ascontiguousarray(asset, dtype=np.int32)
        self.has_label_ends, self.has_assets = ends is not None, codes is not None
        self.core = _core.Timeline(np.ascontiguousarray(time.values), ends, codes)
        self.order = self.core.order()
        if self.order is not None:
            self.order.flags.writeable = False

    @classmethod
    def read(cls, data: Any, label_end: Any = None, asset: Any = None, *, by_asset: bool = False) -> Axis:
        """Read a panel, times, or a frame indexed by them.

        A panel is anything with ``time``, ``time_unit``, ``label_end`` and ``asset``. Assets that are given beside are
        encoded only when they are needed.
        """
        is_panel = hasattr(data, "time_unit")
        time = TimeAxis(data.time, data.time_unit, data.time_zone) if is_panel else normalize_times(_times_in(data))
        codes = data.asset if is_panel else None
        if asset is not None:
            _refuse_length("asset", n_rows(asset), len(time.values))
            codes = encode_assets(asset, "asset")[0] if by_asset else None
        if label_end is None:
            own = data.label_end if is_panel else None
            return cls(time, None if own is None else TimeAxis(own, time.unit), codes)
        ends = normalize_times(label_end, name="label_end")
        _refuse_length("label_end", len(ends.values), len(time.values))
        return cls(*common_unit(time, ends), codes)

    @property
    def count(self) -> int:
        """How many distinct timestamps there are."""
        return self.core.timestamps

    def instant(self, timestamp: int) -> int:
        """The time of a timestamp."""
        return int(self.core.time_at(np.array([timestamp], dtype=np.int64))[0])

    def shift(
        self,
        instants: NDArray[np.int64],
        duration: Any,
        *,
        sign: Literal[1, -1],
        name: str,
        times: int = 1,
        whole: bool = False,
    ) -> NDArray[np.int64]:
        """Instants moved by a duration, so many times over in one step, so that months don't drift.

        With ``whole`` an elapsed duration that is no multiple of the unit is rounded up, which keeps comparisons with
        an excluded border exact; without it down, which keeps those with an included one exact.
        """
        parsed = duration if isinstance(duration, Duration) else parse_duration(duration, name=name)
        count = parsed.count * times
        if whole and parsed.unit == "ns" and self.unit != "bar":
            count += -count % UNITS[self.unit]
        known = instants != _OPEN
        if known.all():
            return self._add(instants, Duration(count, parsed.unit), sign, name)
        moved = instants.copy()
        moved[known] = self._add(instants[known], Duration(count, parsed.unit), sign, name)
        return moved

    def _add(
        self, instants: NDArray[np.int64], duration: Duration, sign: Literal[1, -1], name: str
    ) -> NDArray[np.int64]:
        return add_duration(instants, duration, unit=self.unit, zone=self.zone, sign=sign, name=name)

    def shift_one(self, instant: int, duration: Any, *, sign: Literal[1, -1], name: str, times: int = 1) -> int:
        """One instant moved to an excluded border; see :meth:`shift`."""
        array = np.array([instant], dtype=np.int64)
        return int(self.shift(array, duration, sign=sign, name=name, times=times, whole=True)[0])

    def covers(self, border: int) -> bool:
        """Whether a window that excludes its end ``border`` is whole: it ends no later than one bar after the data."""
        final = self.instant(self.count - 1)
        return border <= final + (final - self.instant(self.count - 2) if self.count > 1 else 1)

    def before(self, instant: int) -> int:
        """How many timestamps lie before an instant."""
        return int(self.core.locate(np.array([instant], dtype=np.int64), False)[0])

    def until(self, instant: int) -> int:
        """How many timestamps lie at or before an instant."""
        return int(self.core.locate(np.array([instant], dtype=np.int64), True)[0])


@dataclass(frozen=True, slots=True)
class Layout:
    """The blocks of all folds in distinct timestamps, before purging.

    Parameters
    ----------
    tests : ndarray of int64, shape (k, 3)
        Fold, first timestamp, one past the last; sorted by fold, then time; blocks that touch are merged.
    pools : ndarray of int64, shape (n_folds, 2)
        What may train, per fold; test and validation blocks are taken out.
    embargo_side : {"after", "before"}
        Whether train rows follow test blocks, or only precede them.
    window : size or None
        How much of what is left after purging is trained on.
    val_sizes : ndarray of int64, shape (n_folds,), optional
        Timestamps of each validation block, where the layout decides them; else ``val_size`` does.
    """

    tests: NDArray[np.int64]
    pools: NDArray[np.int64]
    embargo_side: Literal["after", "before"]
    window: Any = None
    val_sizes: NDArray[np.int64] | None = None

    @classmethod
    def of_blocks(
        cls,
        blocks: NDArray[np.int64],
        pools: NDArray[np.int64],
        *,
        embargo_side: Literal["after", "before"],
        window: Any = None,
        val_sizes: NDArray[np.int64] | None = None,
    ) -> Layout:
        """One test block a fold."""
        tests = np.column_stack([np.arange(len(blocks)), blocks]).astype(np.int64)
        return cls(tests, np.ascontiguousarray(pools, dtype=np.int64), embargo_side, window, val_sizes)


def n_rows(values: Any) -> int:
    """How many rows an array, a frame or a list has."""
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def _refuse_length(name: str, got: int, expected: int) -> None:
    if got != expected:
        raise DataError(
            f"{name} has {got:,} rows, time has {expected:,}: pass one {name.replace('_', ' ')} per row",
            code="data.length_mismatch",
            got=got,
            expected=expected,
        )


def _times_in(data: Any) -> Any:
    """The times themselves, or the index of a pandas frame that holds them; no other frame says which column it is."""
    # Asked of the class: a lazy polars frame would have to resolve its columns.
    if not hasattr(type(data), "columns") and not isinstance(data, Mapping):
        return data
    index = getattr(data, "index", None)
    if type(index).__name__ == "DatetimeIndex":
        return index
    raise SplitError(
        f"a {type(data).__name__} does not say which of its columns is the time: pass the time column, or a Panel, or a "
        "pandas frame with a DatetimeIndex",
        code="split.frame",
    )


def is_duration(value: Any) -> bool:
    """Whether a size is a duration and not a count or a fraction."""
    # numpy's timedelta64 is one of numpy's integers.
    return isinstance(value, np.timedelta64) or not isinstance(value, int | float | np.integer | np.floating)


def is_nothing(value: Any, *, name: str) -> bool:
    """Whether a size is zero, as a number or as a duration."""
    return parse_duration(value, name=name).count == 0 if is_duration(value) else bool(value == 0)


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


def validation_sizes(axis: Axis, layout: Layout, size: Any) -> NDArray[np.int64]:
    """How many timestamps the validation block of each fold has, as the core wants to know it.

    It lies just before the first test block, after that block where none precede; a duration is measured from the
    border it shares with the test.
    """
    folds = len(layout.pools)
    if not is_duration(size):
        return np.full(folds, resolve_count(size, axis.count, name="val_size"), dtype=np.int64)
    firsts = np.searchsorted(layout.tests[:, 0], np.arange(folds))
    starts, stops = layout.tests[firsts, 1], layout.tests[firsts, 2]
    since = axis.core.locate(axis.shift(axis.core.time_at(starts), size, sign=-1, name="val_size"), False)
    ahead = axis.shift(axis.core.time_at(stops), size, sign=1, name="val_size", whole=True)
    until = axis.core.locate(ahead, False)
    sizes: NDArray[np.int64] = np.where(starts > layout.pools[:, 0], starts - since, until - stops)
    sizes.clip(0, out=sizes)
    return sizes


def embargo_limits(axis: Axis, layout: Layout, embargo: Any, *, by_asset: bool) -> tuple[int, NDArray[np.int64] | None]:
    """The embargo as a count of timestamps, or as the instant it reaches for each test block (and asset)."""
    if is_nothing(embargo, name="embargo"):
        return 0, None
    if not is_duration(embargo):
        return resolve_count(embargo, axis.count, name="embargo"), None
    blocks = np.ascontiguousarray(layout.tests[:, 1:])
    firsts, ends = axis.core.hulls_by_asset(blocks) if by_asset else axis.core.hulls(blocks)
    # An asset without rows in a block has no hull to shift.
    edges, present = (ends if layout.embargo_side == "after" else firsts), ends >= firsts
    limits = edges.copy()
    limits[present] = axis.shift(
        edges[present], embargo, sign=1 if layout.embargo_side == "after" else -1, name="embargo"
    )
    return 0, limits
