"""Linear models by stochastic gradient descent: for more rows than a solver of all of them takes."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import SGDClassifier, SGDRegressor

from tradewright.base.metadata import Task
from tradewright.models.linear.standardized import standardized
from tradewright.models.sklearn_model import SklearnModel
from tradewright.models.tasks import by_task

__all__ = ["linear_sgd"]


def linear_sgd(
    task: Task = "regression",
    *,
    loss: str | None = None,
    alpha: float = 1e-4,
    l1_ratio: float = 0.0,
    max_iter: int = 100,
    random_state: int | None = None,
) -> SklearnModel:
    """Build a linear model that is trained row by row, on standardised features and (regression) labels.

    NaN stands for the mean. The coefficients are averaged over the steps, which takes most of the noise out. Training
    ends when the train loss no longer falls: rows held out at random, which scikit-learn could watch instead, overlap
    with the train rows in time.

    Parameters
    ----------
    task : {"regression", "classification"}
        What is predicted.
    loss : str, optional
        A loss of ``SGDRegressor`` or ``SGDClassifier``; by default ``"squared_error"`` or ``"log_loss"``. ``"huber"``,
        with fat tails in mind, begins to be linear at 0.1 deviations of the labels.
    alpha, l1_ratio : float
        The penalty, as in :func:`~tradewright.models.linear.elastic_net.elastic_net`.
    max_iter : int
        How often all rows are gone through at most.
    random_state : int, optional
        The seed of the order of the rows; None takes the trainer's.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(2000, 2))
    >>> model = linear_sgd(random_state=0).fit(X, 0.01 * X[:, 0])
    >>> model.score(X, 0.01 * X[:, 0]) > 0.99
    True
    """
    shared: dict[str, Any] = {
        "alpha": alpha,
        "penalty": "elasticnet" if l1_ratio else "l2",
        "l1_ratio": l1_ratio,
        "max_iter": max_iter,
        "average": True,
        "random_state": random_state,
    }
    if by_task(task, regression=True, classification=False):
        return standardized("linear_sgd", SGDRegressor(loss=loss or "squared_error", **shared), scale_target=True)
    return standardized("linear_sgd", SGDClassifier(loss=loss or "log_loss", **shared))
