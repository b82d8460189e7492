"""Anything that learns, as a model."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

from tradewright import _optional
from tradewright.base import BaseModel
from tradewright.errors import ParameterError
from tradewright.models.registry import ModelRegistry

__all__ = ["as_model"]

#: The libraries whose estimators go into a BoostingModel.
_BOOSTING = frozenset({"catboost", "lightgbm", "xgboost"})


def as_model(obj: Any, **params: Any) -> BaseModel:
    """Return ``obj`` as a model, in the wrapper that fits.

    Parameters
    ----------
    obj : BaseModel, str, scikit-learn, LightGBM, XGBoost or CatBoost estimator, torch module or builder of one
        What is to be trained:

        - a :class:`BaseModel`: returned as it is;
        - a name of :class:`ModelRegistry`: made;
        - an estimator of LightGBM, XGBoost or CatBoost: a :class:`BoostingModel`;
        - any other regressor, classifier or pipeline with scikit-learn's methods: a :class:`SklearnModel`;
        - a torch module, which each fit copies and trains on from the weights it has, or what builds one from
          ``n_features`` and ``n_outputs`` (a class will do): a :class:`TorchModel`.
    **params
        Further parameters of the wrapper, or of the registered model: ``loss``, ``epochs``, ``alpha`` …

    Returns
    -------
    BaseModel
        Unfitted, whether or not ``obj`` is, unless it was a model already.

    Raises
    ------
    ParameterError
        When ``obj`` is none of these, or an estimator that is neither a regressor nor a classifier.
    UnknownNameError, MissingExtraError
        When no model has that name; when its library is not installed.

    Examples
    --------
    >>> from sklearn.linear_model import HuberRegressor
    >>> as_model(HuberRegressor()).framework, as_model("ridge", alpha=2.0).task
    ('sklearn', 'regression')
    >>> as_model(3.0)
    Traceback (most recent call last):
    tradewright.errors.ParameterError: a float is nothing that can be trained here: ...
    """
    if isinstance(obj, BaseModel):
        if params:
            raise ParameterError(
                f"{', '.join(sorted(params))}: this {type(obj).__name__} is a model already; use set_params, or pass them"
                " when you make it",
                code="model.as_model",
            )
        return obj
    if isinstance(obj, str):
        return ModelRegistry.create(obj, **params)
    wrapper = _wrapper_of(obj)
    if wrapper is None:
        raise _refusal(obj)
    models = importlib.import_module("tradewright.models")
    model: BaseModel = getattr(models, wrapper)(obj, **params)
    _ = model.task  # refuses estimators that are neither regressors nor classifiers
    return model


def _wrapper_of(obj: Any) -> str | None:
    """The name of the wrapper, found without importing any library: what was not imported made no object."""
    if isinstance(obj, type):
        return "TorchModel" if _is_torch(obj) else None
    if _is_torch(type(obj)):
        return "TorchModel"
    if all(hasattr(obj, method) for method in ("fit", "predict", "get_params")):
        libraries = {base.__module__.partition(".")[0] for base in type(obj).__mro__}
        return "BoostingModel" if libraries & _BOOSTING else "SklearnModel"
    return "TorchModel" if _builds_modules(obj) else None


def _is_torch(cls: type) -> bool:
    return _optional.is_loaded("torch") and issubclass(cls, sys.modules["torch"].nn.Module)


def _builds_modules(obj: Any) -> bool:
    if not callable(obj):
        return False
    try:
        names = inspect.signature(obj).parameters
    except (TypeError, ValueError):  # written in C
        return False
    return "n_features" in names


def _refusal(obj: Any) -> ParameterError:
    accepted = (
        "a tradewright model, a name of ModelRegistry, an estimator or pipeline of scikit-learn, LightGBM, XGBoost or"
        " CatBoost, a torch.nn.Module, or a function that builds one from n_features and n_outputs"
    )
    if isinstance(obj, type):
        what, hint = (
            f"{obj.__name__} is a class",
            f"pass an instance, {obj.__name__}(...), of what is accepted: {accepted}",
        )
    else:
        what, hint = f"a {type(obj).__name__} is nothing that can be trained here", f"pass {accepted}"
    return ParameterError(f"{what}: {hint}", code="model.as_model", got=type(obj).__name__)
