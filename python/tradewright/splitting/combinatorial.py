"""Combinatorial purged cross-validation, and the backtest paths it makes."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

from tradewright import _core
from tradewright.errors import ParameterError, SplitError
from tradewright.splitting.base import BaseSplitter
from tradewright.splitting.layout import Axis, Layout
from tradewright.splitting.parameters import Closed, OnEmpty, PurgeScope, Size, check_count

__all__ = ["CombinatorialPurgedCV"]

#: Splits beyond which a warning says how many fits that is.
_MANY = 10_000


@dataclass(frozen=True)
class CombinatorialPurgedCV(BaseSplitter):
    """Every choice of test groups among consecutive groups of timestamps, purged and embargoed around each.

    N groups of which k are tested give C(N, k) splits, in the order of ``itertools.combinations``. Test groups that
    touch are one block: rows between them are not purged away, since there are none. Each group is tested in
    C(N - 1, k - 1) splits, so that their predictions make as many backtest paths over all of the data:
    ``plan.paths`` and ``plan.assemble_paths``.

    Parameters
    ----------
    n_groups : int
        How many groups, at least 2; their sizes are those of ``numpy.array_split`` over the distinct timestamps.
    n_test_groups : int
        How many of them are tested, at least 1 and fewer than all.
    embargo : size
        Train rows that follow a test block up to its **latest label end** plus so much are left out. Counts are
        distinct timestamps beyond that label end; see :class:`~tradewright.splitting.WalkForward` for sizes.
    val_size : size
        A validation block just before the first test block (after it, where nothing precedes).
    closed : {"both", "left"}
        Whether labels that only touch overlap.
    purge_scope : {"all", "asset"}
        Whether a row's label is held against the labels of all assets, or of its own alone. The embargo follows suit.
    on_empty : {"raise", "skip", "keep"}
        What happens to a split without train rows, or whose validation block was emptied by purging.

    Warns
    -----
    UserWarning
        When a plan has more than 10,000 splits.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning (2018), chapter 12.

    Examples
    --------
    >>> import numpy as np
    >>> days = np.arange("2024-01-01", "2024-01-13", dtype="datetime64[D]")
    >>> plan = CombinatorialPurgedCV(n_groups=4, n_test_groups=2).plan(days, label_end=days + 1)
    >>> for train, test in plan.folds[:2]:
    ...     print(train.indices(), test.indices())
    [ 7  8  9 10 11] [0 1 2 3 4 5]
    [ 4 10 11] [0 1 2 6 7 8]
    >>> plan.paths
    array([[0, 0, 1, 2],
           [1, 3, 3, 4],
           [2, 4, 5, 5]])
    """

    n_groups: int = 10
    n_test_groups: int = 2
    embargo: Size = 0
    val_size: Size = 0
    closed: Closed = "both"
    purge_scope: PurgeScope = "all"
    on_empty: OnEmpty = "raise"

    def __post_init__(self) -> None:
        self._check_common()
        check_count("n_groups", self.n_groups, 2)
        check_count("n_test_groups", self.n_test_groups, 1)
        if self.n_test_groups >= self.n_groups:
            raise ParameterError(
                f"n_test_groups={self.n_test_groups} of n_groups={self.n_groups}: at least one group must be left to "
                "train on",
                code="parameter.n_test_groups",
                name="n_test_groups",
            )

    def _fixed_n_splits(self) -> int:
        return math.comb(self.n_groups, self.n_test_groups)

    def _layout(self, axis: Axis) -> Layout:
        if axis.count < self.n_groups:
            raise SplitError(
                f"{axis.count} distinct timestamps are too few for n_groups={self.n_groups}: use fewer groups, or more "
                "data",
                code="split.too_short",
                timestamps=axis.count,
            )
        tests = _core.combinatorial_blocks(axis.count, self.n_groups, self.n_test_groups)
        splits = self._fixed_n_splits()
        if splits > _MANY:
            warnings.warn(
                f"n_groups={self.n_groups} and n_test_groups={self.n_test_groups} give {splits:,} splits, each a model "
                "to fit: use fewer groups",
                UserWarning,
                stacklevel=2,
            )
        pools = np.tile(np.array([0, axis.count], dtype=np.int64), (splits, 1))
        return Layout(tests, pools, "after")
