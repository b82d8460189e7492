"""The rows of a side as series: asset by asset, in time order; and how many independent rows they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.panel.times import OPEN
from tradewright.sanity_checks.base import CannotRun, CheckContext, Side
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.side_times import count_dates, distinct

__all__ = [
    "SIGMAS",
    "SPREAD_ERROR",
    "WANDERS",
    "SideSeries",
    "above_noise",
    "effective",
    "horizon_bars",
    "known_labels",
    "series_of",
    "worth_of",
]

#: How many standard errors a statistic must stand above its threshold: 100 features at 21 lags give about 0.13 false
#: alarms at four.
SIGMAS = 4.0
#: Standard error of the logarithm of an interquartile range, times the root of the number of rows, for fat tails.
SPREAD_ERROR = 1.2
#: Above this autocorrelation a series wanders like a price, and is taken by what it changes by.
WANDERS = 0.95

_KNOWN: WeakKeyDictionary[Side | FoldBlocks, SideSeries] = WeakKeyDictionary()
_BARS: WeakKeyDictionary[Side, tuple[int, str]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class SideSeries:
    """How to walk through the rows of a side.

    Parameters
    ----------
    order : ndarray of int64 or None
        The source's row at each place of the walk; None for all rows as they lie.
    starts : ndarray of int64
        The places at which an asset begins.
    length : int
        How many rows there are.
    dates : int
        How many rows are worth counting as independent before autocorrelation: distinct times, since the rows of one
        time share the market; rows where times are not known.
    mixed : bool
        Whether several rows share a time and nothing says whose they are, so that no row has a known predecessor.
    """

    order: NDArray[np.int64] | None
    starts: NDArray[np.int64]
    length: int
    dates: int
    mixed: bool

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """How many rows each asset has."""
        return np.diff(np.append(self.starts, self.length))

    @classmethod
    def of(cls, side: Side) -> SideSeries:
        """Sort the rows of a side; nothing is sorted that lies in order already."""
        time = None if side.time is None else side.take(side.time)
        asset = None if side.asset is None else side.take(side.asset)
        length, starts = len(side), np.zeros(min(len(side), 1), dtype=np.int64)
        by_time = None if time is None or (time[1:] >= time[:-1]).all() else np.argsort(time, kind="stable")
        order: NDArray[np.int64] | None = None
        if asset is None:
            order = by_time
        elif length:
            # Codes of 16 bits are sorted by counting.
            codes = asset.astype(np.uint16) if int(asset.max()) < 2**16 and int(asset.min()) >= 0 else asset
            order = np.argsort(codes if by_time is None else codes[by_time], kind="stable")
            order = order if by_time is None else by_time[order]
            whose = asset[order]
            starts = np.concatenate([starts, np.flatnonzero(whose[1:] != whose[:-1]) + 1])
        dates = length if time is None else len(distinct(time))
        if side.rows is not None:
            positions = side.positions()
            order = positions if order is None else positions[order]
        mixed = asset is None and dates < length
        return cls(order, starts, length, dates, mixed)

    def lag_one(self, columns: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Return the autocorrelation of each column at lag one; cautious guesses where predecessors are not known."""
        if not len(columns):
            return np.zeros(0)
        if self.mixed:
            return np.full(len(columns), 0.95)
        return np.nan_to_num(_core.autocorrelations(list(columns), self.order, self.starts), nan=0.0)

    def walk(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of the source in the order of the walk."""
        return values if self.order is None else values[self.order]

    def changes(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return, in the order of the walk, what each value changed by; NaN for the first row of an asset."""
        walked = self.walk(values).astype(np.float64)
        out = np.full(len(walked), np.nan)
        out[1:] = np.diff(walked)
        out[self.starts] = np.nan
        return out

    def rows(self, number: int) -> NDArray[np.int64]:
        """Return the source's rows of the asset that is walked through as the ``number``-th, in time order."""
        places = np.arange(self.starts[number], self.starts[number] + self.sizes[number])
        return places if self.order is None else self.order[places]

    def previous(self) -> NDArray[np.uint32]:
        """Return the same asset's row before each row, where the walk is through all rows; 2^32 − 1 for none."""
        none = np.uint32(2**32 - 1)
        places = np.arange(self.length, dtype=np.uint32) if self.order is None else self.order.astype(np.uint32)
        before = np.concatenate([[none], places[:-1]]) if self.length else places
        before[self.starts] = none
        return self.placed(before)

    def warmup(self, missing: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
        """Mark the leading missing rows of each asset, unless they are all or more than a share of its rows.

        Where the walk is through all rows.
        """
        ordered, position = self.walk(missing), np.arange(self.length)
        first_known = np.minimum.reduceat(np.where(ordered, self.length, position), self.starts)
        lead = np.minimum(first_known, self.starts + self.sizes) - self.starts
        lead[(lead == self.sizes) | (lead > limit * self.sizes)] = 0
        return self.placed(position < np.repeat(self.starts + lead, self.sizes))

    def placed(self, walked: NDArray[Any]) -> NDArray[Any]:
        """Return values in the order of a walk through all rows in that of the source."""
        if self.order is None:
            return walked
        values = np.empty_like(walked)
        values[self.order] = walked
        return values


def series_of(side: Side) -> SideSeries:
    """Return the series of a side, sorted once."""
    # All rows of a panel are the same side to each fold of a plan.
    key = side if side.blocks is None or side.rows is not None else side.blocks
    found = _KNOWN.get(key)
    if found is None:
        found = _KNOWN[key] = SideSeries.of(side)
    return found


def effective(rows: float, rho_x: Any, rho_y: Any = 1.0) -> Any:
    """Return how many independent rows a correlation of two autocorrelated series is worth (Bartlett, 1935).

    With ``rho_y=1``, how many a mean of the first is worth.
    """
    product = np.clip(np.asarray(rho_x, dtype=np.float64) * rho_y, 0.0, 0.999)
    return rows * (1.0 - product) / (1.0 + product)


def worth_of(side: Side, rows: int, rho: float) -> float:
    """Return how many independent rows a mean over so many rows of a side is worth, at such an autocorrelation.

    No more than there are dates, and no fewer than half a one, so that errors stay finite.
    """
    dates = series_of(side).dates if side.blocks is None else count_dates(side)
    return max(float(effective(min(dates, rows), rho)), 0.5)


def above_noise(threshold: float, rows: Any, sigmas: float = SIGMAS) -> Any:
    """Return the correlation that is ``sigmas`` standard errors above a threshold, for so many independent rows.

    Added on Fisher's scale, on which the error of a correlation does not depend on the correlation: the limit stays
    below 1, so that an exact copy passes any of them.
    """
    error = 1.0 / np.sqrt(np.maximum(np.asarray(rows, dtype=np.float64) - 3.0, 0.05))
    return np.tanh(np.arctanh(threshold) + sigmas * error)


def known_labels(context: CheckContext) -> NDArray[np.float64]:
    """Return the labels of the source of the train side as floats, NaN where they are missing or infinite."""
    y = context.train.y
    if y is None:
        raise CannotRun("there are no labels: pass y_train")
    numbers = np.ascontiguousarray(y, dtype=np.float64)
    if y.dtype.kind == "f" and not np.isfinite(numbers).all():
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    return numbers


def horizon_bars(context: CheckContext) -> tuple[int, str]:
    """Return after how many rows of its asset a label is known, and how that is known.

    A declared count of bars is taken as it is; else label ends tell, and the shorter labels count, since a feature may
    know them. Undeclared is one bar.
    """
    horizon = context.horizon
    if isinstance(horizon, int | np.integer) and not isinstance(horizon, bool):
        return int(horizon), "declared"
    found = _BARS.get(context.train)
    if found is None:
        found = _BARS[context.train] = _bars_by_label_ends(context.train)
    return found


def _bars_by_label_ends(side: Side) -> tuple[int, str]:
    if side.label_end is None or side.time is None or not len(side):
        return 1, "not declared, taken as one bar"
    rows = np.linspace(0, len(side) - 1, min(len(side), 20_000)).astype(np.int64)
    time = side.take(side.time)
    ends, times = side.take(side.label_end)[rows], distinct(time)
    closed = ends != OPEN
    if not closed.any():
        return 1, "not known, taken as one bar"
    bars = np.searchsorted(times, ends[closed]) - np.searchsorted(times, time[rows[closed]])
    return max(int(np.quantile(bars, 0.1)), 0), "by label ends"
