"""Any scikit-learn estimator or pipeline as a model."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor

from tradewright.base import LoopObserver, ModelState, Resume, Samples, TrainState
from tradewright.base.checks import first_nan
from tradewright.base.metadata import Task
from tradewright.errors import (
    DataError,
    FormatMismatchError,
    ParameterError,
    TradewrightError,
    UnsupportedError,
)
from tradewright.models import parameters, skops_payload
from tradewright.models.estimator_model import EstimatorModel, normalised
from tradewright.models.forest_threads import all_threads, in_blocks
from tradewright.models.pipelines import final_step, given_seed, takes_nan, unset_seeds, weight_keywords

__all__ = ["SklearnModel"]

_PAYLOAD = "model.skops"


class SklearnModel(EstimatorModel):
    """A scikit-learn regressor or classifier, or a pipeline that ends in one.

    The estimator sees a plain matrix; names are the model's business. Training is one turn of the loop, which reports
    ``train_loss`` and ``val_loss``: mean squared error for regressors, log loss for classifiers (share of wrong labels
    for those without probabilities).

    Rows of weight 0 are left out; weights go to every step of a pipeline that takes them, so that with a scaler before
    the last step, too, weight 2 is as good as two rows.

    Parameters
    ----------
    estimator : scikit-learn estimator
        Unfitted; it is cloned, never changed. Where it, or a step of it, has ``random_state=None``, the seed of the fit
        is put in; where a forest has ``n_jobs=None``, the thread count of :func:`tradewright.set_num_threads`.
    scale_target : bool
        Whether a regressor is fitted on labels of mean 0 and deviation 1, and predictions are brought back. What
        penalties and tolerances mean then no longer depends on the unit of the labels: a lasso with ``alpha=1`` sets
        every coefficient to 0 on daily returns, and none on prices.

    Attributes
    ----------
    estimator_ : scikit-learn estimator
        The fitted clone; with ``scale_target`` it predicts in deviations of the train labels.

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
    _shift: float = 0.0
    _scale: float = 1.0

    def __init__(self, estimator: Any, *, scale_target: bool = False) -> None:
        self.estimator = estimator
        self.scale_target = scale_target

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
        """The estimator's parameters, ``step__parameter`` in a pipeline, and ``scale_target`` where it is on."""
        own = {"scale_target": True} if self.scale_target else {}
        return parameters.describe(self.estimator.get_params(deep=True) | own)

    @property
    def seed(self) -> int | None:
        """The first ``random_state`` that is a number."""
        return given_seed(self.estimator)

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
        final = final_step(self.estimator_)
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
        if self.scale_target and self.task == "classification":
            raise ParameterError("scale_target goes with a regressor: classes have no scale", code="model.scale_target")
        estimator = clone(self.estimator)
        if seed is not None:
            estimator.set_params(**dict.fromkeys(unset_seeds(estimator), seed))
        weights = [] if train.sample_weight is None else weight_keywords(estimator)
        train = train.weighing()
        y = cast("NDArray[Any]", train.y)
        self._shift, self._scale = _moments(y, train.sample_weight) if self.scale_target else (0.0, 1.0)
        observer.loop_begin("fit", 1)
        if observer.epoch_begin(0):
            raise self._no_first_turn()
        started = time.perf_counter()
        # Keywords with the names of steps are not understood where metadata routing is on. StandardScaler divides by the
        # number of values of a column, which may have none.
        quiet = np.errstate(invalid="ignore") if _has_empty_column(train.X) else nullcontext()
        routing = config_context(enable_metadata_routing=False)
        with self._naming_nan(train.X, train.feature_names), routing, quiet, all_threads(estimator):
            estimator.fit(
                train.X,
                (y - self._shift) / self._scale if self.scale_target else y,
                **dict.fromkeys(weights, train.sample_weight),
            )
        self.estimator_ = estimator
        logs = {"train_loss": self._loss(train)}
        if val is not None:
            logs["val_loss"] = self._loss(val)
        logs["seconds"] = time.perf_counter() - started
        observer.epoch_end(TrainState(epoch=0, unit="fit", total=1, logs=logs))

    def _loss(self, samples: Samples) -> float:
        y = cast("NDArray[Any]", samples.y)
        if self.task == "regression":
            losses = (y - self._predict(samples.X)) ** 2
        elif self._has_proba():
            losses = _log_losses(y, np.asarray(self.estimator_.classes_), self._predict_proba(samples.X))
        else:
            losses = (y != self._predict(samples.X)).astype(np.float64)
        return float(np.average(losses, weights=samples.sample_weight))

    def _predict(self, X: NDArray[Any]) -> NDArray[Any]:
        with self._naming_nan(X, self._facts().feature_names):
            predicted = in_blocks(self.estimator_, self.estimator_.predict, X)
        return predicted * self._scale + self._shift if self.scale_target else predicted

    def _has_proba(self) -> bool:
        return hasattr(getattr(self, "estimator_", self.estimator), "predict_proba")

    def _predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        with self._naming_nan(X, self._facts().feature_names):
            return in_blocks(self.estimator_, self.estimator_.predict_proba, X).astype(np.float64, copy=False)

    def _takes_nan(self) -> bool:
        return takes_nan(self.estimator)

    @contextmanager
    def _naming_nan(self, X: NDArray[Any], names: tuple[str, ...]) -> Iterator[None]:
        """Say where the NaN is that an estimator refuses."""
        try:
            yield
        except ValueError as error:
            place = None if isinstance(error, TradewrightError) else first_nan(X)
            if place is None:
                raise
            row, column = place
            raise DataError(
                f"row {row}, column {names[column]!r}: the value is NaN, which {type(final_step(self.estimator)).__name__}"
                " does not take: drop the row, fill it in a pipeline (SimpleImputer), or take a model of ModelRegistry,"
                f" all of which do. scikit-learn said: {str(error).partition(chr(10))[0]}",
                code="data.nan",
                row=row,
                column=names[column],
            ) from error

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
        return {
            "seeded": unset_seeds(self.estimator),
            "scale_target": self.scale_target,
            "shift": self._shift,
            "scale": self._scale,
        }

    @classmethod
    def _from_bundle(cls, config: Mapping[str, Any], payload_format: str, payloads: Mapping[str, bytes]) -> Self:
        if payload_format != "skops":
            raise FormatMismatchError(
                f"a SklearnModel is rebuilt from skops, this bundle holds {payload_format}: use tradewright.load_model",
                code="bundle.payload_format",
            )
        fitted = skops_payload.load(payloads[_PAYLOAD])
        # Bundles from before labels were scaled don't say so.
        model = cls(
            clone(fitted).set_params(**dict.fromkeys(config["seeded"])), scale_target=bool(config.get("scale_target"))
        )
        model.estimator_ = fitted
        model._shift, model._scale = float(config.get("shift", 0.0)), float(config.get("scale", 1.0))
        return model


def _has_empty_column(X: NDArray[Any]) -> bool:
    return any(bool(np.isnan(X[:, column]).all()) for column in np.flatnonzero(np.isnan(X[0])))


def _moments(y: NDArray[Any], weight: NDArray[np.float64] | None) -> tuple[float, float]:
    """Return mean and deviation of the labels; of constant ones, the deviation is 1."""
    mean = float(np.average(y, weights=weight))
    spread = math.sqrt(float(np.average((y - mean) ** 2, weights=weight)))
    return mean, spread if spread > 1e-12 * max(1.0, abs(mean)) else 1.0


def _log_losses(y: NDArray[Any], classes: NDArray[Any], proba: NDArray[Any]) -> NDArray[np.float64]:
    """Return −log of the probability of each row's class; a class that was not trained on has probability 0."""
    column = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    hit = np.where(classes[column] == y, proba[np.arange(len(y)), column], 0.0)
    return cast("NDArray[np.float64]", -np.log(np.clip(hit.astype(np.float64), np.finfo(np.float64).eps, None)))
