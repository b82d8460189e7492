"""The loss LightGBM reports is the objective's own, and its seed is read under any name."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from tradewright.base import Samples
from tradewright.models import BoostingModel

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
SMALL = {"n_estimators": 3, "n_jobs": 1}


@pytest.mark.parametrize("metric", ["auc", ["auc", "binary_logloss"], "auc,binary_error"])
@pytest.mark.parametrize("params", [{}, {"objective": "binary"}])
def test_binary(watcher, metric, params):
    samples, seen = Samples.collect(X, X[:, 0] > 0), watcher()
    BoostingModel(lgb.LGBMClassifier(metric=metric, **SMALL, **params)).fit_samples(samples, samples, observer=seen)
    logs = seen.states[-1].logs
    assert logs["val_loss"] == logs["val_binary_logloss"] > 0
    assert logs["train_loss"] == logs["train_binary_logloss"]
    assert logs["val_auc"] > 0.9


def test_multiclass(watcher):
    samples, seen = Samples.collect(X, np.digitize(X[:, 0], [-0.5, 0.5])), watcher()
    BoostingModel(lgb.LGBMClassifier(metric="multi_error", **SMALL)).fit_samples(samples, samples, observer=seen)
    logs = seen.states[-1].logs
    assert logs["val_loss"] == logs["val_multi_logloss"]
    assert "val_multi_error" in logs


@pytest.mark.parametrize("name", ["metric", "metrics"])
def test_regression(watcher, name):
    samples, seen = Samples.collect(X, X[:, 0]), watcher()
    BoostingModel(lgb.LGBMRegressor(**{name: ["l1", "l2"]}, **SMALL)).fit_samples(samples, samples, observer=seen)
    logs = seen.states[-1].logs
    assert logs["val_loss"] == logs["val_l2"] != logs["val_l1"]


@pytest.mark.parametrize("name", ["random_state", "seed", "random_seed"])
def test_seed_under_any_name(name):
    samples = Samples.collect(X, X[:, 0])
    model = BoostingModel(lgb.LGBMRegressor(**{name: 5}, **SMALL)).fit_samples(samples, seed=9)
    assert model.metadata.seed == 5
    assert BoostingModel(lgb.LGBMRegressor(**SMALL)).fit_samples(samples, seed=9).metadata.seed == 9
