"""Any scikit-learn estimator or pipeline as a model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from tradewright.base import LoopObserver, ModelState, Resume, Samples, TrainState
from tradewright.base.metadata import Task
from tradewright.errors import DataError, FormatMismatchError, ParameterError, UnsupportedError
from tradewright.models import parameters, skops_payload
from tradewright.models.estimator_model import EstimatorModel, normalised

__all__ = ["SklearnModel"]

_PAYLOAD = "model.skops"


class SklearnModel(EstimatorModel):
    """A scikit-learn regressor or classifier, or a pipeline that ends in one.

    The estimator sees a plain matrix; names are the model's business. Training is one turn of the loop, which reports
    ``train_loss`` and ``val_loss``: mean squared error for regressors, log loss for classifiers (share of wrong labels
    for those without probabilities).

    Parameters
    ----------
    estimator : scikit-learn estimator
        Unfitted; it is cloned, never changed. Where it, or a step of it, has ``random_state=None``, the seed of the fit
        is put in.

    Attributes
    ----------
    estimator_ : scikit-learn estimator
        The fitted clone.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> X = np.arange(8.0).reshape(4, 2)
    >>> model = SklearnModel(Ridge(alpha=1e-9)).fit(X, X.sum(axis=1))
    >>> model.predict(X).round(3)
    array([ 1.,  5.,  9., 13.])
    >>> model.metadata.feature_names
    ('x0', 'x1')
    """

    framework = "sklearn"
    estimator_: Any

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @property
    def task(self) -> Task:
        """Whether the estimator predicts numbers or classes."""
        if is_classifier(self.estimator):
            return "classification"
        if is_regressor(self.estimator):
            return "regression"
        raise ParameterError(
            f"{self.estimator!r} is neither a regressor nor a classifier of scikit-learn: pass one, or a pipeline that"
            " ends in one",
            code="model.estimator",
        )

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The estimator's parameters, ``step__parameter`` in a pipeline."""
        return parameters.describe(self.estimator.get_params(deep=True))

    @property
    def seed(self) -> int | None:
        """The first ``random_state`` that is a number."""
        states = (self.estimator.get_params(deep=True)[name] for name in _random_states(self.estimator))
        return next((int(state) for state in states if isinstance(state, int | np.integer)), None)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes of a fitted classifier, ascending."""
        found = getattr(getattr(self, "estimator_", None), "classes_", None)
        return None if found is None or self.task == "regression" else tuple(np.asarray(found).tolist())

    @property
    def libraries(self) -> tuple[str, ...]:
        """The distributions whose versions belong into the metadata."""
        return ("scikit-learn", "scipy", "skops")

    @property
    def feature_importances_(self) -> NDArray[np.float64] | None:
        """Shares of the impurity importances, or of the absolute coefficients, of the last step.

        None when there are none, or not one per feature. Coefficients compare only where features have one scale, as
        they do behind a StandardScaler.
        """
        n_features = len(self._facts().feature_names)
        final = _final(self.estimator_)
        found = getattr(final, "feature_importances_", None)
        if found is None:
            found = getattr(final, "coef_", None)
        return None if found is None else normalised(found, n_features)

    def _fit_loop(
        self,
        train: Samples,
        val: Samples | None,
        observer: LoopObserver,
        seed: int | None,
        resume: Resume | None = None,
    ) -> None:
        self._refuse_resume(resume)
        _refuse_infinite(train)
        if val is not None:
            _refuse_infinite(val)
        estimator = clone(self.estimator)
        if seed is not None:
            estimator.set_params(**dict.fromkeys(_unset_states(estimator), seed))
        fit_params = {}
        if train.sample_weight is not None:
            fit_params[_weight_keyword(estimator)] = train.sample_weight
        observer.loop_begin("fit", 1)
        if observer.epoch_begin(0):
            raise self._no_first_turn()
        started = time.perf_counter()
        estimator.fit(train.X, train.y, **fit_params)
        self.estimator_ = estimator
        logs = {"train_loss": self._loss(train)}
        if val is not None:
            logs["val_loss"] = self._loss(val)
        logs["seconds"] = time.perf_counter() - started
        observer.epoch_end(TrainState(epoch=0, unit="fit", total=1, logs=logs))

    def _loss(self, samples: Samples) -> float:
        y = cast("NDArray[Any]", samples.y)
        if self.task == "regression":
            losses = (y - self.estimator_.predict(samples.X)) ** 2
        elif self._has_proba():
            losses = _log_losses(y, np.asarray(self.estimator_.classes_), self.estimator_.predict_proba(samples.X))
        else:
            losses = (y != self.estimator_.predict(samples.X)).astype(np.float64)
        return float(np.average(losses, weights=samples.sample_weight))

    def _predict(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.estimator_.predict(X))

    def _has_proba(self) -> bool:
        return hasattr(getattr(self, "estimator_", self.estimator), "predict_proba")

    def _predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self.estimator_.predict_proba(X), dtype=np.float64)

    def snapshot(self) -> ModelState | None:
        """Return None: a one-shot fit has nothing to go back to."""
        return None

    def restore(self, state: ModelState) -> None:
        """Refuse: a one-shot fit has nothing to go back to.

        Raises
        ------
        UnsupportedError
            Always.
        """
        raise UnsupportedError("a scikit-learn fit has no earlier turns to go back to", code="model.no_snapshots")

    def _to_payloads(self) -> tuple[str, dict[str, bytes]]:
        self._facts()
        return "skops", {_PAYLOAD: skops_payload.dump(self.estimator_)}

    def _config(self) -> dict[str, Any]:
        # The fitted estimator carries the seed it was given; its parameters must come back without.
        return {"seeded": _unset_states(self.estimator)}

    @classmethod
    def _from_bundle(cls, config: Mapping[str, Any], payload_format: str, payloads: Mapping[str, bytes]) -> Self:
        if payload_format != "skops":
            raise FormatMismatchError(
                f"a SklearnModel is rebuilt from skops, this bundle holds {payload_format}: use tradewright.load_model",
                code="bundle.payload_format",
            )
        fitted = skops_payload.load(payloads[_PAYLOAD])
        model = cls(clone(fitted).set_params(**dict.fromkeys(config["seeded"])))
        model.estimator_ = fitted
        return model


def _refuse_infinite(samples: Samples) -> None:
    """Refuse infinite features with their place, which next to no scikit-learn estimator takes; NaN is theirs to judge."""
    infinite = np.isinf(samples.X)
    if infinite.any():
        row, column = (int(place[0]) for place in np.nonzero(infinite))
        name = samples.feature_names[column]
        raise DataError(
            f"row {row}, column {name!r}: the value is infinite; replace it by NaN, which imputers fill, or clip it",
            code="data.infinite",
            row=row,
            column=name,
        )


def _random_states(estimator: Any) -> list[str]:
    names = estimator.get_params(deep=True)
    return sorted(name for name in names if name == "random_state" or name.endswith("__random_state"))


def _unset_states(estimator: Any) -> list[str]:
    params = estimator.get_params(deep=True)
    return [name for name in _random_states(estimator) if params[name] is None]


def _final(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def _weight_keyword(estimator: Any) -> str:
    """Return the keyword by which ``fit`` hands weights to the last step."""
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    if not has_fit_parameter(estimator, "sample_weight"):
        raise UnsupportedError(
            f"{type(estimator).__name__} cannot weigh its rows: leave sample_weight out, or choose another estimator",
            code="model.sample_weight",
        )
    return f"{prefix}sample_weight"


def _log_losses(y: NDArray[Any], classes: NDArray[Any], proba: NDArray[Any]) -> NDArray[np.float64]:
    """Return −log of the probability of each row's class; a class that was not trained on has probability 0."""
    column = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    hit = np.where(classes[column] == y, proba[np.arange(len(y)), column], 0.0)
    return cast("NDArray[np.float64]", -np.log(np.clip(hit.astype(np.float64), np.finfo(np.float64).eps, None)))
