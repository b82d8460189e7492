"""scikit-learn's gradient boosting on histograms."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tradewright.base.metadata import Task
from tradewright.errors import ParameterError
from tradewright.models.sklearn_model import SklearnModel
from tradewright.models.tasks import by_task

__all__ = ["hist_gradient_boosting"]


def hist_gradient_boosting(
    task: Task = "regression",
    *,
    max_iter: int = 200,
    learning_rate: float = 0.05,
    max_leaf_nodes: int = 15,
    min_samples_leaf: int = 50,
    l2_regularization: float = 1.0,
    **params: Any,
) -> SklearnModel:
    """Build a gradient boosting that needs no further library; NaN is one more value to split at.

    All rounds are one fit here; ``lightgbm`` and ``xgboost`` report each round, can be stopped early and go back.

    Parameters
    ----------
    task : {"regression", "classification"}
        What is predicted.
    max_iter, learning_rate : int, float
        Rounds, and what each of them counts.
    max_leaf_nodes, min_samples_leaf : int
        Leaves of a tree at most; rows of a leaf at least. Small trees of large leaves, as most of the labels is noise.
    l2_regularization : float
        The penalty on the values of leaves.
    **params
        Further parameters of ``HistGradientBoostingRegressor`` or ``HistGradientBoostingClassifier``: ``loss``,
        ``quantile``, ``monotonic_cst``, ``random_state`` …

    Raises
    ------
    ParameterError
        With ``early_stopping``: scikit-learn, which turns it on by itself above 10,000 rows, watches rows it draws at
        random, and those overlap with the train rows in time.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> model = hist_gradient_boosting(max_iter=50, random_state=0).fit(X, X[:, 1])
    >>> model.score(X, X[:, 1]) > 0.8
    True
    """
    if params.pop("early_stopping", False):
        raise ParameterError(
            "early_stopping of scikit-learn watches rows drawn at random, which overlap with the train rows in time: leave"
            " it out and choose max_iter by a purged split, or take 'lightgbm' with the EarlyStopping callback",
            code="model.early_stopping",
        )
    made = by_task(task, regression=HistGradientBoostingRegressor, classification=HistGradientBoostingClassifier)
    return SklearnModel(
        made(
            max_iter=max_iter,
            learning_rate=learning_rate,
            max_leaf_nodes=max_leaf_nodes,
            min_samples_leaf=min_samples_leaf,
            l2_regularization=l2_regularization,
            early_stopping=False,
            **params,
        )
    )
