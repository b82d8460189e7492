"""From what callers have (polars, pandas, numpy, a Panel) to the two sides that checks look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError, EmptyDataError, FeatureMismatchError, ParameterError
from tradewright.panel import Panel
from tradewright.panel.assets import encode_assets
from tradewright.panel.columns import refuse_wide
from tradewright.panel.times import TimeAxis, common_unit, normalize_times
from tradewright.sanity_checks.base import Side

__all__ = ["Rows2D", "feature_columns", "refuse_other_columns", "refuse_swapped", "sides_from_arrays", "to_common_axis"]

Rows2D = Any
Columns = dict[str, NDArray[Any]]


def sides_from_arrays(
    X_train: Rows2D,
    y_train: Any,
    X_val: Rows2D,
    y_val: Any,
    *,
    time: tuple[Any, Any],
    asset: tuple[Any, Any],
    label_end: tuple[Any, Any],
    available_at: tuple[Any, Any] = (None, None),
) -> tuple[Side, Side | None]:
    """Build the train and the validation side; each pair is (train, val).

    Columns are views where the source allows it. Names of frames are matched; arrays are matched by position.
    Raises EmptyDataError for a table without rows.
    """
    refuse_swapped(y_train, X_val, y_val)
    panels = [X if isinstance(X, Panel) else None for X in (X_train, X_val)]
    parts = []
    for index, (name, X, y, panel) in enumerate(
        (("X_train", X_train, y_train, panels[0]), ("X_val", X_val, y_val, panels[1]))
    ):
        columns = {} if X is None else feature_columns(X, name)
        if any(len(values) == 0 for values in columns.values()):
            raise EmptyDataError(
                f"{name} has no rows: pass at least one, or leave {name} out", code="data.empty", argument=name
            )
        parts.append(
            {
                "name": name,
                "columns": columns,
                "y": _labels(y if y is not None or panel is None else panel.y, name),
                "time": _first(time[index], _index_times(X), None if panel is None else panel.times),
                "label_end": _first(label_end[index], None if panel is None else panel.label_ends),
                "available_at": available_at[index],
                "asset": _first(asset[index], _panel_assets(panel)),
                "returns": None if panel is None else panel.returns,
            }
        )
    train, val = parts
    if X_val is not None and X_train is not None:
        val["columns"] = _matched(train["columns"], val["columns"], X_train, X_val)
    to_common_axis(parts)
    names = _encode_assets(parts)
    for part in parts:
        _refuse_lengths(part)
        part["asset_names"] = names
    absent = all(part is None for part in (X_val, y_val, val["time"]))
    return Side(**train), None if absent else Side(**val)


def refuse_swapped(y_train: Any, X_val: Any, y_val: Any) -> None:
    """Raise when features stand where labels belong, the common slip of (X, X, y, y) against (X, y, X, y)."""
    if _width(y_train) is not None and _is_vector(X_val):
        raise ParameterError(
            f"X_val is one-dimensional and y_train has {_width(y_train)} columns: they look swapped. "
            "run takes (X_train, y_train, X_val, y_val), check_data_leakage takes (X_train, X_val, y_train, y_val)",
            code="sanity.swapped",
        )
    for name, y in (("y_train", y_train), ("y_val", y_val)):
        if _width(y) is not None:
            raise DataError(f"{name} has {_width(y)} columns: pass one label per row", code="data.shape")


def _width(values: Any) -> int | None:
    """The number of columns of what has columns; None for vectors and (n, 1) arrays."""
    if isinstance(values, Panel):
        return len(values.columns)
    shape = getattr(values, "shape", None)
    return int(shape[1]) if shape is not None and len(shape) == 2 and shape[1] > 1 else None


def _is_vector(values: Any) -> bool:
    shape = getattr(values, "shape", None)
    return shape is not None and (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1))


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def feature_columns(X: Rows2D, name: str) -> Columns:
    """Return the columns of a frame, a matrix or a panel by name: views where Rust can read them in place.

    Raises
    ------
    DataError
        For a column that is not numeric, with its name; a name that stands twice; a lazy frame.
    """
    if isinstance(X, Panel):
        return {column: _readable(values) for column, values in X.columns.items()}
    if isinstance(X, Mapping):
        columns = _named(((key, np.asarray(values)) for key, values in X.items()), name)
    elif isinstance(X, np.ndarray) or not _is_frame(X):
        matrix = _matrix(X, name)
        columns = {f"x{j}": matrix[:, j] for j in range(matrix.shape[1])}
    else:
        columns = _of_frame(X, name)
    for column, values in columns.items():
        if values.dtype.kind not in "fiub" and not (_holds_numbers(values) and _one_dtype(columns)):
            raise DataError(
                f"{name}: column {column!r} is of dtype {values.dtype}, not numeric{_held(values)}",
                code="data.not_numeric",
                column=column,
            )
    if columns and all(values.dtype.kind not in "fiub" for values in columns.values()):
        dtype = next(iter(columns.values())).dtype
        raise DataError(
            f"{name} is of dtype {dtype}, and holds numbers: pass {name}.astype(float)", code="data.not_numeric"
        )
    return {column: _readable(values) for column, values in columns.items()}


def _matrix(X: Any, name: str) -> NDArray[Any]:
    """A matrix; masked cells are missing."""
    matrix = _unmasked(X)
    if matrix.ndim != 2:
        hint = " (one feature: X[:, None])" if matrix.ndim == 1 and len(matrix) else ""
        kind = f"is a {type(X).__module__}.{type(X).__name__}" if matrix.ndim == 0 else f"has shape {matrix.shape}"
        if hasattr(X, "toarray"):
            kind, hint = f"is sparse ({type(X).__name__})", f": {name}.toarray()"
        raise DataError(f"{name} {kind}: pass one of (n_rows, n_features), or a frame{hint}", code="data.shape")
    return matrix


def _unmasked(values: Any) -> NDArray[Any]:
    """Values as an array; masked ones are missing, and numpy would show what lies behind the mask."""
    if isinstance(values, np.ma.MaskedArray):
        floats = np.array(values.data, dtype=np.result_type(values.dtype, np.float32))
        floats[np.ma.getmaskarray(values)] = np.nan
        return floats
    return np.asarray(values)


def _one_dtype(columns: Columns) -> bool:
    """Whether all columns are of one dtype, as those of a matrix are."""
    return len({values.dtype for values in columns.values()}) == 1


def _holds_numbers(values: NDArray[Any]) -> bool:
    """Whether all values of a column that numpy takes for text or objects are numbers, and one is there."""
    if values.dtype.kind not in "OSU":
        return False
    try:
        return not np.isnan(values.astype(np.float64)).all()
    except (TypeError, ValueError):
        return False


def _held(values: NDArray[Any]) -> str:
    """What a column that is not numeric holds, and what to do."""
    if values.dtype.kind not in "OSU":
        return ": encode it, or leave it out"
    known = [(row, value) for row, value in enumerate(values.tolist()) if value is not None and value == value]
    if not known:
        return ", and has no value at all: leave it out"
    if _holds_numbers(values):
        return ", though all its values are numbers: convert it, as by astype(float)"
    row, value = next(((r, v) for r, v in known if isinstance(v, str)), known[0])
    return f" (row {row} holds {value!r:.40}): encode it, or leave it out"


def _is_frame(X: Any) -> bool:
    # Looked up on the type: asking a lazy frame for its columns would run its query.
    return hasattr(type(X), "columns") or (not hasattr(X, "collect") and hasattr(X, "columns"))


def _of_frame(X: Any, name: str) -> Columns:
    """The columns of a polars, pandas or pyarrow table."""
    import narwhals.stable.v2 as nw
    from narwhals.exceptions import DuplicateError

    try:
        table = nw.from_native(X, eager_only=True)
        names = table.columns
    except DuplicateError as error:
        raise DataError(
            f"{name} has column names that stand twice: rename or drop them. {' '.join(str(error).split())}",
            code="data.duplicate_column",
        ) from error
    except TypeError as error:
        lazy = "collect it first" if hasattr(X, "collect") or hasattr(X, "compute") else "pass a frame or a matrix"
        raise DataError(
            f"{name} is a {type(X).__module__}.{type(X).__name__}, whose rows cannot be read in place: {lazy}",
            code="data.kind",
        ) from error
    # By get_column: pandas' names may be integers, and table[0] is a row.
    return _named(((column, _values(table.get_column(column), str(column), name)) for column in names), name)


def _values(series: Any, column: str, name: str) -> NDArray[Any]:
    """A column as numpy: a view where the library gives one; truth values with gaps become 1, 0 and NaN."""
    import narwhals.stable.v2 as nw

    if series.dtype == nw.Boolean and series.null_count():
        series = series.cast(nw.Float64)
    refuse_wide(f"{name}: column {column!r}", column, series.dtype)
    values: NDArray[Any] = series.to_numpy()
    return values


def _named(columns: Iterable[tuple[Any, NDArray[Any]]], name: str) -> Columns:
    """Columns by their names as text."""
    named: Columns = {}
    for key, values in columns:
        text = str(key)
        if text in named:
            raise DataError(
                f"{name} has two columns called {text!r} (names are compared as text): rename one",
                code="data.duplicate_column",
                column=text,
            )
        named[text] = values
    return named


def _readable(values: NDArray[Any]) -> NDArray[Any]:
    """The array itself where Rust reads it in place; a copy of half floats, foreign byte order and odd strides."""
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.kind == "f" and values.itemsize > 8:
        raise DataError(f"dtype {values.dtype} is not supported: convert to float64", code="data.dtype")
    if not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    if len(values) > 1 and (values.strides[0] <= 0 or values.strides[0] % values.itemsize):
        return np.array(values, order="C")
    return values if values.flags.aligned else np.array(values, order="C")


def _matched(train: Columns, val: Columns, X_train: Any, X_val: Any) -> Columns:
    """The validation columns in the order of the train ones."""
    named = all(_is_frame(X) or isinstance(X, Mapping) for X in (X_train, X_val))
    if not named and len(train) == len(val):
        return dict(zip(train, val.values(), strict=True))
    refuse_other_columns(list(train), list(val))
    return {name: val[name] for name in train}


def refuse_other_columns(train: Sequence[str], val: Sequence[str]) -> None:
    """Raise when the validation side lacks columns of the train side, or has others."""
    missing, extra = [n for n in train if n not in val], [n for n in val if n not in train]
    if missing or extra:
        parts = [
            f"{what} {', '.join(map(repr, names[:10]))}"
            for what, names in (("lacks", missing), ("has also", extra))
            if names
        ]
        raise FeatureMismatchError(
            f"X_val does not have the columns of X_train: it {' and '.join(parts)}. Pass the same features twice",
            code="data.feature_mismatch",
            missing=tuple(missing),
            extra=tuple(extra),
        )


def _labels(y: Any, side: str) -> NDArray[Any] | None:
    if y is None:
        return None
    name = side.replace("X", "y")
    values = _label_values(y, name)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{name} has shape {values.shape}: pass one label per row", code="data.shape")
    if values.dtype.kind not in "fiub":
        held = _held(values).replace("encode it, or leave it out", "encode the labels")
        raise DataError(f"{name} is of dtype {values.dtype}, not numeric{held}", code="data.not_numeric")
    return _readable(values)


def _label_values(y: Any, name: str) -> NDArray[Any]:
    import polars as pl

    if isinstance(y, pl.Series) and y.dtype in (pl.Int128, pl.UInt128):
        import narwhals.stable.v2 as nw

        refuse_wide(name, name, nw.from_native(y, series_only=True).dtype)
    return _unmasked(y.to_numpy() if hasattr(y, "to_numpy") else y)


def _index_times(X: Any) -> Any:
    """The times of a pandas DatetimeIndex."""
    index = getattr(X, "index", None)
    dtype = getattr(index, "dtype", None)
    return index if dtype is not None and getattr(dtype, "kind", "") == "M" else None


def _panel_assets(panel: Panel | None) -> Any:
    if panel is None or panel.asset is None:
        return None
    return np.asarray(panel.asset_names, dtype=object)[panel.asset]


def to_common_axis(parts: list[dict[str, Any]]) -> None:
    """Write times and label ends as int64 in one unit for both sides."""
    axes: list[tuple[dict[str, Any], str, str, TimeAxis]] = []
    for part in parts:
        for key in ("time", "label_end", "available_at"):
            if part[key] is not None:
                name = part["name"].replace("X", key)
                axes.append((part, key, name, normalize_times(part[key], name=name)))
    if not axes:
        return
    _, _, finest_name, finest = axes[0]
    for _, _, name, axis in axes[1:]:
        _, finer = common_unit(axis, finest, names=(name, finest_name))
        if finer.unit != finest.unit:
            finest_name, finest = name, axis
    for part, key, name, axis in axes:
        part[key] = common_unit(axis, finest, names=(name, finest_name))[0].values
    for part in parts:
        part["time_unit"] = finest.unit


def _encode_assets(parts: list[dict[str, Any]]) -> tuple[str, ...]:
    """Write assets as codes shared by both sides; return the names."""
    known = [part for part in parts if part["asset"] is not None]
    if not known:
        return ()
    coded = [encode_assets(part["asset"], part["name"].replace("X", "asset")) for part in known]
    names = sorted({name for _, own in coded for name in own})
    for part, (codes, own) in zip(known, coded, strict=True):
        place = np.searchsorted(np.array(names, dtype=str), np.array(own, dtype=str)).astype(np.int32)
        part["asset"] = place[codes] if len(place) else codes
    return tuple(names)


def _refuse_lengths(part: dict[str, Any]) -> None:
    """Raise when the arrays of one side differ in length."""
    lengths = {name: len(values) for name, values in part["columns"].items()}
    lengths |= {
        key: len(part[key]) for key in ("y", "time", "label_end", "available_at", "asset") if part[key] is not None
    }
    if len(set(lengths.values())) > 1:
        first, expected = next(iter(lengths.items()))
        name, got = next((name, got) for name, got in lengths.items() if got != expected)
        raise DataError(
            f"{part['name']}: {name!r} has {got:,} rows, {first!r} has {expected:,}: "
            "pass arrays that describe the same rows",
            code="data.length_mismatch",
            got=got,
            expected=expected,
        )
