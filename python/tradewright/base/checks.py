"""What every back end is spared: labels of the wrong kind, weights that weigh nothing, features without end.

Each library would say it differently, or not at all.
"""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.base.metadata import Task
from tradewright.base.samples import Samples
from tradewright.errors import DataError, ParameterError

__all__ = ["check_classes", "check_rows", "first_nan", "refuse_infinite"]

_BLOCK_VALUES = 1 << 20


def check_rows(samples: Samples, which: str, task: Task, panel_rows: ArrayLike | None = None) -> Samples:
    """Refuse rows that no back end can use; return them with labels of a plain dtype.

    Parameters
    ----------
    samples : Samples
        The rows.
    which : str
        What messages call them: ``"train"``.
    task : {"regression", "classification"}
        What the labels are for.
    panel_rows : array-like of int, optional
        The rows of the panel the samples were taken from: errors then name those.

    Raises
    ------
    ParameterError
        Without labels; for another task.
    DataError
        Labels that are missing, not finite or of the wrong kind; weights that are negative, not finite or all zero;
        infinite features. Names the first row.
    """
    if task not in get_args(Task):
        raise ParameterError(f"task={task!r}: pass 'regression' or 'classification'", code="model.task")
    if samples.y is None:
        raise ParameterError(
            f"the {which} rows have no labels: a model requires y to be passed, but the target y is None",
            code="data.no_labels",
        )
    _refuse_missing(samples.y, which, panel_rows)
    y = _numbers(samples.y, which, panel_rows) if task == "regression" else _classes(samples.y, which, panel_rows)
    _check_weights(samples.sample_weight, which, panel_rows)
    refuse_infinite(samples.X, samples.feature_names, f"{which} row", panel_rows)
    return samples if y is samples.y else dataclasses.replace(samples, y=y)


def check_classes(train: Samples, val: Samples | None) -> None:
    """Refuse train rows of a single class, and validation rows of a class that no train row has.

    Raises
    ------
    DataError
        Naming the class, and the row.
    """
    known = np.unique(np.asarray(train.y))
    if len(known) < 2:
        raise DataError(
            f"there is only one class among the train labels, {known[0].item()!r}: a classifier needs two",
            code="model.n_classes",
            count=1,
        )
    if val is None:
        return
    y = np.asarray(val.y)
    comparable = (y.dtype.kind in "US") == (known.dtype.kind in "US")
    unknown = ~np.isin(y, known) if comparable else np.ones(len(y), dtype=np.bool_)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise DataError(
            f"validation row {row} is of class {y[row].item()!r}, which no train row has: drop such rows, or train on more",
            code="model.unknown_class",
            row=row,
        )


