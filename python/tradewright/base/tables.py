"""Tables of any library as one matrix with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.base.categories import encode_categories, is_categorical
from tradewright.errors import DataError, EmptyDataError, FeatureMismatchError, NotNumericError
from tradewright.panel.columns import matrix_of, numeric_column, through_arrow

__all__ = ["FloatDtype", "Table", "expected_of", "read_table", "require_rows"]

FloatDtype = Literal["float32", "float64"]


@dataclass(frozen=True, eq=False)
class Table:
    """A table as a matrix.

    Parameters
    ----------
    matrix : ndarray of float32 or float64, shape (n_rows, n_features)
        The caller's own array where that already is such a matrix (a view), else one copy.
    names, dtypes : tuple of str
        Per column; ``x0``, ``x1``, … where the table has no names.
    named : bool
        Whether the names are the caller's.
    categories : mapping of str to list
        Columns that hold places in these lists.
    """

    matrix: NDArray[Any]
    names: tuple[str, ...]
    dtypes: tuple[str, ...]
    named: bool
    categories: Mapping[str, list[Any]] = field(default_factory=dict)


def read_table(
    X: Any,
    *,
    expected: Sequence[str] | None = None,
    dtype: FloatDtype | None = None,
    name: str = "X",
    owner: str = "the_model",
    categories: Mapping[str, list[Any]] | Literal["learn"] | None = None,
) -> Table:
    """Read a frame of any library, or an array.

    Parameters
    ----------
    X : frame or array-like, shape (n_rows, n_features)
        Frames: polars, pandas, pyarrow, and whatever hands out an Arrow stream.
    expected : sequence of str, optional
        The feature names to bring named columns into line with.
    dtype : {"float32", "float64"}, optional
        By default float32 if every column is, else float64.
    name, owner : str
        What messages call the table, and the class that expects the names.
    categories : mapping of str to list, or "learn", optional
        The categories of columns that become places among them; ``"learn"`` takes them from the columns. By default
        categorical columns are refused.
    """
    if hasattr(type(X), "collect"):  # asking a lazy frame for its columns is work, and warns
        raise DataError(f"{name} is a lazy frame, which holds no rows yet: pass {name}.collect()", code="data.lazy")
    if hasattr(X, "nnz") and hasattr(X, "toarray"):
        raise DataError(
            f"{name} is sparse ({type(X).__name__}), which is not supported: pass {name}.toarray()", code="data.sparse"
        )
    # A series hands out an Arrow stream too, but has a dtype (pyarrow: a type), which a table has not.
    is_stream = hasattr(X, "__arrow_c_stream__") and not (hasattr(X, "dtype") or hasattr(X, "type"))
    table = _of_frame(X, expected, dtype, name, categories) if hasattr(X, "columns") or is_stream else None
    if table is None:
        table = _of_array(X, expected, dtype, name, owner)
    require_rows(table.matrix, name)
    return table


def require_rows(matrix: NDArray[Any], name: str) -> None:
    """Refuse a matrix without rows or columns."""
    if matrix.shape[1] == 0:
        raise DataError(
            f"{name} has no feature columns: 0 feature(s) (shape={matrix.shape}) while a minimum of 1 is required for a model",
            code="data.no_features",
        )
    if matrix.shape[0] == 0:
        raise EmptyDataError(f"{name} has no rows: pass at least one, or leave it out", code="data.empty")


def expected_of(names: Sequence[str], expected: Sequence[str]) -> tuple[str, ...]:
    """Return ``expected``, whose every name must be among ``names``."""
    there = set(names)
    missing = [name for name in expected if name not in there]
    if missing:
        raise FeatureMismatchError(
            f"the model was fitted on {len(expected)} features; missing here: {', '.join(missing[:10])}"
            f"{' …' if len(missing) > 10 else ''}. Add the columns, or fit again without them",
            code="features.missing",
            columns=missing,
        )
    return tuple(expected)


def _of_frame(
    frame: Any,
    expected: Sequence[str] | None,
    dtype: FloatDtype | None,
    name: str,
    categories: Mapping[str, list[Any]] | Literal["learn"] | None,
) -> Table:
    import narwhals.stable.v2 as nw

    # pyarrow's columns are the values themselves.
    labels = getattr(frame, "column_names" if hasattr(frame, "column_names") else "columns", ())
    _refuse_duplicates([str(label) for label in labels], name)
    try:
        table = nw.from_native(through_arrow(frame), eager_only=True)
    except TypeError as error:
        raise DataError(
            f"{name} is a {type(frame).__name__}, which is no table known here: pass a polars or pandas frame, a"
            " pyarrow table, or an array",
            code="data.table",
        ) from error
    # pandas allows columns called 0, 1, …; a model's names are text.
    named = {str(label): table.get_column(label) for label in table.columns}
    names = tuple(named) if expected is None else expected_of(tuple(named), expected)
    kept: dict[str, list[Any]] = {}
    columns, dtypes = [], []
    for label in names:
        column, known = _column(label, named[label], categories)
        columns.append(column)
        dtypes.append(str(column.dtype) if known is None else "category")
        if known is not None:
            kept[label] = known
    return Table(matrix_of(columns, len(table), dtype), names, tuple(dtypes), True, kept)


def _column(
    name: str, series: Any, categories: Mapping[str, list[Any]] | Literal["learn"] | None
) -> tuple[NDArray[Any], list[Any] | None]:
    """Return a column as numbers, and its categories where it has some."""
    if categories == "learn":
        if is_categorical(series):
            return encode_categories(name, series)
    elif categories is not None and name in categories:
        return encode_categories(name, series, categories[name])
    elif is_categorical(series):
        raise DataError(
            f"column {name!r} is categorical, which this model does not split at: encode it first, or take the model"
            " 'lightgbm', 'xgboost' or 'catboost'",
            code="data.categorical",
            column=name,
        )
    return numeric_column("column", name, series), None


def _refuse_duplicates(labels: Sequence[str], name: str) -> None:
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise DataError(
                f"{name} has more than one column named {label!r}: rename them, or drop all but one",
                code="data.duplicate_columns",
                column=label,
            )
        seen.add(label)


def _of_array(
    values: ArrayLike, expected: Sequence[str] | None, dtype: FloatDtype | None, name: str, owner: str
) -> Table:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:  # ragged lists
        raise DataError(
            f"{name} is not an array ({error}): pass a table or list of equally long rows",
            code="data.not_an_array",
            name=name,
        ) from error
    if array.ndim != 2:
        raise DataError(
            f"{name} has shape {array.shape}, not (n_rows, n_features). Reshape your data: {name}.reshape(-1, 1) for a"
            f" single feature, {name}.reshape(1, -1) for a single row",
            code="data.shape",
        )
    dtypes = (str(array.dtype),) * array.shape[1]
    if array.dtype.kind == "O":
        array = _numbers_of_objects(array, name)
    if array.dtype.kind not in "fiub":
        raise NotNumericError(
            f"{name} is of dtype {array.dtype}, not numeric: encode it first"
            + (". Complex data not supported" if array.dtype.kind == "c" else ""),
            code="data.not_numeric",
        )
    names = tuple(f"x{j}" for j in range(array.shape[1])) if expected is None else tuple(expected)
    if len(names) != array.shape[1]:
        raise FeatureMismatchError(
            f"{name} has {array.shape[1]} features, but {owner} is expecting {len(names)} features as input:"
            f" {', '.join(names[:10])}{' …' if len(names) > 10 else ''}",
            code="features.width",
            got=array.shape[1],
            expected=len(names),
        )
    kept = array.dtype if array.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    return Table(array.astype(dtype or kept, copy=False), names, dtypes, False)


def _numbers_of_objects(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise NotNumericError(
            f"{name} holds objects that are no numbers ({error}): encode them first", code="data.not_numeric"
        ) from error
