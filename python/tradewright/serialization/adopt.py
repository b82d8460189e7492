"""Fitted estimators of other libraries as models, with what they know of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tradewright.base import BaseModel, ModelMetadata
from tradewright.models.wrapping import as_model

__all__ = ["adopt", "give_facts"]

#: Names that libraries give to columns without one.
_PLACEHOLDERS = ("Column_", "f", "x", "")


def adopt(fitted: Any) -> BaseModel | None:
    """Return a fitted scikit-learn, LightGBM, XGBoost or CatBoost estimator as a model; None for what is none.

    The estimator becomes a part of the model; the names of its features are the model's then.
    """
    if isinstance(fitted, type) or not all(hasattr(fitted, method) for method in ("fit", "predict", "get_params")):
        return None
    library = type(fitted).__module__.partition(".")[0]
    model = as_model(fitted)
    read = {"lightgbm": _lightgbm, "xgboost": _xgboost, "catboost": _catboost}.get(library, _sklearn)
    names = read(model, fitted)
    if names is None:
        return None
    give_facts(model, names)
    return model


def give_facts(model: Any, names: Sequence[str]) -> None:
    """Give a model that was made of a bare file the metadata such a file allows."""
    plain = any(list(names) == [f"{start}{j}" for j in range(len(names))] for start in _PLACEHOLDERS)
    names = tuple(f"x{j}" for j in range(len(names))) if plain else tuple(names)
    model._metadata = ModelMetadata(
        model_class=type(model).__name__,
        framework=model.framework,
        task=model.task,
        hyperparameters=dict(model.hyperparameters),
        feature_names=names,
        feature_dtypes=("float64",) * len(names),
        classes=model.classes,
        seed=model.seed,
    )


def _sklearn(model: Any, fitted: Any) -> Sequence[str] | None:
    width = getattr(fitted, "n_features_in_", None)
    if width is None:
        return None
    names = [str(name) for name in getattr(fitted, "feature_names_in_", [f"x{j}" for j in range(width)])]
    _forget_names(fitted)
    model.estimator_ = fitted
    return names


def _forget_names(estimator: Any) -> None:
    """Have the estimator take arrays without a warning, as the model hands it nothing else."""
    vars(estimator).pop("feature_names_in_", None)
    for _, step in getattr(estimator, "steps", ()):
        if hasattr(step, "__dict__"):
            _forget_names(step)


def _lightgbm(model: Any, fitted: Any) -> Sequence[str] | None:
    if getattr(fitted, "_Booster", None) is None:
        return None
    booster = fitted.booster_
    best = getattr(fitted, "best_iteration_", None)
    model.take(booster, int(best) if best and best > 0 else int(booster.current_iteration()))
    model._classes = _classes(fitted)
    names: list[str] = booster.feature_name()
    return names


def _xgboost(model: Any, fitted: Any) -> Sequence[str] | None:
    if not fitted.__sklearn_is_fitted__():
        return None
    booster = fitted.get_booster()
    names = booster.feature_names or [f"x{j}" for j in range(booster.num_features())]
    booster.feature_names = None
    best = fitted.best_iteration if booster.attr("best_iteration") is not None else None
    model.take(booster, int(booster.num_boosted_rounds()) if best is None else int(best) + 1)
    model._classes = _classes(fitted)
    return list(names)


def _catboost(model: Any, fitted: Any) -> Sequence[str] | None:
    if not fitted.is_fitted():
        return None
    model.take(fitted, int(fitted.tree_count_))
    model._classes = _classes(fitted)
    return [str(name) for name in fitted.feature_names_]


def _classes(fitted: Any) -> tuple[Any, ...] | None:
    classes = np.asarray(getattr(fitted, "classes_", ()))
    return tuple(classes.tolist()) if len(classes) else None
