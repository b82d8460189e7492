"""The times of the rows of a side: from when to when, how many, and which are another side's too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks

__all__ = ["all_times", "apart", "count_dates", "count_times", "distinct", "hull", "rows_between", "shared_times"]

Times = NDArray[np.int64]
Mask = NDArray[np.bool_]

_KNOWN: WeakKeyDictionary[FoldBlocks, BlockTimes | None] = WeakKeyDictionary()


def hull(side: Side) -> tuple[int, int]:
    """Return the first and the last time of a side that has rows."""
    blocks = _block_times(side)
    if blocks is not None:
        return blocks.hull(side.in_blocks)
    times = side.take(side.needs_time())
    return int(times.min()), int(times.max())


def apart(one: Side, other: Side) -> bool:
    """Return whether one side lies wholly before the other, as most splits do."""
    (first, last), (begin, end) = hull(one), hull(other)
    return last < begin or end < first


def count_times(side: Side) -> int:
    """Return how many distinct times the rows of a side have."""
    blocks = _block_times(side)
    return len(distinct(side.take(side.needs_time()))) if blocks is None else blocks.count(side.in_blocks)


def count_dates(side: Side) -> int:
    """Return how many rows of a side are worth counting: its distinct times, or its rows where times are not known."""
    return len(side) if side.time is None else count_times(side)


def shared_times(one: Side, other: Side) -> Times:
    """Return the times that have rows on both sides, ascending."""
    blocks = _block_times(one)
    if blocks is not None and one.blocks is other.blocks:
        return blocks.shared(one.in_blocks, other.in_blocks)
    if apart(one, other):
        return np.empty(0, dtype=np.int64)
    here, there = (distinct(side.take(side.needs_time())) for side in (one, other))
    return np.intersect1d(here, there, assume_unique=True)


def all_times(one: Side, other: Side) -> Times:
    """Return the distinct times of the sources of two sides, those of rows on neither side included; ascending."""
    blocks = _block_times(one)
    if blocks is not None and one.blocks is other.blocks:
        return blocks.times
    sources = {id(time): time for time in (one.needs_time(), other.needs_time())}
    return distinct(np.concatenate([distinct(time) for time in sources.values()]))


def rows_between(side: Side, since: Times, until: Times) -> Side:
    """Return the rows of a side that lie in one of some spans of time, ends included, so that few are looked at.

    Only ranges of time order are cut, in O(log n) a span; any other side is returned as it is.
    """
    if side.time is None or side.rows is None or not hasattr(side.rows, "ranges"):
        return side
    first = np.searchsorted(side.time, since, side="left", sorter=side.rows.order)
    behind = np.searchsorted(side.time, until, side="right", sorter=side.rows.order)
    kept: list[list[int]] = []
    for low, high in sorted(zip(first.tolist(), behind.tolist(), strict=True)):
        for start, stop in side.rows.ranges.tolist():
            start, stop = max(start, low, kept[-1][1] if kept else 0), min(stop, high)
            if start < stop:
                kept.append([start, stop])
    ranges = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return replace(side, rows=type(side.rows)(ranges, side.rows.n_rows, side.rows.order), blocks=None)


def distinct(times: Times) -> Times:
    """Return the distinct times, ascending. O(n), or O(n log n) where they do not ascend."""
    if not (times[1:] >= times[:-1]).all():
        times = np.sort(times)
    return times[_news(times)]


def _news(ascending: Times) -> Mask:
    """Whether each time is not that of the place before."""
    news = np.ones(len(ascending), dtype=bool)
    np.not_equal(ascending[1:], ascending[:-1], out=news[1:])
    return news


@dataclass(frozen=True, eq=False)
class BlockTimes:
    """The times of a panel, and where in them each block of a plan begins and ends.

    Parameters
    ----------
    times : ndarray of int64, shape (n_times,)
        The distinct times, ascending.
    first, last : ndarray of int64, shape (n_blocks,)
        Which of them the first and the last row of each block have; all between them are the block's.
    """

    times: Times
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, time: Times, blocks: FoldBlocks) -> BlockTimes | None:
        """Read the times of a panel once; None where they do not ascend in the plan's order: it was made by others."""
        ascending = time if blocks.order is None else time[blocks.order]
        if not len(time) or not (ascending[1:] >= ascending[:-1]).all():
            return None
        news = _news(ascending)
        codes = np.cumsum(news) - 1
        return cls(ascending[news], codes[blocks.borders[:-1]], codes[blocks.borders[1:] - 1])

    def hull(self, chosen: Mask) -> tuple[int, int]:
        """Return the first and the last time of some blocks."""
        numbers = np.flatnonzero(chosen)
        return int(self.times[self.first[numbers[0]]]), int(self.times[self.last[numbers[-1]]])

    def count(self, chosen: Mask) -> int:
        """Return how many distinct times some blocks have."""
        first, last = self.first[chosen], self.last[chosen]
        twice = np.count_nonzero(first[1:] == last[:-1])  # a block that goes on within the time the one before ended in
        return int((last - first + 1).sum()) - int(twice)

    def shared(self, one: Mask, other: Mask) -> Times:
        """Return the times that both have."""
        if self.count(one) + self.count(other) == self.count(one | other):
            return np.empty(0, dtype=np.int64)
        return self.times[self._covered(one) & self._covered(other)]

    def _covered(self, chosen: Mask) -> Mask:
        """Whether some block has each time."""
        steps = np.zeros(len(self.times) + 1, dtype=np.int64)
        np.add.at(steps, self.first[chosen], 1)
        np.add.at(steps, self.last[chosen] + 1, -1)
        return np.asarray(np.cumsum(steps[:-1]) > 0)


def _block_times(side: Side) -> BlockTimes | None:
    """The times of the blocks of the plan a side belongs to, read once."""
    if side.blocks is None:
        return None
    if side.blocks not in _KNOWN:
        _KNOWN[side.blocks] = BlockTimes.of(side.needs_time(), side.blocks)
    return _KNOWN[side.blocks]
