"""LightGBM behind BoostingModel."""

from __future__ import annotations

import pickle

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss, mean_squared_error

from tradewright.base import ModelState, Samples
from tradewright.errors import (
    CallbackError,
    DataError,
    FormatMismatchError,
    IntegrityError,
    NotFittedError,
    ParameterError,
    UnsupportedError,
    VersionMismatchError,
)
from tradewright.models import BoostingModel, ModelRegistry


def boosted(**params):
    return ModelRegistry.create("lightgbm", **{"n_estimators": 8, "n_jobs": 1, "min_child_samples": 5, **params})


class TestLoop:
    def test_every_round_is_reported_with_the_librarys_evaluation(self, data, watcher):
        X, y = data
        train, val = Samples.collect(X[:200], y[:200]), Samples.collect(X[200:], y[200:])
        seen = watcher()
        model = boosted().fit_samples(train, val, observer=seen)
        assert (seen.unit, seen.total) == ("round", 8)
        assert seen.begun == [state.epoch for state in seen.states] == list(range(8))
        logs = seen.states[-1].logs
        assert logs["val_loss"] == logs["val_l2"] == pytest.approx(mean_squared_error(y[200:], model.predict(X[200:])))
        assert logs["train_loss"] == pytest.approx(mean_squared_error(y[:200], model.predict(X[:200])))
        assert "val_loss" not in watcher_logs(watcher, boosted(), train)

    def test_the_bridge_changes_nothing(self, data):
        X, y = data
        plain = lgb.LGBMRegressor(n_estimators=8, n_jobs=1, min_child_samples=5, random_state=3, verbosity=-1,
                                  deterministic=True, force_row_wise=True).fit(X, y)  # fmt: skip
        model = boosted(random_state=3).fit(X, y, eval_set=(X, y))
        assert np.array_equal(model.predict(X), plain.booster_.predict(X))

    @pytest.mark.parametrize("how", ["stop_at", "stop_before"])
    def test_stopping_keeps_the_rounds_so_far(self, data, watcher, how):
        X, y = data
        samples = Samples.collect(X, y)
        seen = watcher(**{how: 4 if how == "stop_at" else 5})
        model = boosted().fit_samples(samples, samples, observer=seen)
        assert len(seen.states) == model.n_rounds_ == model.booster_.current_iteration() == 5
        assert np.array_equal(model.predict(X), boosted(n_estimators=5).fit(X, y).predict(X))

    def test_stopped_before_the_first_round(self, data, watcher):
        model = boosted()
        with pytest.raises(CallbackError, match="before its first turn"):
            model.fit_samples(Samples.collect(*data), observer=watcher(stop_before=0))
        assert not model.is_fitted

    def test_the_objectives_metric_is_the_loss_whatever_metrics_are_asked_for(self, data, watcher):
        samples = Samples.collect(*data)
        logs = watcher_logs(watcher, boosted(objective="mae", metric=["l2", "rmse"]), samples)
        assert logs["train_loss"] == logs["train_l1"] != logs["train_l2"]
        assert logs["train_rmse"] == pytest.approx(logs["train_l2"] ** 0.5)
        logs = watcher_logs(watcher, boosted(metric="l1"), samples)
        assert logs["train_loss"] == logs["train_l2"] != logs["train_l1"]

    def test_weights_count_in_fit_and_evaluation(self, data, watcher):
        X, y = data
        weight = np.where(np.arange(len(y)) < 150, 1.0, 0.0)
        samples = Samples.collect(X, y, sample_weight=weight)
        seen = watcher()
        model = boosted().fit_samples(samples, Samples.collect(X[:50], y[:50]), observer=seen)
        expected = mean_squared_error(y[:150], model.predict(X[:150]))
        assert seen.states[-1].logs["train_loss"] == pytest.approx(expected)

    def test_same_seed_same_trees(self, data):
        X, y = data
        samples = Samples.collect(X, y)
        params = {"subsample": 0.5, "subsample_freq": 1, "colsample_bytree": 0.5}
        first = boosted(**params).fit_samples(samples, seed=1).predict(X)
        assert np.array_equal(first, boosted(**params, n_jobs=2).fit_samples(samples, seed=1).predict(X))
        assert not np.array_equal(first, boosted(**params).fit_samples(samples, seed=2).predict(X))
        assert boosted(random_state=4).fit_samples(samples, seed=2).metadata.seed == 4

    def test_saving_and_predicting_in_the_middle(self, data, watcher, tmp_path):
        X, y = data
        model, during = boosted(), []

        def save(state):
            if state.epoch == 3:
                model.save(tmp_path / "model.tw")
                during.append(model.predict(X))

        model.fit_samples(Samples.collect(X, y), observer=watcher(then=save))
        back = BoostingModel.load(tmp_path / "model.tw")
        assert np.array_equal(back.predict(X), during[0])
        assert np.array_equal(back.predict(X), boosted(n_estimators=4).fit(X, y).predict(X))


def watcher_logs(watcher, model, samples):
    seen = watcher()
    model.fit_samples(samples, observer=seen)
    return seen.states[-1].logs


