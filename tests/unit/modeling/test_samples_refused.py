"""Input that no model can use is refused with its place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from tradewright.base import Samples
from tradewright.errors import DataError
from tradewright.models import ModelRegistry, SklearnModel

X = np.arange(12.0).reshape(6, 2)
Y = X[:, 0]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pd.DataFrame(X, columns=["a", "a"]), "'a'"),
        (pl.DataFrame(X, schema=["a", "b"]).lazy(), r"\.collect\(\)"),
        ([[1.0, 2.0], [3.0]], "equally long"),
        (np.empty((6, 0)), "no feature columns"),
        (pd.DataFrame(index=range(6)), "no feature columns"),
    ],
)
def test_tables(table, words):
    with pytest.raises(DataError, match=words):
        Samples.collect(table)


def test_words_as_weights():
    with pytest.raises(DataError, match="sample_weight"):
        Samples.collect(X, Y, sample_weight=["a"] * 6)


@pytest.mark.parametrize("which", ["train", "validation"])
def test_weights_that_sum_to_nothing(which):
    zero, one = Samples.collect(X, Y, sample_weight=np.zeros(6)), Samples.collect(X, Y)
    with pytest.raises(DataError, match=f"all 6 {which} rows is zero"):
        ModelRegistry.create("ridge").fit_samples(*((zero,) if which == "train" else (one, zero)))


@pytest.mark.parametrize("missing", [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT])
def test_missing_among_object_labels(missing):
    y = np.array(["up", "down", "up", missing, "down", "up"], dtype=object)
    with pytest.raises(DataError, match="first at row 3") as caught:
        SklearnModel(LogisticRegression()).fit(X, y)
    assert caught.value.fields["row"] == 3
    y[3] = "down"
    assert SklearnModel(LogisticRegression()).fit(X, y).classes == ("down", "up")


@pytest.mark.parametrize("name", ["ridge", "mlp"])
def test_infinite_features_have_a_place(name):
    table = pd.DataFrame(X, columns=["a", "b"])
    table.loc[4, "b"] = np.inf
    with pytest.raises(DataError, match="row 4") as caught:
        ModelRegistry.create(name).fit(table, Y)
    assert caught.value.fields["row"] == 4
    with pytest.raises(DataError, match="row 4"):
        ModelRegistry.create(name).fit(X, Y, eval_set=(table.to_numpy(), Y))
