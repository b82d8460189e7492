"""What a model is fitted on: tables of every library, labels of the right kind, and a record of it all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from honest import Honest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tradewright as tw
from tradewright.base import Samples
from tradewright.errors import DataError, EmptyDataError, FeatureMismatchError, NotNumericError, UnsupportedError
from tradewright.testing.model_case import Recorder

X = np.random.default_rng(0).normal(size=(60, 2))
Y = X[:, 0] + 0.1 * X[:, 1]
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1]})


class Stream:
    """A table of a library nobody knows, that speaks Arrow."""

    def __arrow_c_stream__(self, requested_schema=None):
        return FRAME.__arrow_c_stream__(requested_schema)


class TestTables:
    @pytest.mark.parametrize(
        "table",
        [
            FRAME,
            FRAME.to_pandas(),
            FRAME.to_arrow(),
            Stream(),
            FRAME.select("b", "a"),
            FRAME.with_columns(c=pl.lit("x")),
        ],
        ids=["polars", "pandas", "pyarrow", "stream", "reordered", "further"],
    )
    def test_by_name(self, table):
        model = tw.ModelRegistry.create("ridge").fit(FRAME, Y)
        assert np.array_equal(model.predict(table), model.predict(FRAME))
        if not isinstance(table, pl.DataFrame):
            assert tw.ModelRegistry.create("ridge").fit(table, Y).metadata.feature_names == ("a", "b")

    def test_nulls_are_nan(self):
        holes = {"pandas": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None])})}
        holes["polars"] = pl.DataFrame({"a": [1, None], "b": [True, None]})
        for table in holes.values():
            assert np.array_equal(Samples.collect(table).X, [[1.0, 1.0], [np.nan, np.nan]], equal_nan=True)

    def test_a_float32_matrix_is_not_copied(self):
        narrow = X.astype(np.float32)
        assert np.shares_memory(Samples.collect(narrow).X, narrow)

    @pytest.mark.parametrize(
        ("table", "error", "words"),
        [
            (
                scipy.sparse.csr_matrix(X),
                DataError,
                r"sparse \(csr_matrix\), which is not supported: pass X\.toarray\(\)",
            ),
            (X.astype(complex), NotNumericError, "Complex data not supported"),
            (np.array([["a", 1.0]], dtype=object), NotNumericError, "objects that are no numbers"),
            (np.array([[{}, 1.0]], dtype=object), TypeError, "objects that are no numbers"),
            (FRAME.with_columns(a=pl.lit("x")), DataError, "column 'a' is String, not numeric"),
            (pa.table({"a": ["x"]}), DataError, "column 'a' is String"),
            (X[:, 0], DataError, r"Reshape your data: X\.reshape\(-1, 1\) for a single feature"),
            (FRAME["a"], DataError, "Reshape your data"),
            (X[:0], EmptyDataError, "X has no rows"),
        ],
    )
    def test_refused(self, table, error, words):
        with pytest.raises(error, match=words):
            tw.ModelRegistry.create("ridge").fit(table, Y[: len(Y)])

    def test_numbers_held_as_objects(self):
        assert np.array_equal(Samples.collect(X.astype(object)).X, X)

    def test_the_table_at_fault_is_named(self):
        model = tw.ModelRegistry.create("ridge")
        with pytest.raises(EmptyDataError, match="the X of eval_set has no rows"):
            model.fit(X, Y, eval_set=(X[:0], Y[:0]))
        with pytest.raises(FeatureMismatchError, match=r"X has 1 features, but SklearnModel is expecting 2 .*: a, b"):
            model.fit(FRAME, Y).predict(X[:, :1])
        trainer = tw.ModelTrainer(model, mlflow_uri="off")
        with pytest.raises(EmptyDataError, match="X_val has no rows"):
            trainer.train(X, Y, X[:0], Y[:0], callbacks=[])


class TestLabels:
    @pytest.mark.parametrize(
        ("y", "words"),
        [
            (np.where(Y > 0, "up", "down"), r"row 0 is .*; a regression needs numbers"),
            ([*Y[:-1].tolist(), "x"], "a regression needs numbers"),
            (np.array([*Y[:-1].tolist(), "x"], dtype=object), "row 59 is 'x'"),
            (np.array(["2020-01-01"] * 60, dtype="M8[D]"), "a regression needs numbers"),
            (Y + 1j, "a regression needs numbers"),
            (np.column_stack([Y, Y]), "one value per row"),
        ],
    )
    def test_of_a_regression(self, y, words):
        with pytest.raises(DataError, match=words):
            tw.ModelRegistry.create("ridge").fit(X, y)

    @pytest.mark.parametrize(
        ("y", "words"),
        [
            (Y, "Unknown label type: continuous.*row 0"),
            (np.array(["up", 1] * 30, dtype=object), "mix text with other values"),
            (np.array(["2020-01-01", "2020-01-02"] * 30, dtype="M8[D]"), "classes are numbers, bools or text"),
            (np.ones(60), "only one class among the train labels, 1.0"),
        ],
    )
    def test_of_a_classification(self, y, words):
        with pytest.raises(DataError, match=words):
            tw.ModelRegistry.create("logistic").fit(X, y)

    @pytest.mark.parametrize("make", [list, pl.Series, pd.Series, lambda y: np.array(y, dtype=object), pa.array])
    def test_text_of_every_library(self, make):
        labels = ["up" if y > 0 else "down" for y in Y]
        model = tw.ModelRegistry.create("logistic").fit(X, make(labels))
        assert model.classes == ("down", "up")
        assert model.score(X, make(labels)) > 0.9

    def test_numbers_held_as_objects(self):
        assert np.array_equal(
            tw.ModelRegistry.create("ridge").fit(X, Y.astype(object)).predict(X),
            tw.ModelRegistry.create("ridge").fit(X, Y).predict(X),
        )

    def test_a_column_of_labels(self):
        assert tw.ModelRegistry.create("ridge").fit(X, Y[:, None]).predict(X).shape == (60,)

    def test_scored_labels_are_checked_too(self):
        model = tw.ModelRegistry.create("logistic").fit(X, Y > 0)
        with pytest.raises(DataError, match="scored label of row 0"):
            model.score(X, Y)

    def test_panel_rows_are_named_by_the_trainer(self):
        time = np.arange(60)
        y = (Y > 0).astype(float)
        y[50] = 0.5
        panel = tw.Panel.from_arrays(X[::-1], y[::-1], time=time[::-1])
        fold = tw.WalkForward(n_splits=1, test_size=5).plan(panel)[0]
        trainer = tw.ModelTrainer(tw.ModelRegistry.create("logistic"), mlflow_uri="off")
        with pytest.raises(DataError, match=r"row 9 of the panel is 0\.5"):
            trainer.train(panel, fold=fold, callbacks=[], checks=None)


class TestNan:
    def test_where_it_is_not_taken(self):
        holed = FRAME.with_columns(b=pl.when(pl.int_range(60) == 7).then(None).otherwise(pl.col("b")))
        for estimator in (Ridge(), make_pipeline(StandardScaler(), KNeighborsRegressor())):
            model = tw.SklearnModel(estimator)
            with pytest.raises(
                DataError, match=r"row 7, column 'b': the value is NaN, which .* does not take: drop"
            ) as e:
                model.fit(holed, Y)
            assert (e.value.fields["row"], e.value.fields["column"]) == (7, "b")
            model.fit(FRAME, Y)
            with pytest.raises(DataError, match="row 7, column 'b'"):
                model.predict(holed)

    def test_other_errors_of_an_estimator_stay_theirs(self):
        with pytest.raises(ValueError, match="alpha") as caught:
            tw.SklearnModel(Ridge(alpha=-1.0)).fit(X, Y)
        assert not isinstance(caught.value, DataError)

    def test_probabilities(self):
        model = tw.SklearnModel(LogisticRegression()).fit(FRAME, Y > 0)
        with pytest.raises(DataError, match="row 0, column 'a'"):
            model.predict_proba(X * np.nan)


class TestRecord:
    def test_a_panel_brings_its_times_and_fingerprint(self):
        time = np.datetime64("2020-01-01") + np.arange(60)
        panel = tw.Panel.from_arrays(X, Y, time=time)
        facts = tw.ModelRegistry.create("ridge").fit(panel).metadata
        assert facts.time_range == ("2020-01-01", "2020-02-29")
        assert facts.data_fingerprint == panel.fingerprint
        assert tw.ModelRegistry.create("ridge").fit(X, Y).metadata.data_fingerprint is None

    def test_weights_of_watched_rows(self):
        y = Y + X[:, 1] ** 2
        weight = np.where(np.arange(60) < 30, 1.0, 0.0)
        seen = Recorder()
        model = tw.SklearnModel(Ridge())
        samples = Samples.collect(X, y), Samples.collect(X, y, sample_weight=weight)
        model.fit_samples(*samples, observer=seen)
        assert seen.states[0].logs["val_loss"] == pytest.approx(np.mean((model.predict(X[:30]) - y[:30]) ** 2))


class TestCloning:
    def test_from_attributes_named_like_arguments(self):
        copy = Honest("classification", epochs=7).fit(X, Y > 0).clone()
        assert (copy.task, copy.epochs, copy.is_fitted) == ("classification", 7, False)

    def test_without_them(self):
        class Hides(Honest):
            def __init__(self, secret=1):
                super().__init__()

        with pytest.raises(UnsupportedError, match=r"cannot be cloned: .* \(secret\)"):
            Hides().clone()
