"""What no model takes, and how it says so."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tradewright.errors import DataError, EmptyDataError, FeatureMismatchError, NotFittedError, ParameterError
from tradewright.testing.model_case import Case, expect

__all__ = ["bad_features", "bad_labels", "missing_values", "unfitted"]


def unfitted(case: Case) -> None:
    """Before the first fit, everything that needs one says so, and no file is written."""
    model = case.make()
    X = case.table(case.X)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tw"
        acts: dict[str, Any] = {
            "predict": lambda: model.predict(X),
            "score": lambda: model.score(X, case.y),
            "metadata": lambda: model.metadata,
            "save": lambda: model.save(path),
        }
        for name, act in acts.items():
            error = expect(NotFittedError, act, f"{name} before fit")
            assert "fit" in str(error), f"{name} before fit does not say what to do: {error}"
        assert not path.exists(), "a file was written before the first fit"
    assert not model.is_fitted, "it is fitted before the first fit"


def bad_labels(case: Case) -> None:
    """Labels that are missing, too few, of the wrong kind, or of a class nobody saw; weights that weigh nothing."""
    expect(ParameterError, lambda: case.make().fit(case.table(case.X)), "no labels")
    expect(DataError, lambda: case.fit(y=case.y[:-1]), "one label too few")
    missing = case.y.astype(np.float64)
    missing[5] = np.nan
    _says(expect(DataError, lambda: case.fit(y=missing), "a missing label"), "row 5")
    if case.task == "regression":
        words = np.where(case.y > 0, "up", "down")
        expect(DataError, lambda: case.fit(y=words), "text as labels of a regression")
    else:
        expect(DataError, lambda: case.fit(y=case.X[:, 0]), "continuous labels of a classification")
        X, y = case.eval_set()
        strange = np.where(np.arange(len(y)) == 3, 9, y)
        error = expect(DataError, lambda: case.fit(eval_set=(X, strange)), "a validation class that was not trained on")
        _says(error, "row 3", "9")
        expect(DataError, lambda: case.fit(y=np.ones(len(case.y), dtype=int)), "a single class")
    if case.weights != "refused":
        ones = np.ones(len(case.y))
        for name, weight in {"negative": -ones, "NaN": ones * np.nan, "zero": 0 * ones}.items():
            expect(DataError, lambda weight=weight: case.fit(sample_weight=weight), f"{name} weights")  # type: ignore[misc]


def bad_features(case: Case) -> None:
    """Infinite values are named by row and column; so is what is empty, ragged or not a table."""
    infinite = case.X.copy()
    infinite[4, 1] = np.inf
    table = case.panel(infinite, None)
    model = case.fit(case.panel(case.X, None))
    for act, what in (
        (lambda: case.fit(table), "an infinite feature in fit"),
        (lambda: model.predict(table), "an infinite feature in predict"),
    ):
        _says(expect(DataError, act, what), "row 4", case.names[1])
    if case.is_sequence:
        return
    expect(EmptyDataError, lambda: case.fit(case.X[:0], case.y[:0]), "no rows")
    expect(EmptyDataError, lambda: case.fit(eval_set=(case.X[:0], case.y[:0])), "no validation rows")
    expect(DataError, lambda: case.fit(case.X[:, :0]), "no columns")
    expect(DataError, lambda: case.fit(case.X[:, 0]), "one dimension")
    expect((DataError, FeatureMismatchError), lambda: model.predict(case.X[0]), "one dimension in predict")
    expect(DataError, lambda: case.fit([[1.0, 2.0], [3.0]], [1.0, 2.0]), "rows of different length")
    expect(DataError, lambda: case.fit(np.full(case.X.shape, "a")), "text as features")


def missing_values(case: Case) -> None:
    """NaN is taken, in training and after, or refused with its row and column."""
    holed = case.X.copy()
    holed[6, 2] = np.nan
    table, whole = case.panel(holed, None), case.panel(case.X, None)
    try:
        model = case.fit(table)
    except DataError as error:
        _says(error, "row 6", case.names[2])
        refusing = case.fit(whole)
        _says(expect(DataError, lambda: refusing.predict(table), "NaN in predict, which fit refuses"), "row 6")
        return
    for fitted, what in ((model, "trained with NaN"), (case.fit(whole), "trained without NaN")):
        found = case.output(fitted, table)
        assert len(found) == len(holed), f"{what}: rows are missing in the prediction"
        if found.dtype.kind == "f" and not case.is_sequence:
            assert np.isfinite(found).all(), f"{what}: the prediction of a row with NaN is not finite"


def _says(error: Exception, *words: str) -> None:
    for word in words:
        assert word in str(error), f"the message does not say {word!r}: {error}"
