"""How much series resemble themselves over the rows of a fold: sums by the blocks of its plan, made once a series."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.series import SideSeries, series_of
from tradewright.sanity_checks.readings.side_times import count_dates

__all__ = ["changes_of", "lag_one_of"]

_KNOWN: WeakKeyDictionary[FoldBlocks, FoldSeries] = WeakKeyDictionary()

#: Of rows that share a time, with nothing to say whose they are, no predecessor is known: a cautious guess.
UNKNOWN = 0.95


def lag_one_of(side: Side, name: Hashable, values: Callable[[], NDArray[Any]]) -> float:
    """Return the autocorrelation at lag one of a series over the rows of a side; 0 where nothing varies.

    Each asset is standardised over its rows of this side, and the products of rows that follow each other are averaged.
    Under a plan these are rows that follow each other in the panel, and are both of this side.

    Parameters
    ----------
    side : Side
        The rows.
    name : hashable
        What the series is called, the same for all folds of a plan.
    values : callable
        Gives the series over the source's rows; called once a plan.
    """
    if side.blocks is None or side.rows is None:
        return float(series_of(side).lag_one([values()])[0])
    if side.asset is None and count_dates(side) < len(side):
        return UNKNOWN
    return _fold_series(side).lag_one(name, values, side.in_blocks)


def changes_of(side: Side, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return what each value changed by since the same asset's row before it in the panel, in the panel's order.

    NaN in the first row of an asset.
    """
    walk = _fold_series(side).walk
    return walk.placed(walk.changes(values))


def _fold_series(side: Side) -> FoldSeries:
    assert side.blocks is not None
    found = _KNOWN.get(side.blocks)
    if found is None:
        found = _KNOWN[side.blocks] = FoldSeries.of(side)
    return found


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over each segment of a walk; ``pairs`` of rows that follow each other in it, ``bridges`` into it.

    Rows are count, sum and sum of squares; pairs are count, sums of the earlier and of the later, sum of products.
    """

    rows: NDArray[np.float64]
    pairs: NDArray[np.float64]
    bridges: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldSeries:
    """A walk through a panel, asset by asset in time order, cut into segments of one block each.

    Parameters
    ----------
    walk : SideSeries
        The walk through all rows.
    starts : ndarray of int64, shape (n_segments,)
        The places at which a segment begins.
    numbers : ndarray of uint32, shape (n_segments,)
        The block of each segment.
    assets : ndarray of int64, shape (n_assets,)
        The segment at which an asset begins.
    """

    walk: SideSeries
    starts: NDArray[np.int64]
    numbers: NDArray[np.uint32]
    assets: NDArray[np.int64]
    _known: dict[Hashable, _Sums] = field(default_factory=dict)

    @classmethod
    def of(cls, side: Side) -> FoldSeries:
        """Cut the walk through the source of a side by the blocks of its plan."""
        assert side.blocks is not None
        walk = series_of(replace(side, rows=None))
        numbers = walk.walk(side.blocks.numbers)
        begins = np.ones(len(numbers), dtype=bool)
        np.not_equal(numbers[1:], numbers[:-1], out=begins[1:])
        begins[walk.starts] = True
        starts = np.flatnonzero(begins)
        return cls(walk, starts, numbers[starts], np.searchsorted(starts, walk.starts))

    def lag_one(self, name: Hashable, values: Callable[[], NDArray[Any]], chosen: NDArray[np.bool_]) -> float:
        """Return the autocorrelation of a series over the rows of some blocks."""
        if name not in self._known:
            self._known[name] = self._summed(values())
        sums = self._known[name]
        inside = chosen[self.numbers]
        from_before = np.concatenate([[False], inside[1:] & inside[:-1]])
        count, total, squares = np.add.reduceat(sums.rows * inside, self.assets, axis=1)
        both = sums.pairs * inside + sums.bridges * from_before
        pairs, earlier, later, products = np.add.reduceat(both, self.assets, axis=1)
        mean = total / np.maximum(count, 1)
        size = squares / np.maximum(count, 1)
        variance = size - mean**2
        varies = (count >= 2) & (variance > 1e-12 * size)
        centred = products - mean * (earlier + later) + pairs * mean**2
        weight = pairs[varies].sum()
        return float((centred[varies] / variance[varies]).sum() / weight) if weight > 0 else 0.0

    def _summed(self, values: NDArray[Any]) -> _Sums:
        walked = self.walk.walk(values).astype(np.float64)
        known = np.isfinite(walked)
        walked[~known] = 0.0
        # Around the mean of the asset, so that squares of a price level lose no digits.
        means = np.add.reduceat(walked, self.walk.starts) / np.maximum(
            np.add.reduceat(known, self.walk.starts, dtype=int), 1
        )
        walked -= np.repeat(means, np.diff(np.append(self.walk.starts, self.walk.length)))
        walked[~known] = 0.0
        rows = np.stack([np.add.reduceat(part, self.starts) for part in (known.astype(float), walked, walked**2)])
        both = np.zeros(len(walked))
        both[1:] = known[1:] & known[:-1]
        both[self.walk.starts] = 0.0
        before = np.concatenate([[0.0], walked[:-1]]) * both
        steps = (both, before, walked * both, before * walked)
        bridges = np.stack([part[self.starts] for part in steps])
        return _Sums(rows, np.stack([np.add.reduceat(part, self.starts) for part in steps]) - bridges, bridges)
