"""From the caller's table to the columns of a panel."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.errors import ColumnNotFoundError, DataError, EmptyDataError, ParameterError
from tradewright.panel.assets import encode_assets
from tradewright.panel.columns import is_numeric, numeric_column, through_arrow
from tradewright.panel.times import common_unit, normalize_times

__all__ = ["chosen_features", "did_you_mean", "panel_parts_from_arrays", "panel_parts_from_frame"]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that lists the nearest names, or the first ones when none is near."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    listed = ", ".join(map(repr, names[:12])) + (" …" if len(names) > 12 else "")
    return f"it has {listed}" if names else "it has none"


def panel_parts_from_frame(
    frame: Any,
    *,
    target: str | None,
    time: str,
    asset: str | None,
    label_end: str | None,
    weight: str | None,
    returns: str | None,
    features: Sequence[str] | None,
) -> dict[str, Any]:
    """Read the columns of a frame; see :meth:`Panel.from_frame`."""
    import narwhals.stable.v2 as nw

    try:
        table = nw.from_native(through_arrow(frame), eager_only=True)
    except TypeError as error:
        hint = "call .collect() first" if hasattr(frame, "collect") else "or use Panel.from_arrays for numpy arrays"
        raise DataError(
            f"a {type(frame).__name__} is not a frame: pass a polars or pandas DataFrame or a pyarrow Table, {hint}",
            code="data.not_a_frame",
        ) from error
    except nw.exceptions.DuplicateError as error:
        raise DataError(
            f"the frame has two columns of one name, rename one: {error}", code="data.duplicate_column"
        ) from error
    # pandas allows columns called 0, 1, …; a panel's names are text.
    named = {str(name): table.get_column(name) for name in table.columns}
    roles = {
        "target": target,
        "time": time,
        "asset": asset,
        "label_end": label_end,
        "weight": weight,
        "returns": returns,
    }
    for role, name in roles.items():
        if name is not None and name not in named:
            raise ColumnNotFoundError(
                f"{role}={name!r} is not a column of the frame; {did_you_mean(name, named)}{_index_hint(frame, name)}",
                code="data.column_not_found",
                column=name,
                role=role,
            )
    if len(table) == 0:
        raise EmptyDataError("the frame has no rows: a panel needs at least one", code="data.empty")

    used = {name for name in roles.values() if name is not None}
    if features is None:
        names = [name for name, series in named.items() if name not in used and is_numeric(series.dtype)]
    else:
        names = chosen_features(features, list(named), roles)

    def native(name: str | None) -> Any:
        return None if name is None else named[name].to_native()

    def numbers(role: str, name: str | None) -> NDArray[Any] | None:
        return None if name is None else numeric_column(role, name, named[name])

    columns = {name: numeric_column("feature", name, named[name]) for name in names}

    return _parts(
        columns,
        numbers("target", target),
        target or "",
        native(time),
        native(asset),
        native(label_end),
        numbers("weight", weight),
        numbers("returns", returns),
        names=(time, label_end or "label_end", asset or "asset"),
    )


def panel_parts_from_arrays(
    X: ArrayLike,
    y: ArrayLike | None,
    *,
    time: Any,
    asset: Any,
    label_end: Any,
    weight: ArrayLike | None,
    returns: ArrayLike | None,
    names: Sequence[str] | None,
) -> dict[str, Any]:
    """Read arrays; see :meth:`Panel.from_arrays`."""
    matrix = np.asarray(X)
    if matrix.ndim != 2:
        raise DataError(f"X has shape {matrix.shape}: pass one of (n_rows, n_features)", code="data.shape")
    if matrix.dtype.kind not in "fiub":
        raise DataError(f"X is of dtype {matrix.dtype}, not numeric: encode it first", code="data.not_numeric")
    if matrix.shape[0] == 0:
        raise EmptyDataError("X has no rows: a panel needs at least one", code="data.empty")
    names = [f"x{j}" for j in range(matrix.shape[1])] if names is None else list(names)
    if len(names) != matrix.shape[1] or len(set(names)) != len(names):
        raise ParameterError(
            f"feature_names has {len(set(names))} different names, X has {matrix.shape[1]} columns: pass one name each",
            code="panel.feature_names",
        )
    columns = {name: matrix[:, j] for j, name in enumerate(names)}
    return _parts(
        columns,
        _numeric_array("y", y),
        "y",
        time,
        asset,
        label_end,
        _numeric_array("weight", weight),
        _numeric_array("returns", returns),
        names=("time", "label_end", "asset"),
    )


def _numeric_array(name: str, values: ArrayLike | None) -> NDArray[Any] | None:
    if values is None:
        return None
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} is of dtype {array.dtype}, not numeric: encode it first", code="data.not_numeric")
    return array


def _parts(
    columns: dict[str, NDArray[Any]],
    y: NDArray[Any] | None,
    target: str,
    time: Any,
    asset: Any,
    label_end: Any,
    weight: NDArray[Any] | None,
    returns: NDArray[Any] | None,
    *,
    names: tuple[str, str, str],
) -> dict[str, Any]:
    axis = normalize_times(time, name=names[0])
    ends, missing = None, None
    if label_end is not None:
        end_axis = normalize_times(label_end, name=names[1], missing="keep")
        missing = end_axis.missing
        axis, end_axis = common_unit(axis, end_axis, names=names[:2])
        ends = end_axis.values
    codes, asset_names = (None, ()) if asset is None else encode_assets(asset, names[2])
    n_rows = len(axis.values)
    for name, values in {
        **columns,
        "y": y,
        "asset": codes,
        "label_end": ends,
        "weight": weight,
        "returns": returns,
    }.items():
        if values is not None and values.shape != (n_rows,):
            raise DataError(
                f"{name} has shape {values.shape}, time has {n_rows} rows: pass one value per row",
                code="data.length_mismatch",
                name=name,
            )
    return {
        "columns": columns,
        "y": y,
        "target": target,
        "time": axis.values,
        "time_unit": axis.unit,
        "time_zone": axis.zone,
        "label_end": ends,
        "label_end_missing": missing,
        "asset": codes,
        "asset_names": asset_names,
        "weight": None if weight is None else weight.astype(np.float64, copy=False),
        "returns": None if returns is None else returns.astype(np.float64, copy=False),
    }


def chosen_features(features: Sequence[str], columns: Sequence[str], roles: dict[str, str | None]) -> list[str]:
    """Return the features a caller names, refused where one is not there, a role of the panel, or named twice."""
    if isinstance(features, str):
        raise ParameterError(f"features={features!r}: pass a list of names", code="panel.features")
    names = list(features)
    role_of = {name: role for role, name in roles.items() if role in ("target", "label_end", "returns")}
    for name in names:
        if name not in columns:
            raise ColumnNotFoundError(
                f"feature {name!r} is not a column of the frame; {did_you_mean(name, columns)}",
                code="data.column_not_found",
                column=name,
            )
        if name in role_of:
            raise ParameterError(
                f"{name!r} is the {role_of[name]} column and cannot be a feature as well: the model would know the answer",
                code="panel.features",
                column=name,
            )
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ParameterError(f"feature {repeated!r} is listed twice: name each once", code="panel.features")
    return names


def _index_hint(frame: Any, name: str) -> str:
    """A word for pandas users whose times are the index."""
    if getattr(getattr(frame, "index", None), "name", None) == name:
        return f"; {name!r} is the index: pass frame.reset_index()"
    return ""
