"""Assets as codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError

__all__ = ["encode_assets"]


def encode_assets(asset: Any, name: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Codes into the sorted asset names, so that equal panels have equal codes whatever their row order."""
    import polars as pl

    try:
        values = asset if isinstance(asset, pl.Series) else pl.Series(name, _plain_sequence(asset))
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"column {name!r} mixes kinds of asset ids: make all of them text, or all integers ({str(error).splitlines()[0]})",
            code="data.asset",
            column=name,
        ) from error
    if values.dtype.is_float():
        values = values.fill_nan(None)
        if (values.drop_nulls() % 1 != 0).any():
            raise DataError(
                f"column {name!r} holds fractions, not asset ids: pass text or integers", code="data.asset", column=name
            )
    if values.null_count():
        row = int(values.is_null().arg_max() or 0)
        raise DataError(
            f"row {row}: column {name!r} is missing; every row of a panel with assets needs one. Drop the row or fill it",
            code="data.missing_asset",
            row=row,
            column=name,
        )
    if values.dtype.is_float():  # whole numbers that a missing value had made floats
        values = values.cast(pl.Int64)
    distinct = values.unique().sort()
    if values.dtype.is_numeric():
        codes = np.searchsorted(distinct.to_numpy(), values.to_numpy())
        return codes.astype(np.int32), tuple(str(value) for value in distinct)
    text, labels = values.cast(pl.String), distinct.cast(pl.String).unique().sort()
    codes = text.cast(pl.Enum(labels)).to_physical().to_numpy()
    return codes.astype(np.int32), tuple(labels)


def _plain_sequence(values: Any) -> Any:
    """What polars can read: numpy text arrays become lists, frames' own columns pass through Arrow."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "O":  # NaN is how pandas writes a missing text
            return [None if isinstance(item, float) and item != item else item for item in values.tolist()]
        return values.tolist() if values.dtype.kind in "US" else values
    if hasattr(values, "__arrow_c_stream__"):
        return values
    return values.tolist() if hasattr(values, "tolist") else list(values)
