"""Purged k-fold: every timestamp is tested once, trained on what its labels do not touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tradewright import _core
from tradewright.errors import SplitError
from tradewright.splitting.base import BaseSplitter
from tradewright.splitting.layout import Axis, Layout
from tradewright.splitting.parameters import Closed, OnEmpty, PurgeScope, Size, check_count

__all__ = ["PurgedKFold"]


@dataclass(frozen=True)
class PurgedKFold(BaseSplitter):
    """K blocks of consecutive timestamps, each tested once with purged, embargoed rows around it.

    Sizes are ints (distinct timestamps), floats (a fraction of them) or durations; see
    :class:`~tradewright.splitting.WalkForward`.

    Parameters
    ----------
    n_splits : int
        How many folds, at least 2; their sizes are those of ``numpy.array_split`` over the distinct timestamps.
    embargo : size
        Train rows that follow a test up to its **latest label end** plus so much are left out. Counts are distinct
        timestamps beyond that label end.
    val_size : size
        A validation block just before each test (after the first one, which nothing precedes).
    closed : {"both", "left"}
        Whether labels that only touch overlap.
    purge_scope : {"all", "asset"}
        Whether a row's label is held against the labels of all assets, since a common factor carries the outcome of one
        to the others, or against those of its own asset alone. The embargo follows suit.
    on_empty : {"raise", "skip", "keep"}
        What happens to a fold without train rows, or whose validation block was emptied by purging.

    Notes
    -----
    A train row is purged when its label, from its time to its label end, overlaps the test's hull, from its first time
    to its latest label end. For a contiguous block that is the same as comparing every pair of labels.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning (2018), chapter 7.

    Examples
    --------
    >>> import numpy as np
    >>> days = np.arange("2024-01-01", "2024-01-13", dtype="datetime64[D]")
    >>> plan = PurgedKFold(n_splits=3, embargo=1).plan(days, label_end=days + 1)
    >>> for train, test in plan:
    ...     print(train.indices(), test.indices())
    [ 6  7  8  9 10 11] [0 1 2 3]
    [ 0  1  2 10 11] [4 5 6 7]
    [0 1 2 3 4 5 6] [ 8  9 10 11]
    """

    n_splits: int = 5
    embargo: Size = 0
    val_size: Size = 0
    closed: Closed = "both"
    purge_scope: PurgeScope = "all"
    on_empty: OnEmpty = "raise"

    def __post_init__(self) -> None:
        self._check_common()
        check_count("n_splits", self.n_splits, 2)

    def _fixed_n_splits(self) -> int:
        return self.n_splits

    def _layout(self, axis: Axis) -> Layout:
        if axis.count < self.n_splits:
            raise SplitError(
                f"{axis.count} distinct timestamps are too few for n_splits={self.n_splits}: use fewer folds, or more "
                "data",
                code="split.too_short",
                timestamps=axis.count,
            )
        blocks = _core.kfold_blocks(axis.count, self.n_splits)
        pools = np.tile(np.array([0, axis.count], dtype=np.int64), (len(blocks), 1))
        return Layout.of_blocks(blocks, pools, embargo_side="after")
