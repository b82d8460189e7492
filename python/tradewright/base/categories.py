"""Categorical columns as the numbers of their categories, the same at training and at every prediction after it.

Frames number their categories each in its own way: pandas by the order of the column's dtype, polars by the order in which
the process first saw them. A model keeps the order of its train rows, and every later column is brought into that.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError

__all__ = ["encode_categories", "is_categorical"]


def is_categorical(series: Any) -> bool:
    """Whether a narwhals series is categorical: pandas' and polars' Categorical, Enum, Arrow's dictionaries."""
    import narwhals.stable.v2 as nw

    return bool(series.dtype in (nw.Categorical, nw.Enum))


def encode_categories(
    name: str, series: Any, known: Sequence[Any] | None = None
) -> tuple[NDArray[np.float64], list[Any]]:
    """Return a column as the places of its values among ``known``, and ``known``.

    Without ``known`` the categories are those of the column: in the order that its dtype declares, or sorted where it
    declares none. Missing values are NaN; so are categories that are not among ``known``, with a warning. Takes memory in
    proportion to the rows, and time in proportion to rows and categories.

    Raises
    ------
    DataError
        When the categories are neither text nor numbers, or the column holds values that are no categories.
    """
    codes, held = _codes(name, series)
    if known is None:
        known = _ordered(series, codes, held)
        odd = next((value for value in known if not isinstance(value, str | bool | int | float)), None)
        if odd is not None:
            raise DataError(
                f"column {name!r} has the category {odd!r}, a {type(odd).__name__}: a saved model can hold text and numbers",
                code="data.category_kind",
                column=name,
            )
    elif known and isinstance(known[0], str) and not is_categorical(series) and series.dtype.is_numeric():
        raise DataError(
            f"column {name!r} held categories ({', '.join(map(repr, known[:3]))} …) when the model was fitted, and holds"
            f" {series.dtype} here: pass the categories, not numbers of them",
            code="data.category_kind",
            column=name,
        )
    place = {value: float(at) for at, value in enumerate(known)}
    table = np.array([place.get(value, np.nan) for value in held] + [np.nan])
    _warn_of_unseen(name, codes, held, place)
    return table[codes], list(known)


def _codes(name: str, series: Any) -> tuple[NDArray[np.intp], list[Any]]:
    """Return each row's place among the values the column may hold, −1 for missing, and those values."""
    if is_categorical(series):
        native = series.to_native()
        if hasattr(native, "cat") and hasattr(native.cat, "codes"):  # pandas
            return native.cat.codes.to_numpy().astype(np.intp), native.cat.categories.tolist()
        if hasattr(native, "to_physical"):  # polars
            present = native.drop_nulls().unique()
            numbers = present.to_physical().to_numpy().astype(np.int64)
            rank = np.argsort(numbers)
            held = [present[int(at)] for at in rank]
            physical = native.to_physical().cast(int).fill_null(-1).to_numpy()
            return np.where(physical < 0, -1, np.searchsorted(numbers[rank], physical)), held
    values = series.to_list()
    held = list(dict.fromkeys(value for value in values if value is not None and value == value))
    try:
        place = {value: at for at, value in enumerate(held)}
    except TypeError as error:
        raise DataError(
            f"column {name!r} holds {type(values[0]).__name__} values, which are no categories: cast it",
            code="data.category_kind",
            column=name,
        ) from error
    return np.array([place.get(value, -1) for value in values], dtype=np.intp), held


def _ordered(series: Any, codes: NDArray[np.intp], held: list[Any]) -> list[Any]:
    import narwhals.stable.v2 as nw

    native = series.to_native()
    if hasattr(getattr(native, "cat", None), "codes"):
        return held
    if series.dtype == nw.Enum and hasattr(native.dtype, "categories"):
        declared: list[Any] = native.dtype.categories.to_list()
        return declared
    # The numbers of polars' Categorical are those of the process, in an order that does not come again.
    present = {held[at] for at in np.unique(codes[codes >= 0]).tolist()}
    return sorted(present)


def _warn_of_unseen(name: str, codes: NDArray[np.intp], held: list[Any], place: dict[Any, float]) -> None:
    used = np.unique(codes[codes >= 0]).tolist()
    unseen = [held[at] for at in used if held[at] not in place]
    if unseen:
        shown = ", ".join(map(repr, unseen[:5])) + (" …" if len(unseen) > 5 else "")
        warnings.warn(
            f"column {name!r}: {len(unseen)} of its categories were not in the train rows ({shown}); they count as missing",
            UserWarning,
            stacklevel=10,  # of predict, which is where the caller stands
        )
