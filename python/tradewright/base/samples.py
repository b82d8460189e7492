"""Rows on their way into a model: one matrix with names, whatever the caller brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.base.history import History
from tradewright.base.tables import FloatDtype, expected_of, read_table, require_rows
from tradewright.errors import DataError, EmptyDataError, ParameterError
from tradewright.panel import Panel

__all__ = ["FloatDtype", "Samples"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows of features with their labels and weights, ready for a back end.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_rows, n_features)
        The features. The caller's own array where that already is such a matrix (a view), else one copy. Without columns
        where there is a ``history``, which is read instead: no matrix is made.
    feature_names : tuple of str
        A name per column; ``x0``, ``x1``, … when the caller's table has none.
    feature_dtypes : tuple of str
        The dtypes the columns came in.
    named : bool
        Whether the names are the caller's.
    y, sample_weight : ndarray or None, shape (n_rows,)
        Labels (any dtype) and weights (float64).
    groups, assets : ndarray or None, shape (n_rows,)
        Date ids and asset ids, for losses that need them.
    history : History or None
        The rows and all earlier ones, for models that read the past of a row.
    categories : mapping of str to list
        The categories of the columns that hold places among them.
    """

    X: NDArray[Any]
    feature_names: tuple[str, ...]
    feature_dtypes: tuple[str, ...]
    named: bool
    y: NDArray[Any] | None = None
    sample_weight: NDArray[np.float64] | None = None
    groups: NDArray[Any] | None = None
    assets: NDArray[Any] | None = None
    history: History | None = None
    categories: Mapping[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.X.shape[0])

    @property
    def features(self) -> NDArray[Any] | History:
        """The features as what can be read in slices: the matrix, or the history that stands for it."""
        return self.X if self.history is None else self.history

    @property
    def categorical_columns(self) -> list[int]:
        """The positions of the columns that hold places among categories."""
        return [at for at, name in enumerate(self.feature_names) if name in self.categories]

    def weighing(self) -> Self:
        """Return the rows whose weight is not 0, which alone have a say: itself where that is all of them, else a copy."""
        if self.sample_weight is None or self.sample_weight.all():
            return self
        return self.take(self.sample_weight > 0)

    def take(self, kept: NDArray[np.bool_]) -> Self:
        """Return the rows where ``kept`` is true; copies, but nothing of the history."""

        def per_row(values: NDArray[Any] | None) -> Any:
            return None if values is None else values[kept]

        return replace(
            self,
            X=self.X[kept],
            y=per_row(self.y),
            sample_weight=per_row(self.sample_weight),
            groups=per_row(self.groups),
            assets=per_row(self.assets),
            history=None if self.history is None else self.history.at(self.history.rows[kept]),
        )

    @classmethod
    def collect(
        cls,
        X: Any,
        y: ArrayLike | None = None,
        *,
        rows: Any = None,
        expected: Sequence[str] | None = None,
        dtype: FloatDtype | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        assets: ArrayLike | None = None,
        history: bool = False,
        categories: Mapping[str, list[Any]] | Literal["learn"] | None = None,
        name: str = "X",
        owner: str = "the_model",
    ) -> Samples:
        """Bring any input into one matrix.

        Parameters
        ----------
        X : Panel, frame (polars, pandas, pyarrow, Arrow stream), or array of shape (n_rows, n_features)
            The rows. A Panel brings its own labels, weights, dates and assets.
        y, sample_weight, groups, assets : array-like, optional
            Shape (n_rows,). For a Panel they replace the panel's own.
        rows : Rows or index array, optional
            For a Panel: the rows to take, in ascending order.
        expected : sequence of str, optional
            The feature names to bring the columns into line with. A table with names is realigned by name, further
            columns are left out, missing ones raise; a plain array, which has no names, must have the same width.
        dtype : {"float32", "float64"}, optional
            The dtype of the matrix; by default float32 if every column is, else float64.
        history : bool
            Keep hold of all rows of ``X``, for a model that reads the past of a row, instead of making a matrix of those
            that are asked for. A table that is no Panel then needs ``groups``, its times, and ``assets``.
        categories : mapping of str to list, or "learn", optional
            Those of a frame's categorical columns, or whether to take them as they come; see :func:`read_table`.
        name, owner : str
            What messages call the table, and the class that expects the names.

        Raises
        ------
        EmptyDataError, DataError, FeatureMismatchError
            No rows; a column that is not numeric, or arrays of different lengths; columns that are missing.
        """
        kept: Mapping[str, list[Any]] = {}
        if isinstance(X, Panel) and history:
            return _in_their_past(X, rows, y, expected, sample_weight, groups, assets)
        if isinstance(X, Panel):
            panel = X if rows is None else X.take(rows)
            names = panel.feature_names if expected is None else expected_of(panel.feature_names, expected)
            matrix, dtypes, named = panel.matrix(dtype, features=names), panel.feature_dtypes(names), True
            require_rows(matrix, name)
            y = panel.y if y is None else y
            sample_weight = panel.weight if sample_weight is None else sample_weight
            groups = panel.time if groups is None else groups
            assets = panel.asset if assets is None else assets
        elif rows is not None:
            raise ParameterError("rows= goes with a Panel: slice other tables yourself, X[rows]", code="data.rows")
        else:
            table = read_table(X, expected=expected, dtype=dtype, name=name, owner=owner, categories=categories)
            kept = table.categories
            matrix, names, dtypes, named = table.matrix, table.names, table.dtypes, table.named
        samples = cls(
            matrix,
            names,
            dtypes,
            named,
            y=_per_row("y", y, matrix.shape[0]),
            sample_weight=_per_row("sample_weight", sample_weight, matrix.shape[0], np.float64),
            groups=_per_row("groups", groups, matrix.shape[0]),
            assets=_per_row("assets", assets, matrix.shape[0]),
            categories=kept,
        )
        return _with_past(samples) if history else samples