def refuse_infinite(
    X: NDArray[Any], names: tuple[str, ...], what: str = "row", panel_rows: ArrayLike | None = None
) -> None:
    """Refuse infinite features with their place; NaN is for the back end to judge. One pass in blocks.

    Raises
    ------
    DataError
        Naming the first row and its column.
    """
    step = max(1, _BLOCK_VALUES // max(1, X.shape[1]))
    for start in range(0, X.shape[0], step):
        infinite = np.isinf(X[start : start + step])
        if infinite.any():
            at, column = (int(place[0]) for place in np.nonzero(infinite))
            row, where = _row_of(start + at, panel_rows)
            raise DataError(
                f"{what} {row}{where}, column {names[column]!r}: the value is infinite (inf); replace it by NaN, which"
                " models fill, or clip it",
                code="data.infinite",
                row=row,
                column=names[column],
            )


def first_nan(X: NDArray[Any]) -> tuple[int, int] | None:
    """Return row and column of the first NaN; None when there is none."""
    step = max(1, _BLOCK_VALUES // max(1, X.shape[1]))
    for start in range(0, X.shape[0], step):
        missing = np.isnan(X[start : start + step])
        if missing.any():
            at, column = (int(place[0]) for place in np.nonzero(missing))
            return start + at, column
    return None


# --- labels -------------------------------------------------------------------------------------------------------


def _refuse_missing(y: NDArray[Any], which: str, panel_rows: ArrayLike | None) -> None:
    bad = _unusable(y)
    if bad.any():
        row, where = _row_of(int(np.flatnonzero(bad)[0]), panel_rows)
        count = int(bad.sum())
        raise DataError(
            f"{count} of {len(y)} {which} labels are missing, NaN or infinite, the first at row {row}{where}: drop those rows",
            code="data.label_not_finite",
            row=row,
            count=count,
        )


def _unusable(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which labels are missing or not finite, whatever their dtype."""
    if y.dtype.kind in "fc":
        return np.asarray(~np.isfinite(y), dtype=np.bool_)
    if y.dtype.kind in "mM":
        return np.asarray(np.isnat(y), dtype=np.bool_)
    if y.dtype.kind != "O":
        return np.zeros(y.shape, dtype=np.bool_)
    return np.array([_is_missing(label) for label in y.ravel()], dtype=np.bool_).reshape(y.shape)


def _is_missing(label: Any) -> bool:
    if label is None or (isinstance(label, float | np.floating) and not np.isfinite(label)):
        return True
    return type(label).__name__ in ("NAType", "NaTType")  # pandas' own, which compare with nothing


def _numbers(y: NDArray[Any], which: str, panel_rows: ArrayLike | None) -> NDArray[Any]:
    if y.dtype.kind in "fiub":
        return y
    if y.dtype.kind == "O":
        odd = next((row for row, label in enumerate(y) if not _is_number(label)), None)
        if odd is None:
            return y.astype(np.float64)
    else:
        odd = 0
    row, where = _row_of(odd, panel_rows)
    raise DataError(
        f"the {which} labels are no numbers: row {row}{where} is {y[odd]!r}; a regression needs numbers, and for classes"
        " take a classifier",
        code="data.label_kind",
        row=row,
    )


def _is_number(label: Any) -> bool:
    return isinstance(label, int | float | np.number | np.bool_) and not isinstance(label, complex | np.complexfloating)


def _classes(y: NDArray[Any], which: str, panel_rows: ArrayLike | None) -> NDArray[Any]:
    if y.dtype.kind == "O":
        y = _of_one_kind(y, which)
    if y.dtype.kind not in "biufUS":
        raise DataError(
            f"the {which} labels are of dtype {y.dtype}: classes are numbers, bools or text", code="data.label_kind"
        )
    if y.dtype.kind == "f":
        broken = y != np.floor(y)
        if broken.any():
            at = int(np.flatnonzero(broken)[0])
            row, where = _row_of(at, panel_rows)
            raise DataError(
                f"Unknown label type: continuous. The {which} label of row {row}{where} is {y[at].item()!r}; a classifier"
                " needs classes: cut the labels into classes (y > 0), or take a regressor",
                code="data.label_kind",
                row=row,
            )
    return y


def _of_one_kind(y: NDArray[Any], which: str) -> NDArray[Any]:
    """Return labels held as objects as an array of their own dtype."""
    plain = np.asarray(y.tolist())
    if plain.dtype.kind in "US" and not all(isinstance(label, str | bytes) for label in y):
        raise DataError(
            f"the {which} labels mix text with other values: classes must be of one kind", code="data.label_kind"
        )
    return plain


# --- weights ------------------------------------------------------------------------------------------------------


def _check_weights(weight: NDArray[np.float64] | None, which: str, panel_rows: ArrayLike | None) -> None:
    if weight is None:
        return
    bad = ~(weight >= 0) | ~np.isfinite(weight)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        row, where = _row_of(at, panel_rows)
        raise DataError(
            f"{which} row {row}{where} has sample_weight {weight[at]}: weights must be finite and not negative",
            code="data.weight",
            row=row,
        )
    if not weight.any():
        raise DataError(
            f"the sample_weight of all {len(weight)} {which} rows is zero, so there is nothing to weigh: give some rows a"
            " weight, or leave sample_weight out",
            code="data.weight",
            count=len(weight),
        )


def _row_of(at: int, panel_rows: ArrayLike | None) -> tuple[int, str]:
    return (at, "") if panel_rows is None else (int(np.asarray(panel_rows)[at]), " of the panel")
