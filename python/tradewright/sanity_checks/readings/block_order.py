"""Numbers in order with the blocks they are of: quantiles of any blocks are found without a walk through all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BlockOrder"]

#: Numbers between two counts, at least.
STEP = 256


@dataclass(frozen=True, eq=False)
class BlockOrder:
    """Sorted numbers, and how many of each block lie below every so many-th of them.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Ascending; no NaN.
    blocks : ndarray of uint32, shape (n,)
        The block of each.
    below : ndarray of int64, shape (n_steps + 1, n_blocks)
        How many numbers of each block lie before each step, and in all.
    step : int
        Numbers of a step; no fewer than there are blocks, so that the counts take no more room than the numbers.
    """

    values: NDArray[np.float64]
    blocks: NDArray[np.uint32]
    below: NDArray[np.int64]
    step: int

    @classmethod
    def of(cls, values: NDArray[np.float64], blocks: NDArray[np.uint32], n_blocks: int) -> BlockOrder:
        """Sort numbers; O(n log n)."""
        order = np.argsort(values)  # in which order equal ones lie does not matter
        blocks, step = blocks[order], max(STEP, n_blocks)
        n_steps = -(-len(values) // step)
        cells = np.arange(len(values)) // step * n_blocks + blocks
        counts = np.bincount(cells, minlength=n_steps * n_blocks).reshape(n_steps, n_blocks)
        below = np.zeros((n_steps + 1, n_blocks), dtype=np.int64)
        np.cumsum(counts, axis=0, out=below[1:])
        return cls(values[order], blocks, below, step)

    def quantiles(self, inside: NDArray[np.bool_], shares: Sequence[float]) -> list[float]:
        """Return quantiles of the numbers of some blocks, as ``numpy.quantile``; NaN where there are none.

        O(n_steps · n_blocks + step) a call.
        """
        before = self.below @ inside
        last = int(before[-1]) - 1
        if last < 0:
            return [float("nan")] * len(shares)
        found = []
        for share in shares:
            rank = int(share * last)
            low, high = (self._at(place, inside, before) for place in (rank, min(rank + 1, last)))
            found.append(low + (high - low) * (share * last - rank))
        return found

    def _at(self, rank: int, inside: NDArray[np.bool_], before: NDArray[np.int64]) -> float:
        """The number that ``rank`` numbers of the chosen blocks lie before."""
        step = int(np.searchsorted(before, rank, side="right")) - 1
        start = step * self.step
        chosen = np.flatnonzero(inside[self.blocks[start : start + self.step]])
        return float(self.values[start + chosen[rank - before[step]]])
