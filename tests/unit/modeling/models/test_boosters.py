"""What every boosting library does behind BoostingModel, in one suite for the three."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_squared_error

from tradewright.base import ModelState, Samples
from tradewright.errors import (
    CallbackError,
    DataError,
    FeatureMismatchError,
    FormatMismatchError,
    IntegrityError,
    NotFittedError,
    ParameterError,
    UnsupportedError,
)
from tradewright.models import BoostingModel, ModelRegistry

SMALL = {
    "lightgbm": {"n_jobs": 1, "min_child_samples": 5, "num_leaves": 7},
    "xgboost": {"n_jobs": 1, "max_depth": 3},
    "catboost": {"thread_count": 1, "depth": 3, "learning_rate": 0.3},
}
#: Rows and columns are drawn at random.
BAGGED = {
    "lightgbm": {"subsample": 0.5, "subsample_freq": 1, "colsample_bytree": 0.5},
    "xgboost": {"subsample": 0.5, "colsample_bytree": 0.5},
    "catboost": {"bootstrap_type": "Bernoulli", "subsample": 0.5, "rsm": 0.5},
}
LOSS_KEYS = {
    "lightgbm": ("l2", "binary_logloss", "multi_logloss"),
    "xgboost": ("rmse", "logloss", "mlogloss"),
    "catboost": ("RMSE", "Logloss", "MultiClass"),
}


@pytest.fixture(params=sorted(SMALL))
def library(request):
    return request.param


def boosted(library, rounds=8, **params):
    return ModelRegistry.create(library, **{"n_estimators": rounds, **SMALL[library], **params})


class TestLoop:
    def test_every_round_is_reported_with_the_librarys_evaluation(self, library, data, watcher):
        X, y = data
        train, val = Samples.collect(X[:200], y[:200]), Samples.collect(X[200:], y[200:])
        seen = watcher()
        model = boosted(library).fit_samples(train, val, observer=seen)
        assert (seen.unit, seen.total) == ("round", 8)
        assert seen.begun == [state.epoch for state in seen.states] == list(range(8))
        logs = seen.states[-1].logs
        key = LOSS_KEYS[library][0]
        squared = {which: mean_squared_error(y[part], model.predict(X[part]))
                   for which, part in (("train", slice(200)), ("val", slice(200, None)))}  # fmt: skip
        for which, value in squared.items():
            expected = value if key == "l2" else value**0.5
            assert logs[f"{which}_loss"] == logs[f"{which}_{key}"] == pytest.approx(expected, rel=1e-5)
        assert set(logs) == {"train_loss", "val_loss", f"train_{key}", f"val_{key}", "seconds"}
        assert seen.states[0].logs["train_loss"] > logs["train_loss"]
        alone = watcher()
        boosted(library).fit_samples(train, observer=alone)
        assert "val_loss" not in alone.states[-1].logs

    @pytest.mark.parametrize("task", ["regression", "classification"])
    def test_the_loop_changes_nothing(self, library, data, task):
        X, y = data
        y = y if task == "regression" else np.digitize(y, [-0.5, 0.5])
        seed = {"random_state": 3} if library != "catboost" else {"random_seed": 3}
        model = boosted(library, task=task, **BAGGED[library], **seed).fit(X, y, eval_set=(X[:50], y[:50]))
        quiet = {"lightgbm": {"verbosity": -1, "deterministic": True, "force_row_wise": True},
                 "catboost": {"verbose": False, "allow_writing_files": False}}.get(library, {})  # fmt: skip
        plain = type(model.estimator)(**{**model.estimator.get_params(), **quiet}).fit(X, y)
        if task == "regression":
            assert np.array_equal(model.predict(X), plain.predict(X))
        else:
            np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), rtol=1e-6)

    @pytest.mark.parametrize("how", ["stop_at", "stop_before"])
    def test_stopping_keeps_the_rounds_so_far(self, library, data, watcher, how):
        X, y = data
        samples = Samples.collect(X, y)
        seen = watcher(**{how: 4 if how == "stop_at" else 5})
        model = boosted(library).fit_samples(samples, samples, observer=seen)
        assert len(seen.states) == model.n_rounds_ == 5
        assert np.array_equal(model.predict(X), boosted(library, 5).fit(X, y).predict(X))

    def test_stopped_before_the_first_round(self, library, data, watcher):
        model = boosted(library)
        with pytest.raises(CallbackError, match="before its first turn"):
            model.fit_samples(Samples.collect(*data), observer=watcher(stop_before=0))
        assert not model.is_fitted

    def test_metrics_of_the_user_stay_beside_the_loss(self, library, data, watcher):
        name = {"lightgbm": ("metric", "l1"), "xgboost": ("eval_metric", "mae"), "catboost": ("eval_metric", "MAE")}
        key, metric = name[library]
        seen = watcher()
        boosted(library, **{key: metric}).fit_samples(Samples.collect(*data), observer=seen)
        logs = seen.states[-1].logs
        assert logs["train_loss"] == logs[f"train_{LOSS_KEYS[library][0]}"] != logs[f"train_{metric}"]

    def test_weights_count_in_fit_and_evaluation(self, library, data, watcher):
        X, y = data
        weight = np.where(np.arange(len(y)) < 150, 1.0, 0.0)
        seen = watcher()
        model = boosted(library)
        model.fit_samples(Samples.collect(X, y, sample_weight=weight), Samples.collect(X[:50], y[:50]), observer=seen)
        expected = mean_squared_error(y[:150], model.predict(X[:150])) ** (1 if library == "lightgbm" else 0.5)
        assert seen.states[-1].logs["train_loss"] == pytest.approx(expected, rel=1e-5)

    def test_same_seed_same_trees(self, library, data):
        X, y = data
        samples = Samples.collect(X, y)

        def predicted(seed, **params):
            return boosted(library, **BAGGED[library], **params).fit_samples(samples, seed=seed)

        first = predicted(1).predict(X)
        assert np.array_equal(first, predicted(1).predict(X))
        assert not np.array_equal(first, predicted(2).predict(X))
        assert predicted(2, random_state=4).metadata.seed == 4
        assert np.array_equal(predicted(2, random_state=4).predict(X), predicted(3, random_state=4).predict(X))

    def test_missing_values_are_trained_on(self, library, data):
        X, y = data
        assert np.isnan(X).any()
        model = boosted(library).fit(X, y)
        assert np.isfinite(model.predict(np.full((2, 4), np.nan))).all()

    def test_float32_is_not_widened(self, library, data):
        X, y = data
        narrow = X.astype(np.float32)
        assert Samples.collect(narrow, y).X is narrow
        assert np.corrcoef(boosted(library).fit(narrow, y).predict(narrow), y)[0, 1] > 0.8

    def test_an_error_of_a_hook_comes_out_unchanged(self, library, data, watcher):
        def burst(state):
            raise KeyboardInterrupt("second Ctrl-C")

        model = boosted(library)
        with pytest.raises(KeyboardInterrupt, match="second"):
            model.fit_samples(Samples.collect(*data), observer=watcher(then=burst))
        assert not model.is_fitted

    def test_saving_predicting_and_copying_in_the_middle(self, library, data, watcher, tmp_path):
        X, y = data
        model, during = boosted(library), []

        def save(state):
            if state.epoch == 3:
                model.save(tmp_path / "model.tw")
                during.append(model.predict(X))
                during.append(pickle.loads(pickle.dumps(model)).booster_)

        model.fit_samples(Samples.collect(X, y), observer=watcher(then=save))
        back = BoostingModel.load(tmp_path / "model.tw")
        assert np.array_equal(back.predict(X), during[0])
        assert np.array_equal(back.predict(X), boosted(library, 4).fit(X, y).predict(X))
        assert np.array_equal(model._library().raw_predict(during[1], X, 4), during[0])


class TestGoingBack:
    def test_restore_predicts_and_saves_with_the_rounds_of_the_snapshot(self, library, data, watcher, tmp_path):
        X, y = data
        kept = []
        model = boosted(library)
        model.fit_samples(Samples.collect(X, y), observer=watcher(then=lambda s: kept.append(model.snapshot())))
        last = model.predict(X)
        model.restore(kept[2])
        assert kept[2].epoch == 2
        early = model.predict(X)
        assert np.array_equal(early, boosted(library, 3).fit(X, y).predict(X))
        model.save(tmp_path / "model.tw")
        assert np.array_equal(BoostingModel.load(tmp_path / "model.tw").predict(X), early)
        assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), early)
        shares = model.feature_importances_
        model.restore(kept[-1])
        assert np.array_equal(model.predict(X), last)
        assert not np.array_equal(model.feature_importances_, shares)
        back = model._snapshot_from_bytes(2, model._snapshot_to_bytes(kept[2]))
        assert (back.epoch, back.weights) == (kept[2].epoch, kept[2].weights)

    def test_before_the_first_round(self, library):
        with pytest.raises(NotFittedError):
            boosted(library).snapshot()

    @pytest.mark.parametrize(("library", "params"), [("xgboost", {"booster": "dart"})])
    def test_dart_cannot_go_back(self, library, params, data):
        model = boosted(library, **params).fit(*data)
        with pytest.raises(UnsupportedError, match="restore_best=False"):
            model.snapshot()
        with pytest.raises(UnsupportedError):
            model.restore(ModelState(0, 1))
        assert model.predict(data[0]).std() > 0


class TestClassification:
    @pytest.mark.parametrize("labels", ["int", "bool", "str", "three"])
    def test_labels_come_back_as_they_were(self, library, data, labels, watcher, tmp_path):
        X, y = data
        target = {
            "int": np.where(y > 0, 7, -1),
            "bool": y > 0,
            "str": np.where(y > 0, "up", "down"),
            "three": np.array(["a", "b", "c"])[np.digitize(y, [-0.5, 0.5])],
        }[labels]
        samples = Samples.collect(X, target)
        seen = watcher()
        model = boosted(library, task="classification").fit_samples(samples, samples, observer=seen)
        proba = model.predict_proba(X)
        assert model.classes == tuple(np.unique(target).tolist())
        assert proba.shape == (len(y), len(model.classes))
        np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-5)
        assert model.score(X, target) > 0.8
        logs = seen.states[-1].logs
        key = LOSS_KEYS[library][2 if labels == "three" else 1]
        assert logs["val_loss"] == logs[f"val_{key}"] == pytest.approx(log_loss(target, proba), rel=1e-4)
        assert model.feature_importances_.shape == (4,)
        model.save(tmp_path / "model.tw")
        back = BoostingModel.load(tmp_path / "model.tw")
        assert np.array_equal(back.predict_proba(X), proba)
        assert back.predict(X).dtype == model.predict(X).dtype

    def test_validation_class_that_was_not_trained_on(self, library, data):
        X, y = data
        with pytest.raises(DataError, match="validation row 0 is of class"):
            boosted(library, task="classification").fit(X, y > 0, eval_set=(X, np.full(len(y), 2)))

    def test_a_single_class(self, library, data):
        X, y = data
        with pytest.raises(DataError, match="a classifier needs two"):
            boosted(library, task="classification").fit(X, np.ones(len(y)))

    @pytest.mark.parametrize(("library", "name"), [("lightgbm", "class_weight"), ("catboost", "class_weights")])
    def test_class_weights_by_label(self, library, name, data):
        X, y = data
        target = np.where(y > 0, "up", "down")
        weighted = boosted(library, task="classification", **{name: {"up": 3.0, "down": 1.0}}).fit(X, target)
        assert weighted.clone().hyperparameters[name] == {"up": 3.0, "down": 1.0}
        by_row = boosted(library, task="classification").fit(X, target, sample_weight=np.where(y > 0, 3.0, 1.0))
        np.testing.assert_allclose(weighted.predict_proba(X), by_row.predict_proba(X), rtol=1e-6)


class TestRefused:
    @pytest.mark.parametrize(
        ("library", "params", "words"),
        [
            ("xgboost", {"objective": lambda y, s: (s - y, s * 0 + 1)}, "objective as a function.*loss="),
            ("xgboost", {"eval_metric": lambda y, s: 0.0}, "eval_metric as a function"),
            ("xgboost", {"early_stopping_rounds": 3}, "EarlyStopping callback"),
            ("xgboost", {"callbacks": [object()]}, "tradewright callbacks"),
            ("xgboost", {"booster": "gblinear"}, "'ridge'"),
            ("xgboost", {"missing": -999.0}, "by NaN"),
            ("xgboost", {"objective": "rank:ndcg"}, "lambdarank"),
            ("xgboost", {"task": "classification", "objective": "binary:logitraw"}, "predicts probabilities"),
            ("catboost", {"loss_function": object()}, "objective as an object.*loss="),
            ("catboost", {"eval_metric": object()}, "eval_metric as an object"),
            ("catboost", {"early_stopping_rounds": 3}, "early_stopping_rounds is set.*EarlyStopping callback"),
            ("catboost", {"od_type": "Iter"}, "od_type is set"),
            ("catboost", {"use_best_model": True}, "use_best_model is set"),
            ("catboost", {"metric_period": 5}, "metric_period"),
            ("catboost", {"cat_features": [0]}, "categorical columns"),
            ("catboost", {"loss_function": "RMSEWithUncertainty"}, "several numbers"),
            ("catboost", {"task": "classification", "class_names": [0, 1]}, "class_names"),
        ],
    )
    def test_settings_that_work_against_the_loop(self, library, params, words, data):
        X, y = data
        with pytest.raises(ParameterError, match=words):
            boosted(library, **params).fit(X, y > 0 if "task" in params else y)

    def test_text_for_a_regressor(self, library, data):
        X, y = data
        with pytest.raises(DataError, match="no numbers: row 0 is"):
            boosted(library).fit(X, np.where(y > 0, "up", "down"))
        numbers = np.round(y).astype(object)
        assert boosted(library).fit(X, numbers).score(X, np.round(y)) > 0.5

    def test_infinite_features_where_the_library_takes_none(self, data):
        X, y = data[0].copy(), data[1]
        X[7, 1] = np.inf
        with pytest.raises(DataError, match="train row 7, column 'x1': the value is infinite") as caught:
            boosted("xgboost").fit(X, y)
        assert caught.value.fields["row"] == 7

    def test_another_width(self, library, data):
        model = boosted(library).fit(*data)
        with pytest.raises(FeatureMismatchError):
            model.predict(data[0][:, :3])

    def test_what_is_left_of_a_payload(self, library, data):
        model = boosted(library).fit(*data)
        payload = model._library().to_bytes(model.booster_, 8)
        # LightGBM's text ends with parameters that it can do without, CatBoost's file with facts about the training.
        most = len(payload) - 1 if library == "xgboost" else len(payload) // 2
        for size in (0, 3, 40, len(payload) // 3, most):
            with pytest.raises(IntegrityError):
                model._library().from_bytes(payload[:size])

    def test_bundles_of_another_library(self, library, data):
        model = boosted(library).fit(*data)
        config, (payload_format, payloads) = model._config(), model._to_payloads()
        with pytest.raises(FormatMismatchError, match="rebuilt from"):
            BoostingModel._from_bundle(config, "pickle", payloads)
        with pytest.raises(FormatMismatchError, match="may ask for"):
            BoostingModel._from_bundle({**config, "estimator": "Booster"}, payload_format, payloads)


def test_importances_are_shares(library, data):
    model = boosted(library).fit(*data)
    assert model.feature_importances_.sum() == pytest.approx(1.0)
    assert set(np.argsort(model.feature_importances_)[-2:]) == {0, 1}


def test_clone_and_params(library, data):
    model = boosted(library, learning_rate=0.25).fit(*data)
    copy = model.clone()
    assert not copy.is_fitted
    assert copy.hyperparameters["learning_rate"] == 0.25
    assert "learning_rate=0.25" in repr(copy) or library == "catboost"
    assert copy.fit(*data).predict(data[0]).tolist() == model.predict(data[0]).tolist()
