"""The distributions of columns over the rows of a fold: each column is sorted once, whatever folds a plan has."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.rank_sample import SAMPLE_ROWS, chosen_rows

__all__ = ["drifts_of", "sample_size"]

#: Rows of a panel that the distributions of all folds of a plan are taken from; of many blocks so many each, up to
#: :data:`SAMPLE_ROWS` together: a distance of ``drift.univariate`` must stand out from the noise of one block.
PLAN_ROWS, BLOCK_ROWS = 20_000, 1_000

_KNOWN: WeakKeyDictionary[FoldBlocks, FoldSamples] = WeakKeyDictionary()


def drifts_of(
    train: Side, val: Side, name: Hashable, columns: Callable[[], Sequence[NDArray[Any]]]
) -> NDArray[np.float64]:
    """Return the drift of columns from one side of a fold to the other, as ``_core.drifts`` gives it for arrays.

    Both are looked at in one sample of the panel, as many rows of each block of the plan as of any other, or all of it;
    a row stands for those of its block that were left out. All folds share the sample.

    Parameters
    ----------
    train, val : Side
        Two roles of one fold.
    name : hashable
        What the columns are called, the same for all folds of a plan.
    columns : callable
        Gives them over the panel's rows; called once a plan.
    """
    return _samples(train).drifts(name, columns, train.in_blocks, val.in_blocks)


def sample_size(side: Side) -> int:
    """Return how many rows of the panel the distributions of a fold are taken from."""
    return len(_samples(side).numbers)


def _samples(side: Side) -> FoldSamples:
    assert side.blocks is not None
    found = _KNOWN.get(side.blocks)
    if found is None:
        found = _KNOWN[side.blocks] = FoldSamples.of(side.blocks)
    return found


@dataclass(frozen=True, eq=False)
class FoldSamples:
    """Rows that stand for the blocks of a plan, and columns sorted over them.

    Parameters
    ----------
    rows : ndarray of int64 or None
        The rows of the panel that are looked at; None for all.
    numbers : ndarray of uint32
        The block of each of them.
    weights : ndarray of float64, shape (n_blocks,)
        For how many rows each row of a block stands.
    """

    rows: NDArray[np.int64] | None
    numbers: NDArray[np.uint32]
    weights: NDArray[np.float64]
    _known: dict[Hashable, _core.BlockSamples] = field(default_factory=dict)

    @classmethod
    def of(cls, blocks: FoldBlocks) -> FoldSamples:
        """Choose the rows, always the same."""
        each = max(per_block(blocks.sizes, PLAN_ROWS), min(per_block(blocks.sizes, SAMPLE_ROWS), BLOCK_ROWS))
        if each >= blocks.sizes.max(initial=0):
            return cls(None, blocks.numbers, np.ones(len(blocks)))
        taken = np.minimum(blocks.sizes, each)
        places = np.concatenate(
            [
                start + (np.arange(size) if (chosen := chosen_rows(size, each)) is None else chosen)
                for start, size in zip(blocks.borders[:-1].tolist(), blocks.sizes.tolist(), strict=True)
            ]
        )
        rows = places if blocks.order is None else blocks.order[places].astype(np.int64)
        return cls(rows, np.repeat(np.arange(len(blocks), dtype=np.uint32), taken), blocks.sizes / taken)

    def drifts(
        self,
        name: Hashable,
        columns: Callable[[], Sequence[NDArray[Any]]],
        first: NDArray[np.bool_],
        second: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Return the drift of columns from some blocks to others."""
        if name not in self._known:
            self._known[name] = _core.BlockSamples(columns(), self.rows, self.numbers, len(self.weights))
        return self._known[name].drifts(self.weights * first, self.weights * second)


def per_block(sizes: NDArray[np.int64], most: int) -> int:
    """Return how many rows each block gives at most, so that together they give no more than ``most``; at least one."""
    if sizes.sum() <= most:
        return int(sizes.max(initial=1))
    ascending = np.sort(sizes)
    left = most - np.concatenate([[0], np.cumsum(ascending)[:-1]])  # when the blocks before give all they have
    share = left // np.arange(len(sizes), 0, -1)
    return max(int(share[np.argmax(share < ascending)]), 1)
