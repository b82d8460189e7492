"""Every built-in model, fitted once on few rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tradewright as tw

N_ROWS = 160
_SMALL: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 4, "random_state": 0},
    "extra_trees": {"n_estimators": 4, "random_state": 0},
    "hist_gradient_boosting": {"max_iter": 4, "min_samples_leaf": 10},
    "lightgbm": {"n_estimators": 5, "min_child_samples": 5, "n_jobs": 1},
    "xgboost": {"n_estimators": 5, "n_jobs": 1},
    "catboost": {"n_estimators": 5, "depth": 3, "thread_count": 1},
    "mlp": {"hidden": [4], "epochs": 2, "seed": 0, "device": "cpu"},
    **{name: {"window": 4, "hidden": 4, "epochs": 1, "seed": 0, "device": "cpu"} for name in ("lstm", "gru")},
    "tcn": {"window": 4, "epochs": 1, "seed": 0, "device": "cpu"},
    "transformer": {"window": 4, "epochs": 1, "seed": 0, "device": "cpu"},
}
_SEQUENCES = ("lstm", "gru", "tcn", "transformer")


@dataclass(frozen=True)
class Trained:
    """A fitted model, and rows to predict."""

    name: str
    model: tw.BaseModel
    rows: Any

    def output(self, model: tw.BaseModel) -> np.ndarray:
        return (model.predict_proba if hasattr(model, "predict_proba") else model.predict)(self.rows)


def features() -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 3))
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


def labels(X: np.ndarray, task: str, classes: int = 2) -> np.ndarray:
    y = np.nan_to_num(X[:, 0]) + 0.1 * np.sin(np.arange(len(X)))
    if task == "regression":
        return y
    cuts = np.quantile(y, np.arange(1, classes) / classes)
    return np.array(["up", "down", "flat"])[:classes][np.digitize(y, cuts)]


def train(name: str, task: str, classes: int = 2, **params: Any) -> Trained:
    both = {"task": task} if {"regression", "classification"} <= set(tags(name)) else {}
    model = tw.ModelRegistry.create(name, **both, **(_SMALL.get(name, {}) | params))
    X = features()
    y = labels(X, task, classes)
    if name in _SEQUENCES:
        y = (y == "up").astype(int) if task == "classification" else y
        panel = tw.Panel.from_arrays(X, y, time=np.arange(N_ROWS) // 2, asset=np.arange(N_ROWS) % 2)
        return Trained(name, model.fit(panel), panel)
    return Trained(name, model.fit(X, y), X)


def tags(name: str) -> tuple[str, ...]:
    return next(entry.tags for entry in tw.ModelRegistry.entries() if entry.name == name)


def _cases() -> dict[str, tuple[str, str, int]]:
    cases = {}
    for entry in tw.ModelRegistry.entries():
        if "sequence" in entry.tags:
            cases[entry.name] = (entry.name, "regression", 2)
            continue
        for task in ("regression", "classification"):
            if task in entry.tags:
                cases[f"{entry.name}-{task}"] = (entry.name, task, 2)
        if "classification" in entry.tags and "neural" not in entry.tags:
            cases[f"{entry.name}-three"] = (entry.name, "classification", 3)
    return cases


CASES = _cases()
_trained: dict[str, Trained] = {}


@pytest.fixture(params=sorted(CASES))
def trained(request) -> Trained:
    """Each built-in model, for each kind of labels it takes."""
    return get(request.param)


def get(key: str) -> Trained:
    if key not in _trained:
        name, task, classes = CASES[key]
        _trained[key] = train(name, task, classes)
    return _trained[key]


@pytest.fixture(scope="session")
def one() -> Callable[[str], Trained]:
    """One of the fitted models by name: ``one("lightgbm-regression")``."""
    return get


@pytest.fixture(scope="session")
def make() -> Callable[..., Trained]:
    """Train another one: ``make("ridge", "regression", alpha=2.0)``."""
    return train
