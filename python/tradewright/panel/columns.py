"""Columns of a frame as numpy, and numpy columns as one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError

__all__ = ["is_numeric", "matrix_of", "numeric_column", "refuse_wide", "through_arrow"]


def through_arrow(frame: Any) -> Any:
    """A frame of a library that narwhals does not know, by the Arrow PyCapsule interface; others as they are."""
    import narwhals.stable.v2 as nw

    known = nw.from_native(frame, pass_through=True)
    if known is not frame or not hasattr(frame, "__arrow_c_stream__"):
        return frame
    import polars as pl

    try:
        return pl.DataFrame(frame)  # views of the Arrow buffers
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"the Arrow stream of a {type(frame).__name__} is no table of rows: pass one with named columns ({error})",
            code="data.not_a_frame",
        ) from error


def numeric_column(role: str, name: str, series: Any) -> NDArray[Any]:
    """A numeric column as numpy: a view where the library gives one; nulls become NaN."""
    import narwhals.stable.v2 as nw

    values: NDArray[Any] | None = None
    if is_numeric(series.dtype):
        if series.dtype == nw.Boolean and series.null_count():
            series = series.cast(nw.Float64)
        refuse_wide(f"{role} {name!r}", name, series.dtype)
        values = series.to_numpy()
    if values is None or values.dtype.kind not in "fiub":
        raise DataError(
            f"{role} {name!r} is {series.dtype}, not numeric: encode it first, or leave it out",
            code="data.not_numeric",
            column=name,
        )
    return values


def refuse_wide(what: str, name: str, dtype: Any) -> None:
    """Raise for whole numbers of 128 bits, which numpy does not have."""
    import narwhals.stable.v2 as nw

    if dtype in (nw.Int128, nw.UInt128):
        raise DataError(
            f"{what} is {dtype}, which numpy does not have: cast it to Int64, or to Float64 where 16 digits are enough",
            code="data.dtype",
            column=name,
        )


def is_numeric(dtype: Any) -> bool:
    """Whether a narwhals dtype holds numbers or bools; decimals don't count."""
    import narwhals.stable.v2 as nw

    return bool(dtype.is_numeric() or dtype == nw.Boolean) and not dtype.is_decimal()


def matrix_of(
    columns: Sequence[NDArray[Any]], n_rows: int, dtype: Literal["float32", "float64"] | None = None
) -> NDArray[Any]:
    """Copy columns into one row-major matrix of shape (n_rows, len(columns)).

    By default of float32 when every column is, else of float64.
    """
    if dtype is None:
        dtype = "float32" if columns and all(column.dtype == np.float32 for column in columns) else "float64"
    out = np.empty((n_rows, len(columns)), dtype=dtype)
    # Blocks of rows keep the strided writes inside the cache.
    for start in range(0, n_rows, 4096):
        for j, column in enumerate(columns):
            out[start : start + 4096, j] = column[start : start + 4096]
    return out
