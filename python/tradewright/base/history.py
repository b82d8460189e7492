"""Rows together with their past, for models that read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tradewright.panel import Panel

__all__ = ["History"]


@dataclass(frozen=True, eq=False)
class History:
    """Rows that are meant, among all the rows a model may read to know their past.

    It stands for the feature matrix of the rows that are meant and never makes it: slices of it are read, a copy each.

    Parameters
    ----------
    table : Panel or ndarray of shape (n_known, n_features)
        All rows, as the caller holds them: not copied.
    feature_names : tuple of str
        The columns that are read, in this order.
    time : ndarray, shape (n_known,)
        When each row is; anything that sorts.
    asset : ndarray or None, shape (n_known,)
        Whose each row is; None for a single asset.
    rows : ndarray of int64, shape (n_rows,)
        The positions of the rows that are meant, in any order.

    Examples
    --------
    >>> table = np.arange(8.0).reshape(4, 2)
    >>> history = History(table, ("open", "close"), time=np.arange(4), asset=None, rows=np.array([3, 1]))
    >>> history.shape, history[0:1].tolist()
    ((2, 2), [[6.0, 7.0]])
    """

    table: Panel | NDArray[Any]
    feature_names: tuple[str, ...]
    time: NDArray[Any]
    asset: NDArray[Any] | None
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows that are meant, and features."""
        return len(self.rows), len(self.feature_names)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> NDArray[Any]:
        """Read the features of a slice of the rows, shape (n, n_features): a copy."""
        rows = self.rows[part]
        if isinstance(self.table, Panel):
            return self.table.matrix(features=self.feature_names, rows=rows)
        return self.table[rows]

    def at(self, rows: NDArray[np.int64]) -> Self:
        """Return the history of other rows of the same table; nothing is copied."""
        return replace(self, rows=rows)
