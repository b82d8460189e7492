"""What goes into a model: every kind of table, names, layouts, weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tradewright._optional import is_available
from tradewright.errors import FeatureMismatchError, UnsupportedError
from tradewright.testing.model_case import Case, assert_close, assert_same, expect

__all__ = ["every_kind_of_table", "layouts", "names", "weights_count", "weights_of_zero", "widths"]


def every_kind_of_table(case: Case) -> None:
    """Frames, arrays, lists and panels of the same numbers give the same model."""
    wanted = case.output(case.fit(case.X))
    forms = {"polars": _polars(case, case.X), "list": case.X.tolist()}
    if is_available("pandas"):
        forms["pandas"] = forms["polars"].to_pandas()
    if is_available("pyarrow"):
        forms["pyarrow"] = forms["polars"].to_arrow()
    for form, table in forms.items():
        assert_same(case.output(case.fit(table)), wanted, f"fitted on {form}, predicted from numpy")
        assert_same(case.output(case.fit(table), table), case.output(case.fit(case.X), case.X), f"both from {form}")
    panel = case.panel(case.X, case.y)
    assert_same(case.output(case.fit(panel)), wanted, "fitted on a Panel")
    other = case.panel(case.X_val, case.y_val, later=True)
    assert_same(case.output(case.fit(panel), other), wanted, "predicted from a Panel")
    rows = np.array([0, 3, 4])
    assert_same(case.fit(panel).predict(panel, rows=rows), case.fit(panel).predict(panel)[rows], "rows of a Panel")


def names(case: Case) -> None:
    """Columns are found by name, in any order and among others; missing ones are named; arrays must have the width."""
    frame = _polars(case, case.X)
    model = case.fit(frame)
    wanted = case.output(model, frame)
    moved = frame.select([*reversed(frame.columns)]).with_columns(further=frame[:, 0])
    assert_same(case.output(model, moved), wanted, "reordered columns and a further one")
    assert model.metadata.feature_names == case.names, f"metadata.feature_names is {model.metadata.feature_names}"
    lacking = frame.drop(case.names[1])
    error = expect(FeatureMismatchError, lambda: model.predict(lacking), "a missing column")
    assert case.names[1] in str(error), f"the message does not name the missing column: {error}"
    expect(FeatureMismatchError, lambda: model.predict(case.X[:, :2]), "an array of another width")
    expect(FeatureMismatchError, lambda: case.fit(frame, eval_set=(lacking, case.y)), "a column missing in eval_set")


def layouts(case: Case) -> None:
    """Read-only arrays give the same bits, Fortran-ordered and strided ones the same but for rounding; none is written to."""
    wanted = case.output(case.fit(case.X), case.X_val)
    forms: list[tuple[str, Callable[[Any], Any], float]] = [
        ("read-only", _read_only, 0.0),
        ("Fortran", np.asfortranarray, 1e-6),
        ("strided", _strided, 1e-6),
    ]
    for form, layout, share in forms:
        X, y, X_val = layout(case.X), layout(case.y), layout(case.X_val)
        assert_close(case.output(case.fit(X, y), X_val), wanted, share, f"{form} input")
        assert_same(X, case.X, f"{form} input was written to")
        assert_same(y, case.y, f"{form} labels were written to")


def widths(case: Case) -> None:
    """float32 and whole numbers are taken; float32 changes predictions by no more than it must."""
    narrow, val = case.X.astype(np.float32), case.X_val.astype(np.float32)
    model = case.fit(narrow)
    assert set(model.metadata.feature_dtypes) == {"float32"}, f"feature_dtypes is {model.metadata.feature_dtypes}"
    exact = case.output(case.fit(narrow.astype(np.float64)), val.astype(np.float64))
    assert_close(case.output(model, val).astype(exact.dtype), exact, 0.05, "float32 against float64 of the same values")
    whole = np.round(case.X * 10).astype(np.int64)
    assert_same(
        case.output(case.fit(whole), whole), case.output(case.fit(whole * 1.0), whole * 1.0), "int64 against float64"
    )


def weights_of_zero(case: Case) -> None:
    """A row of weight 0 is as good as absent."""
    if case.weights == "refused":
        return
    kept = np.arange(len(case.X)) % 3 > 0
    odd = np.where(kept, case.y, case.y[::-1])  # what the absent rows say must not matter
    model = case.fit(case.X, odd, sample_weight=kept.astype(np.float64))
    absent = case.fit(case.X[kept], case.y[kept], sample_weight=np.ones(kept.sum()))
    assert_close(case.output(model), case.output(absent), 1e-3, "weight 0 against the row left out")


def weights_count(case: Case) -> None:
    """A row of weight 2 is as good as two rows; or weights count at least; or they are refused in words."""
    twice = 1.0 + (np.arange(len(case.X)) % 2)
    if case.weights == "refused":
        error = expect(UnsupportedError, lambda: case.fit(sample_weight=twice), "sample_weight")
        assert "sample_weight" in str(error), f"the message does not name sample_weight: {error}"
        return
    if case.weights == "exact":
        rows = np.repeat(np.arange(len(case.X)), twice.astype(int))
        model, repeated = case.fit(sample_weight=twice), case.fit(case.X[rows], case.y[rows])
        assert_close(case.output(model), case.output(repeated), 1e-3, "weight 2 against the row twice")
    # Labels that contradict the features where weights are heavy must turn the model around.
    heavy = np.arange(len(case.X)) % 2 == 0
    contrary = np.where(heavy, -case.y if case.task == "regression" else 1 - case.y, case.y)
    weight = np.where(heavy, 50.0, 1.0)
    model, plain = (case.fit(y=contrary, sample_weight=given) for given in (weight, weight[::-1].copy()))
    gap = np.nanmax(np.abs(_numbers(case, model) - _numbers(case, plain)))
    assert gap > 1e-6, "weights make no difference"


def _numbers(case: Case, model: Any) -> Any:
    output = case.output(model)
    return output if output.dtype.kind == "f" else output.astype(np.float64)


def _polars(case: Case, X: Any) -> Any:
    import polars as pl

    return pl.DataFrame({name: X[:, j] for j, name in enumerate(case.names)})


def _strided(array: Any) -> Any:
    wide = np.zeros((2 * len(array), *array.shape[1:]), dtype=array.dtype)
    wide[::2] = array
    return wide[::2]


def _read_only(array: Any) -> Any:
    array = array.copy()
    array.setflags(write=False)
    return array