class TestGoingBack:
    def test_restore_predicts_and_saves_with_the_rounds_of_the_snapshot(self, data, watcher, tmp_path):
        X, y = data
        kept = []
        model = boosted()
        model.fit_samples(Samples.collect(X, y), observer=watcher(then=lambda s: kept.append(model.snapshot())))
        last = model.predict(X)
        model.restore(kept[2])
        assert kept[2].epoch == 2
        early = model.predict(X)
        assert np.array_equal(early, boosted(n_estimators=3).fit(X, y).predict(X))
        model.save(tmp_path / "model.tw")
        assert np.array_equal(BoostingModel.load(tmp_path / "model.tw").predict(X), early)
        assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), early)
        model.restore(kept[-1])
        assert np.array_equal(model.predict(X), last)

    def test_before_the_first_round(self):
        with pytest.raises(NotFittedError):
            boosted().snapshot()

    @pytest.mark.parametrize("name", ["boosting_type", "boosting"])
    def test_dart_cannot_go_back(self, data, name):
        model = boosted(boosting_type="dart") if name == "boosting_type" else boosted(boosting="dart")
        if name == "boosting_type":
            model.fit(*data)
        with pytest.raises(UnsupportedError, match="restore_best=False"):
            model.snapshot()
        with pytest.raises(UnsupportedError):
            model.restore(ModelState(0, 1))


class TestClassification:
    @pytest.mark.parametrize("labels", ["int", "bool", "str", "three"])
    def test_labels_come_back_as_they_were(self, data, labels, watcher, tmp_path):
        X, y = data
        target = {
            "int": np.where(y > 0, 7, -1),
            "bool": y > 0,
            "str": np.where(y > 0, "up", "down"),
            "three": np.array(["a", "b", "c"])[np.digitize(y, [-0.5, 0.5])],
        }[labels]
        samples = Samples.collect(X, target)
        seen = watcher()
        model = boosted(task="classification").fit_samples(samples, samples, observer=seen)
        proba = model.predict_proba(X)
        assert model.classes == tuple(np.unique(target).tolist())
        assert proba.shape == (len(y), len(model.classes))
        np.testing.assert_allclose(proba.sum(axis=1), 1.0)
        assert model.score(X, target) > 0.9
        assert seen.states[-1].logs["val_loss"] == pytest.approx(log_loss(target, proba))
        model.save(tmp_path / "model.tw")
        back = BoostingModel.load(tmp_path / "model.tw")
        assert np.array_equal(back.predict_proba(X), proba)
        assert back.predict(X).dtype == model.predict(X).dtype

    def test_class_weights_by_label(self, data):
        X, y = data
        target = np.where(y > 0, "up", "down")
        weighted = boosted(task="classification", class_weight={"up": 3.0, "down": 1.0}).fit(X, target)
        by_row = boosted(task="classification").fit(X, target, sample_weight=np.where(y > 0, 3.0, 1.0))
        np.testing.assert_allclose(weighted.predict_proba(X), by_row.predict_proba(X))

    def test_validation_class_that_was_not_trained_on(self, data):
        X, y = data
        with pytest.raises(DataError, match="validation row 0 is of class"):
            boosted(task="classification").fit(X, y > 0, eval_set=(X, np.full(len(y), 2)))

    def test_a_single_class(self, data):
        X, y = data
        with pytest.raises(DataError, match="only one class among the train labels"):
            boosted(task="classification").fit(X, np.ones(len(y)))


class TestRefused:
    def test_settings_that_work_against_the_loop(self, data):
        with pytest.raises(ParameterError, match="objective is a function"):
            boosted(objective=lambda y, s: (s - y, np.ones_like(s))).fit(*data)
        with pytest.raises(ParameterError, match="EarlyStopping callback"):
            boosted(early_stopping_round=3).fit(*data)

    def test_other_estimators(self):
        with pytest.raises(ParameterError, match="SklearnModel"):
            BoostingModel(Ridge()).task  # noqa: B018
        with pytest.raises(ParameterError):
            BoostingModel(lgb.LGBMRanker()).task  # noqa: B018

    def test_bundles_of_other_kinds(self, data):
        model = boosted().fit(*data)
        config, (payload_format, payloads) = model._config(), model._to_payloads()
        with pytest.raises(FormatMismatchError, match="rebuilt from lightgbm_text"):
            BoostingModel._from_bundle(config, "pickle", payloads)
        with pytest.raises(VersionMismatchError, match="upgrade"):
            BoostingModel._from_bundle({**config, "library": "newboost"}, payload_format, payloads)
        with pytest.raises(FormatMismatchError, match="may ask for"):
            BoostingModel._from_bundle({**config, "estimator": "Booster"}, payload_format, payloads)
        with pytest.raises(IntegrityError, match="the manifest says 2"):
            BoostingModel._from_bundle({**config, "n_rounds": 2}, payload_format, payloads)
        with pytest.raises(IntegrityError, match="not a LightGBM text model"):
            BoostingModel._from_bundle(config, payload_format, {"model.txt": b"pickle"})


def test_importances_are_shares_of_gain(data):
    model = boosted().fit(*data)
    gain = model.booster_.feature_importance("gain")
    np.testing.assert_allclose(model.feature_importances_, gain / gain.sum())


def test_clone_and_params(data):
    model = boosted(num_leaves=7).fit(*data)
    copy = model.clone()
    assert not copy.is_fitted
    assert copy.hyperparameters["num_leaves"] == 7
    assert "num_leaves=7" in repr(copy)
