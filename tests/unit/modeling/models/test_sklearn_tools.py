"""scikit-learn's tools take our models for estimators of its own."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingRegressor
from sklearn.exceptions import NotFittedError as TheirNotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from tradewright import PurgedKFold
from tradewright.errors import NotFittedError
from tradewright.models import BoostingModel, SklearnModel, TorchModel

_NET = {"module_params": {"hidden": [8]}, "epochs": 20, "lr": 0.05, "batch_size": 64, "seed": 0, "device": "cpu"}
_TREES = {"n_estimators": 20, "min_child_samples": 5, "n_jobs": 1, "random_state": 0}
REGRESSORS = {
    "sklearn": lambda: SklearnModel(make_pipeline(StandardScaler(), Ridge())),
    "boosting": lambda: BoostingModel(LGBMRegressor(**_TREES)),
    "torch": lambda: TorchModel("mlp", **_NET),
}
CLASSIFIERS = {
    "sklearn": lambda: SklearnModel(LogisticRegression()),
    "boosting": lambda: BoostingModel(LGBMClassifier(**_TREES)),
    "torch": lambda: TorchModel("mlp", task="classification", **_NET),
}
GRIDS = {
    "sklearn": {"estimator__ridge__alpha": [0.1, 1e6]},
    "boosting": {"estimator__n_estimators": [1, 20]},
    "torch": {"epochs": [1, 20]},
}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 3))
    return X, X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=240)


@pytest.mark.parametrize("kind", REGRESSORS)
class TestRegressors:
    def test_cross_validation_along_a_purged_plan(self, data, kind):
        X, y = data
        plan = PurgedKFold(n_splits=3).plan(np.arange(240), label_end=np.arange(240) + 2)
        assert (cross_val_score(REGRESSORS[kind](), X, y, cv=plan) > 0.5).all()

    def test_grid_search_over_nested_parameters(self, data, kind):
        search = GridSearchCV(REGRESSORS[kind](), GRIDS[kind], cv=2).fit(*data)
        ((name, (worse, better)),) = GRIDS[kind].items()
        assert search.best_params_[name] == (worse if kind == "sklearn" else better)
        assert search.best_estimator_.is_fitted

    def test_last_step_of_a_pipeline(self, data, kind):
        X, y = data
        pipeline = Pipeline([("scaler", StandardScaler()), ("model", REGRESSORS[kind]())])
        pipeline.fit(X * 100, y, model__sample_weight=np.ones(240))
        assert pipeline.score(X * 100, y) > 0.5
        assert "model__" in str(sorted(pipeline.get_params()))

    def test_copies_predict_the_same_bits(self, data, kind, tmp_path):
        X, y = data
        model = REGRESSORS[kind]().fit(X, y)
        joblib.dump(model, tmp_path / "model.joblib")
        for copy in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
            assert np.array_equal(copy.predict(X), model.predict(X))
            assert copy.metadata == model.metadata
        unfitted = clone(model)
        assert not unfitted.is_fitted
        assert str(unfitted.get_params()) == str(model.get_params())

    def test_set_params(self, data, kind):
        ((name, (_, value)),) = GRIDS[kind].items()
        model = REGRESSORS[kind]()
        assert model.set_params(**{name: value}) is model
        assert model.get_params()[name] == value
        with pytest.raises(ValueError, match="Invalid parameter"):
            model.set_params(nonsense=1)

    def test_tags_and_pictures(self, data, kind):
        model = REGRESSORS[kind]()
        tags = get_tags(model)
        assert (tags.estimator_type, tags.target_tags.required) == ("regressor", True)
        assert tags.input_tags.allow_nan == (kind != "sklearn")
        for shown in (model, model.fit(*data)):
            assert type(model).__name__ in shown._repr_html_()
            assert type(model).__name__ in repr(shown)

    def test_before_the_fit_it_raises_their_error_and_ours(self, data, kind):
        for error in (TheirNotFittedError, NotFittedError):
            with pytest.raises(error, match="is not fitted"):
                REGRESSORS[kind]().predict(data[0])

    def test_permutation_importance(self, data, kind):
        X, y = data
        found = permutation_importance(REGRESSORS[kind]().fit(X, y), X, y, n_repeats=2, random_state=0)
        assert found.importances_mean.argmin() == 2


@pytest.mark.parametrize("kind", CLASSIFIERS)
class TestClassifiers:
    def test_scoring_by_probabilities(self, data, kind):
        X, y = data
        labels = np.where(y > 0, "up", "down")
        assert (cross_val_score(CLASSIFIERS[kind](), X, labels, cv=2, scoring="roc_auc") > 0.85).all()
        proba = cross_val_predict(CLASSIFIERS[kind](), X, labels, cv=2, method="predict_proba")
        assert proba.shape == (240, 2)

    def test_calibration(self, data, kind):
        X, y = data
        calibrated = CalibratedClassifierCV(CLASSIFIERS[kind](), cv=2).fit(X, y > 0)
        assert calibrated.score(X, y > 0) > 0.8


def test_ensembles_of_ours(data):
    X, y = data
    vote = VotingRegressor([(kind, make()) for kind, make in REGRESSORS.items()]).fit(X, y)
    assert vote.score(X, y) > 0.7


def test_weights_where_metadata_routing_is_on(data):
    X, y = data
    weight = np.linspace(0.0, 1.0, 240)
    plain = REGRESSORS["sklearn"]().fit(X, y, sample_weight=weight).predict(X)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = REGRESSORS["sklearn"]().fit(X, y, sample_weight=weight)
        assert np.array_equal(routed.predict(X), plain)
        asked = REGRESSORS["sklearn"]().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_val_score(asked, X, y, cv=2, params={"sample_weight": weight})
    assert (scores > 0.5).all()