def _in_their_past(
    panel: Panel, rows: Any, y: Any, expected: Sequence[str] | None, sample_weight: Any, groups: Any, assets: Any
) -> Samples:
    """Take rows of a panel without losing sight of the others; labels and ids are of the rows taken."""
    names = panel.feature_names if expected is None else expected_of(panel.feature_names, expected)
    if not names:
        raise DataError("X has no feature columns: pass at least one", code="data.no_features")
    positions = np.arange(len(panel)) if rows is None else panel.positions(rows)
    if not len(positions):
        raise EmptyDataError("X has no rows: pass at least one", code="data.empty")

    def own(name: str, given: Any, column: NDArray[Any] | None, dtype: type | None = None) -> NDArray[Any] | None:
        if given is not None or column is None:
            return _per_row(name, given, len(positions), dtype)
        return column[positions]

    return Samples(
        np.empty((len(positions), 0)),
        names,
        panel.feature_dtypes(names),
        named=True,
        y=own("y", y, panel.y),
        sample_weight=own("sample_weight", sample_weight, panel.weight, np.float64),
        groups=own("groups", groups, panel.time),
        assets=own("assets", assets, panel.asset),
        history=History(panel, names, panel.time, panel.asset, positions),
    )


def _with_past(samples: Samples) -> Samples:
    """Make the rows of a table each other's past."""
    if samples.groups is None:
        raise ParameterError(
            "this model reads the earlier rows of each asset, and a plain table does not say which those are: pass a"
            " Panel (tw.Panel.from_arrays or tw.Panel.from_frame); fit also takes groups=, the times, and assets=",
            code="data.no_history",
        )
    rows = np.arange(len(samples))
    history = History(samples.X, samples.feature_names, samples.groups, samples.assets, rows)
    return replace(samples, X=np.empty((len(samples), 0)), history=history)


def _per_row(name: str, values: Any, n_rows: int, dtype: type | None = None) -> NDArray[Any] | None:
    if values is None:
        return None
    try:
        array = np.asarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:  # ragged lists, words where numbers belong
        raise DataError(
            f"{name} is not an array ({error}): pass a plain list of {'values' if dtype is None else 'numbers'}",
            code="data.not_an_array",
            name=name,
        ) from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_rows,):
        raise DataError(
            f"{name} has shape {array.shape}, X has {n_rows} rows: pass one value per row",
            code="data.length_mismatch",
            name=name,
        )
    return array
