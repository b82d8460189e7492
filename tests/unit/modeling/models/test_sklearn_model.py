"""scikit-learn estimators and pipelines as models."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC

from tradewright.base import ModelState, Samples
from tradewright.errors import (
    CallbackError,
    DataError,
    FormatMismatchError,
    ParameterError,
    UnsupportedError,
    UntrustedTypesError,
)
from tradewright.models import ModelRegistry, SklearnModel


def piped(estimator):
    return SklearnModel(make_pipeline(SimpleImputer(), StandardScaler(), estimator))


class TestLoop:
    def test_one_turn_with_the_losses_of_both_sets(self, data, watcher):
        X, y = data
        train, val = Samples.collect(X[:200], y[:200]), Samples.collect(X[200:], y[200:])
        seen = watcher()
        model = ModelRegistry.create("ridge").fit_samples(train, val, observer=seen)
        (state,) = seen.states
        assert (seen.unit, seen.total, seen.begun, state.epoch) == ("fit", 1, [0], 0)
        assert state.logs["train_loss"] == pytest.approx(mean_squared_error(y[:200], model.predict(X[:200])))
        assert state.logs["val_loss"] == pytest.approx(mean_squared_error(y[200:], model.predict(X[200:])))
        assert state.logs["seconds"] > 0

    def test_log_loss_of_classifiers(self, data, watcher):
        X, y = data
        labels = np.where(y > 0, "up", "down")
        seen = watcher()
        model = piped(LogisticRegression()).fit_samples(Samples.collect(X, labels), observer=seen)
        assert seen.states[0].logs["train_loss"] == pytest.approx(log_loss(labels, model.predict_proba(X)))
        assert model.classes == ("down", "up")
        assert set(model.predict(X)) == {"down", "up"}

    def test_a_class_unseen_in_training_is_refused(self, data):
        X, y = data
        val = Samples.collect(X, np.where(np.arange(len(y)) == 7, "sideways", "up"))
        with pytest.raises(DataError, match="validation row 7 is of class 'sideways'"):
            piped(LogisticRegression()).fit_samples(Samples.collect(X, np.where(y > 0, "up", "down")), val)

    def test_share_of_wrong_labels_without_probabilities(self, data, watcher):
        X, y = data
        seen = watcher()
        model = piped(LinearSVC()).fit_samples(Samples.collect(X, y > 0), observer=seen)
        assert seen.states[0].logs["train_loss"] == pytest.approx(1 - model.score(X, y > 0))
        assert not hasattr(model, "predict_proba")

    def test_stopped_before_the_only_turn(self, data, watcher):
        X, y = data
        model = ModelRegistry.create("ridge")
        with pytest.raises(CallbackError, match="before its first turn"):
            model.fit_samples(Samples.collect(X, y), observer=watcher(stop_before=0))
        assert not model.is_fitted

    def test_nothing_to_go_back_to(self, data):
        model = ModelRegistry.create("ridge").fit(*data)
        assert model.snapshot() is None
        with pytest.raises(UnsupportedError):
            model.restore(ModelState(0, None))


class TestWeights:
    def test_weights_reach_the_last_step(self, data):
        X, y = data
        X = np.nan_to_num(X)
        weight = np.where(np.arange(len(y)) < 100, 1.0, 0.0)
        weighted = SklearnModel(make_pipeline(make_pipeline(Ridge(alpha=0.0)))).fit(X, y, sample_weight=weight)
        alone = SklearnModel(Ridge(alpha=0.0)).fit(X[:100], y[:100])
        np.testing.assert_allclose(weighted.predict(X), alone.predict(X))

    def test_an_estimator_without_weights(self, data):
        X, y = data
        with pytest.raises(UnsupportedError, match="KNeighborsRegressor cannot weigh"):
            piped(KNeighborsRegressor()).fit(X, y, sample_weight=np.ones(len(y)))


class TestRidge:
    def test_scales_come_from_the_train_rows_alone(self, data):
        X, y = data
        model = ModelRegistry.create("ridge", alpha=2.0).fit(X[:200], y[:200], eval_set=(X[200:] * 1e6, y[200:]))
        scaled = np.nan_to_num((X[:200] - np.nanmean(X[:200], axis=0)) / np.nanstd(X[:200], axis=0))
        weights = np.linalg.solve(scaled.T @ scaled + 2.0 * np.eye(4), scaled.T @ (y[:200] - y[:200].mean()))
        np.testing.assert_allclose(model.predict(X[:200]), scaled @ weights + y[:200].mean(), rtol=1e-9)
        np.testing.assert_allclose(model.feature_importances_, np.abs(weights) / np.abs(weights).sum(), rtol=1e-9)

    def test_a_feature_missing_throughout_keeps_its_place(self, data):
        X, y = data
        X[:, 3] = np.nan
        model = ModelRegistry.create("ridge").fit(X, y)
        assert model.feature_importances_.shape == (4,)
        assert np.isfinite(model.predict(X)).all()


class TestConventions:
    def test_clone_params_repr(self, data):
        model = ModelRegistry.create("ridge", alpha=3.0).fit(*data)
        copy = clone(model)
        assert not copy.is_fitted
        assert copy.get_params()["estimator__ridge__alpha"] == 3.0
        copy.set_params(estimator__ridge__alpha=4.0)
        assert copy.hyperparameters["ridge__alpha"] == 4.0
        assert model.hyperparameters["ridge__alpha"] == 3.0
        assert "alpha=3.0" in repr(model)

    def test_tags_and_fitted_attributes(self, data):
        X, y = data
        model = SklearnModel(LogisticRegression())
        assert is_classifier(model)
        assert is_regressor(ModelRegistry.create("ridge"))
        assert not hasattr(model, "n_features_in_")
        model.fit(pl.DataFrame({"a": X[:, 0]}), y > 0)
        assert model.n_features_in_ == 1
        assert model.feature_names_in_.tolist() == ["a"]
        assert model.classes_.tolist() == [False, True]
        assert not hasattr(ModelRegistry.create("ridge").fit(X, y), "classes_")

    def test_scikit_learn_can_cross_validate_it(self, data):
        scores = cross_val_score(ModelRegistry.create("ridge"), *data, cv=3)
        assert (scores > 0.9).all()

    def test_neither_regressor_nor_classifier(self, data):
        with pytest.raises(ParameterError, match="neither a regressor nor a classifier"):
            SklearnModel(KMeans()).fit(*data)

    def test_the_seed_fills_unset_random_states(self, data):
        X, y = data
        samples = Samples.collect(X, y)
        model = piped(SGDRegressor())
        assert model.seed is None
        first = model.clone().fit_samples(samples, seed=5).predict(X)
        assert np.array_equal(first, model.clone().fit_samples(samples, seed=5).predict(X))
        assert not np.array_equal(first, model.clone().fit_samples(samples, seed=6).predict(X))
        fixed = piped(SGDRegressor(random_state=5))
        assert fixed.seed == 5
        assert np.array_equal(first, fixed.fit_samples(samples, seed=6).predict(X))
        assert fixed.metadata.seed == 5

    def test_importances_only_where_there_is_one_per_feature(self, data):
        X, y = data
        X = np.nan_to_num(X)
        assert SklearnModel(make_pipeline(PolynomialFeatures(2), Ridge())).fit(X, y).feature_importances_ is None
        assert SklearnModel(KNeighborsRegressor()).fit(X, y).feature_importances_ is None
        forest = SklearnModel(RandomForestRegressor(n_estimators=3, random_state=0)).fit(X, y)
        assert forest.feature_importances_.sum() == pytest.approx(1.0)


class TestSaving:
    def test_the_seed_given_by_the_trainer_is_not_kept_as_a_parameter(self, data, tmp_path):
        X, y = data
        model = piped(SGDRegressor()).fit_samples(Samples.collect(X, y), seed=5)
        model.save(tmp_path / "model.tw")
        back = SklearnModel.load(tmp_path / "model.tw")
        assert back.seed is None
        assert np.array_equal(back.predict(X), model.predict(X))
        assert back.hyperparameters == model.hyperparameters

    def test_types_that_cannot_be_built_safely_are_refused_at_saving(self, data, tmp_path):
        X, y = data
        model = SklearnModel(GradientBoostingRegressor(n_estimators=2)).fit(np.nan_to_num(X), y)
        with pytest.raises(UntrustedTypesError, match=r"sklearn\.tree\._tree\.Tree.*format='pickle'"):
            model.save(tmp_path / "model.tw")
        assert list(tmp_path.iterdir()) == []

    def test_another_payload_format(self):
        with pytest.raises(FormatMismatchError, match="rebuilt from skops"):
            SklearnModel._from_bundle({"seeded": []}, "pickle", {})
