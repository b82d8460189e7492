"""A few train rows as a user would hand them to the served model, and what the model predicts for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _optional
from tradewright.base import BaseModel, Samples
from tradewright.base.history import History
from tradewright.panel import Panel

__all__ = ["model_example"]

ROWS = 5
#: A window may be long, and an example is to be read.
MOST_ROWS = 256


def model_example(train: Samples, model: BaseModel) -> tuple[Any, NDArray[Any]]:
    """Return example rows and their predictions.

    Parameters
    ----------
    train : Samples
        The rows the model was fitted on.
    model : BaseModel
        Fitted.

    Returns
    -------
    given : pandas.DataFrame or ndarray
        The first five train rows, with the dtypes they came in: a frame where the caller's columns have names. For a
        model that reads the past, the last rows of one asset, enough for five predictions, with ``time`` and ``asset``.
    predicted : ndarray
        One per row.
    """
    if train.history is not None:
        return _with_past(train.history, model)
    rows = train.X[:ROWS]
    predicted = model._predict(rows)
    if not train.named:
        return rows.astype(_plain_dtype(train.feature_dtypes[0], rows)), predicted
    columns = {
        name: rows[:, j].astype(_plain_dtype(dtype, rows[:, j]))
        for j, (name, dtype) in enumerate(zip(train.feature_names, train.feature_dtypes, strict=True))
    }
    return _frame(columns), predicted


def _with_past(history: History, model: BaseModel) -> tuple[Any, NDArray[Any]]:
    time = np.asarray(history.time)
    meant = history.rows[np.argmax(time[history.rows])]
    is_before = time <= time[meant]
    if history.asset is not None:
        is_before &= np.asarray(history.asset) == history.asset[meant]
    own = np.flatnonzero(is_before)
    count = min((getattr(model, "window", None) or 1) + ROWS - 1, MOST_ROWS)
    own = own[np.argsort(time[own], kind="stable")][-count:]
    table = history.table
    columns: dict[str, NDArray[Any]] = {}
    if isinstance(table, Panel):
        columns["time"] = table.times[own]
        if table.asset is not None:
            columns["asset"] = np.array([table.asset_names[code] for code in table.asset[own]], dtype=object)
        columns |= {name: table.columns[name][own] for name in history.feature_names}
    else:
        columns["time"] = time[own]
        if history.asset is not None:
            columns["asset"] = np.asarray(history.asset)[own].astype(str).astype(object)
        columns |= {name: table[own, j] for j, name in enumerate(history.feature_names)}
    return _frame(columns), model._predict(history.at(own))  # type: ignore[arg-type]


def _plain_dtype(name: str, values: NDArray[Any]) -> np.dtype[Any]:
    """Return the dtype a column came in, where it holds the values of the model's matrix."""
    try:
        dtype = np.dtype(name)
    except TypeError:
        return values.dtype
    is_number = dtype.kind in "fiub" and (dtype.kind == "f" or bool(np.isfinite(values).all()))
    return dtype if is_number else values.dtype


def _frame(columns: dict[str, NDArray[Any]]) -> Any:
    # MLflow, for whose sake this is made, brings pandas.
    return _optional.require("pandas", "an MLflow model").DataFrame(columns)
