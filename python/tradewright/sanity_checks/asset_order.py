"""The rows of a side, asset by asset in time order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import Side

__all__ = ["AssetOrder"]


@dataclass(frozen=True, eq=False)
class AssetOrder:
    """How to walk through the rows of a side so that each asset's follow each other in time.

    Indices count within the side. Where nothing is known rows are taken as they lie.

    Parameters
    ----------
    order : ndarray of int64 or None
        The row at each place of the walk; None where rows lie so already.
    starts : ndarray of int64
        The places at which an asset begins.
    length : int
        How many rows there are.
    """

    order: NDArray[np.int64] | None
    starts: NDArray[np.int64]
    length: int

    @classmethod
    def of(cls, side: Side) -> AssetOrder:
        """Sort the rows of a side. O(n log n) where neither times nor assets are sorted."""
        time = None if side.time is None else side.take(side.time)
        asset = None if side.asset is None else side.take(side.asset)
        starts = np.zeros(1, dtype=np.int64)
        order: NDArray[np.int64] | None = None
        if asset is None:
            if time is not None and not _ascends(time):
                order = np.argsort(time, kind="stable")
        else:
            order = np.argsort(asset, kind="stable") if time is None or _ascends(time) else np.lexsort((time, asset))
            grouped = asset[order]
            starts = np.concatenate([starts, np.flatnonzero(grouped[1:] != grouped[:-1]) + 1])
        return cls(order, starts, len(side))

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """How many rows each asset has."""
        return np.diff(np.append(self.starts, self.length))

    def rows(self, number: int) -> NDArray[np.int64]:
        """Return the rows of the asset that is walked through as the ``number``-th, in time order."""
        places = np.arange(self.starts[number], self.starts[number] + self.sizes[number])
        return places if self.order is None else self.order[places]

    def previous(self) -> NDArray[np.uint32]:
        """Return the same asset's row before each row; 2^32 − 1 where there is none."""
        none = np.uint32(2**32 - 1)
        places = np.arange(self.length, dtype=np.uint32) if self.order is None else self.order.astype(np.uint32)
        before = np.concatenate([[none], places[:-1]]) if self.length else places
        before[self.starts[: self.length]] = none
        if self.order is None:
            return before
        found = np.empty(self.length, dtype=np.uint32)
        found[self.order] = before
        return found

    def warmup(self, missing: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
        """Mark the leading missing rows of each asset, unless they are all or more than a share of its rows."""
        n = self.length
        ordered = missing if self.order is None else missing[self.order]
        position = np.arange(n)
        first_known = np.minimum.reduceat(np.where(ordered, n, position), self.starts)
        lead = np.minimum(first_known, self.starts + self.sizes) - self.starts
        lead[(lead == self.sizes) | (lead > limit * self.sizes)] = 0
        inside = position < np.repeat(self.starts + lead, self.sizes)
        if self.order is None:
            return inside
        marked = np.empty(n, dtype=bool)
        marked[self.order] = inside
        return marked


def _ascends(values: NDArray[np.int64]) -> bool:
    return bool((values[1:] >= values[:-1]).all())
