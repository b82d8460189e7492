"""Logistic regression."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal

from sklearn.linear_model import LogisticRegression

from tradewright.models.linear.standardized import standardized
from tradewright.models.sklearn_model import SklearnModel

__all__ = ["logistic"]


def logistic(
    C: float = 1.0,
    *,
    l1_ratio: float = 0.0,
    class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
    fit_intercept: bool = True,
    max_iter: int = 1000,
) -> SklearnModel:
    """Build a logistic regression of two or more classes on standardised features, NaN standing for their mean.

    Parameters
    ----------
    C : float
        The weight of a row's loss against the penalty; small is strong. The penalty weighs as much as 1/C rows.
    l1_ratio : float
        0 shrinks coefficients, 1 sets many to 0, values between do both.
    class_weight : mapping of class to float, or "balanced", optional
        What rows of a class weigh. Balanced probabilities are no longer those of the market.
    fit_intercept : bool
        Whether to fit a constant.
    max_iter : int
        How many steps the solver makes at most.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = logistic().fit(X, ["down", "down", "up", "up"])
    >>> model.predict(X).tolist(), model.predict_proba(X).round(1)[0].tolist()
    (['down', 'down', 'up', 'up'], [0.8, 0.2])
    """
    params: dict[str, Any] = {}
    if l1_ratio:
        params = {"solver": "saga", "l1_ratio": l1_ratio}
        if inspect.signature(LogisticRegression).parameters["penalty"].default == "l2":  # before scikit-learn 1.8
            params["penalty"] = "elasticnet"
    estimator = LogisticRegression(
        C=C, class_weight=class_weight, fit_intercept=fit_intercept, max_iter=max_iter, **params
    )
    return standardized("logistic", estimator)
