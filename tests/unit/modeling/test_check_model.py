"""check_model holds for what we ship, and finds each thing a model can get wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from honest import Honest

from tradewright.errors import ParameterError
from tradewright.models import ModelRegistry
from tradewright.runtime.threads import num_threads
from tradewright.testing import check_model

_TREES = {"n_estimators": 4, "min_samples_leaf": 5}
_NET = {"epochs": 3, "batch_size": 32, "lr": 0.02, "device": "cpu"}
_SEQUENCE = _NET | {"window": 3}
#: What makes the built-in models small: they are fitted some seventy times each.
SMALL = {
    "random_forest": _TREES,
    "extra_trees": _TREES,
    "hist_gradient_boosting": {"max_iter": 4, "min_samples_leaf": 5},
    "lightgbm": {"n_estimators": 4, "min_child_samples": 5, "n_jobs": 1},
    "xgboost": {"n_estimators": 4, "n_jobs": 1},
    "catboost": {"n_estimators": 4, "thread_count": 1},
    "mlp": _NET | {"hidden": [4]},
    "gru": _SEQUENCE | {"hidden": 4},
    "lstm": _SEQUENCE | {"hidden": 4},
    "tcn": _SEQUENCE,
    "transformer": _SEQUENCE,
}
#: Models that solve for all rows at once, to whom a row of weight 2 is two rows; others draw, batch or bin rows.
EXACT = {"ridge", "lasso", "elastic_net", "logistic"}
NAMES = [(name, task) for task in ("regression", "classification") for name in ModelRegistry.search(task)]


@pytest.fixture(autouse=True)
def one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("name", "task"), NAMES)
def test_built_in_models(name, task):
    if name in ModelRegistry.unavailable():
        pytest.skip(ModelRegistry.unavailable()[name])
    both = set(ModelRegistry.search("regression")) & set(ModelRegistry.search("classification"))
    params = SMALL.get(name, {}) | ({"task": task} if name in both else {})
    weights = "exact" if name in EXACT else "used"
    ran = check_model(lambda: ModelRegistry.create(name, **params), task, weights=weights)
    assert len(ran) > 20


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_model_of_ones_own(task):
    ran = check_model(Honest(task))
    assert len(ran) == len(set(ran)) > 20


# --- one broken promise each --------------------------------------------------------------------------------------


class PredictsUnfitted(Honest):
    def predict(self, X, *, rows=None):
        return super().predict(X, rows=rows) if self.is_fitted else np.zeros(len(X))


class ForgetsItsSeed(Honest):
    def start(self, train, seed):
        super().start(train, None)


class StartsWhereItEnded(Honest):
    def start(self, train, seed):
        if self.coef is None:
            super().start(train, seed)


class LearnsFromEvalSet(Honest):
    def start(self, train, seed):
        super().start(train, seed)
        self.coef += 0.01 * self.peeked

    def _fit_loop(self, train, val, observer, seed, resume=None):
        self.peeked = 0.0 if val is None else float(np.mean(val.X))
        super()._fit_loop(train, val, observer, seed, resume)


class SeedsEveryone(Honest):
    def start(self, train, seed):
        np.random.seed(seed)  # noqa: NPY002
        super().start(train, seed)


class TellsNoTime(Honest):
    @property
    def metadata(self):
        return dataclasses.replace(super().metadata, training_seconds=0.0)


class ChangesItsParameters(Honest):
    @property
    def hyperparameters(self):
        return {**super().hyperparameters, "fitted": self.coef is not None}

    def _config(self):
        return {**super()._config(), "params": dict(Honest.hyperparameters.fget(self))}


class ReturnsCodes(Honest):
    def __init__(self, task="classification", epochs=3, lr=0.3):
        super().__init__(task, epochs, lr)

    def _predict(self, X):
        return self._predict_proba(X).argmax(axis=1)


class HasNegativeImportances(Honest):
    @property
    def feature_importances_(self):
        return -super().feature_importances_


class ScoresItself(Honest):
    def score(self, X, y=None, *, sample_weight=None):
        return min(1.0, super().score(X, y) + 0.01)


class CountsThreads(Honest):
    def start(self, train, seed):
        super().start(train, seed)
        self.coef += 1e-12 * num_threads()


class ForgetsValLoss(Honest):
    def report(self, observer, state):
        logs = {name: value for name, value in state.logs.items() if name != "val_loss"}
        return super().report(observer, dataclasses.replace(state, logs=logs))


class GoesOn(Honest):
    def report(self, observer, state):
        super().report(observer, state)
        return False


class HandsOutItsWeights(Honest):
    def snapshot(self):
        state = super().snapshot()
        self.kept = state.weights
        return state

    def report(self, observer, state):
        stop = super().report(observer, state)
        if hasattr(self, "kept"):
            self.kept += 1.0
        return stop


class SwallowsErrors(Honest):
    def report(self, observer, state):
        try:
            return super().report(observer, state)
        except Exception:  # noqa: BLE001
            return True


class SavesHalfTheDigits(Honest):
    def _to_payloads(self):
        name, _ = super()._to_payloads()
        return name, {"coef.f64": self.coef.astype("<f4").astype("<f8").tobytes()}


class SavesTheStart(Honest):
    def start(self, train, seed):
        super().start(train, seed)
        self.first = self.coef

    def _to_payloads(self):
        name, payloads = super()._to_payloads()
        return name, payloads if self._metadata is not None else {"coef.f64": self.first.tobytes()}


class CannotBePickled(Honest):
    def start(self, train, seed):
        super().start(train, seed)
        self.handle = lambda: None


class IgnoresWeights(Honest):
    def _fit_loop(self, train, val, observer, seed, resume=None):
        super()._fit_loop(dataclasses.replace(train, sample_weight=None), val, observer, seed, resume)


class TakesAnyLabel(Honest):
    def fit(self, X, y=None, **arguments):
        y = np.nan_to_num(y) if np.asarray(y).dtype.kind == "f" else y
        return super().fit(X, y, **arguments)


class PredictsFromInfinity(Honest):
    def _features(self, X, rows=None):
        try:
            return super()._features(X, rows)
        except ParameterError:
            raise
        except ValueError as error:
            if "inf" not in str(error):
                raise
            return np.zeros((len(X), 4))


class PassesNanOn(Honest):
    def refuse_nan(self, X):
        pass


class MisreadsLists(Honest):
    def predict(self, X, *, rows=None):
        return super().predict(X, rows=rows) + isinstance(X, list)


class GoesByPosition(Honest):
    def _features(self, X, rows=None):
        if hasattr(X, "columns") and hasattr(X, "to_numpy") and X.shape[1] >= 4:
            return np.ascontiguousarray(X.to_numpy()[:, :4])
        return super()._features(X, rows)


class WritesToItsInput(Honest):
    def start(self, train, seed):
        super().start(train, seed)
        train.X[0] = train.X[0]


class RoundsFloats(Honest):
    def start(self, train, seed):
        super().start(train, seed)
        self.coef += 1.0 * (train.X.dtype == np.float32)


class CountsAbsentRows(Honest):
    def total_weight(self, train):
        absent = 0 if train.sample_weight is None else (train.sample_weight == 0).sum()
        return super().total_weight(train) + absent


BROKEN = {
    PredictsUnfitted: "unfitted",
    ForgetsItsSeed: "seeds",
    StartsWhereItEnded: "refit",
    LearnsFromEvalSet: "eval_set",
    SeedsEveryone: "global_random_state",
    TellsNoTime: "metadata",
    ChangesItsParameters: "clones",
    ReturnsCodes: "classes",
    HasNegativeImportances: "importances",
    ScoresItself: "scores",
    CountsThreads: "threads",
    ForgetsValLoss: "reports",
    GoesOn: "stops",
    HandsOutItsWeights: "snapshots",
    SwallowsErrors: "errors_of_observers",
    SavesHalfTheDigits: "saved_and_loaded",
    SavesTheStart: "saved_between_turns",
    CannotBePickled: "pickles",
    IgnoresWeights: "weights_count",
    TakesAnyLabel: "bad_labels",
    PredictsFromInfinity: "bad_features",
    PassesNanOn: "missing_values",
    MisreadsLists: "every_kind_of_table",
    GoesByPosition: "names",
    WritesToItsInput: "layouts",
    RoundsFloats: "widths",
    CountsAbsentRows: "weights_of_zero",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_each_broken_promise_is_found(broken):
    with pytest.raises(AssertionError, match=f"{broken.__name__} fails {BROKEN[broken]}: "):
        check_model(broken())


def test_every_check_can_fail():
    assert set(BROKEN.values()) == set(check_model(Honest()))


# --- how it is called ---------------------------------------------------------------------------------------------


def test_forms_of_a_model():
    from sklearn.linear_model import Ridge

    assert check_model(Ridge()) == check_model(lambda: Ridge()) == check_model("ridge")


def test_weights_that_are_refused():
    from sklearn.neighbors import KNeighborsRegressor

    assert "weights_count" in check_model(KNeighborsRegressor(), weights="refused")
    with pytest.raises(AssertionError, match="fails weights_count"):
        check_model(KNeighborsRegressor(), weights="used")


def test_another_task():
    with pytest.raises(ParameterError, match="one of regression"):
        check_model("ridge", "classification")
