"""scikit-learn's conventions, kept by every wrapper: parameters, clone, repr, tags, fitted attributes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import sklearn.exceptions
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags

from tradewright.base import BaseModel
from tradewright.errors import CallbackError, NotFittedError
from tradewright.models.pipelines import final_step

__all__ = ["EstimatorModel", "UnfittedError"]


class UnfittedError(NotFittedError, sklearn.exceptions.NotFittedError):  # type: ignore[misc]  # untyped
    """The model has not been fitted; also scikit-learn's error of that name."""


class EstimatorModel(BaseModel, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A model that is also a scikit-learn estimator; the wrappers derive from it."""

    _not_fitted = UnfittedError
    #: Whether a classifier tells more than two classes apart.
    _multi_class: ClassVar[bool] = True

    @property
    def display_name(self) -> str:
        """The class of the estimator, of a pipeline's last step; the name, class or builder of a torch module."""
        inner = getattr(self, "module", None)
        if inner is None:
            return type(final_step(getattr(self, "estimator", self))).__name__
        return inner if isinstance(inner, str) else str(getattr(inner, "__name__", type(inner).__name__))

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, ascending; only classifiers have them."""
        classes = self._fitted().classes
        if classes is None:
            raise AttributeError("a regressor has no classes_")
        return np.asarray(classes)

    @property
    def n_features_in_(self) -> int:
        """The number of features the model was fitted on."""
        return len(self._fitted().feature_names)

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The names of the features the model was fitted on."""
        return np.asarray(self._fitted().feature_names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return self.is_fitted

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = self._takes_nan()
        if self.task == "classification":
            tags.estimator_type = "classifier"
            tags.classifier_tags = ClassifierTags(multi_class=self._multi_class)
        else:
            tags.estimator_type = "regressor"
            tags.regressor_tags = RegressorTags()
        return tags

    def _takes_nan(self) -> bool:
        """Whether features may be NaN."""
        return True

    def _no_first_turn(self) -> CallbackError:
        return CallbackError(
            f"training of this {type(self).__name__} was stopped before its first turn: there is no model; ask for the"
            " stop in on_epoch_end, or later",
            code="model.stopped_before_start",
        )


def normalised(importances: Any, n_features: int) -> NDArray[np.float64] | None:
    """Return importances as shares of their sum; None when they aren't one per feature."""
    values = np.abs(np.asarray(importances, dtype=np.float64))
    if values.ndim == 2:  # coefficients per class
        values = values.mean(axis=0)
    if values.shape != (n_features,):
        return None
    total = values.sum()
    return values / total if total > 0 else values
