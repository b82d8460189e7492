"""Random forests and extremely randomised trees."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

from tradewright.base.metadata import Task
from tradewright.models.sklearn_model import SklearnModel
from tradewright.models.tasks import by_task

__all__ = ["extra_trees", "random_forest"]


def random_forest(
    task: Task = "regression",
    *,
    n_estimators: int = 300,
    min_samples_leaf: int | float = 0.002,
    max_features: int | float | str | None = None,
    max_samples: int | float | None = None,
    **params: Any,
) -> SklearnModel:
    """Build a random forest with leaves that don't chase noise; NaN is one more value to split at.

    Parameters
    ----------
    task : {"regression", "classification"}
        What is predicted.
    n_estimators : int
        The number of trees.
    min_samples_leaf : int or float
        Rows of a leaf at least; a float is a share of the train rows. At 0.2 % a tree has at most 500 leaves however
        many rows there are: labels of returns are mostly noise, and leaves of one row, scikit-learn's default, learn it.
    max_features : int, float or str, optional
        Features tried at a split; by default a third (regression) or the square root of their number.
    max_samples : int or float, optional
        Rows drawn for each tree, a float as a share; by default as many as there are. Where labels overlap, a tree sees
        the same events many times over: the average uniqueness of the labels (their step over their length) is a share
        that makes up for it.
    **params
        Further parameters of ``RandomForestRegressor`` or ``RandomForestClassifier``: ``max_depth``, ``class_weight``,
        ``random_state`` …

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> model = random_forest("classification", n_estimators=10, random_state=0).fit(X, X[:, 1] > 0)
    >>> int(model.feature_importances_.argmax()), model.score(X, X[:, 1] > 0) > 0.95
    (1, True)
    """
    return _forest(
        by_task(task, regression=RandomForestRegressor, classification=RandomForestClassifier),
        by_task(task, regression=1 / 3, classification="sqrt") if max_features is None else max_features,
        n_estimators=n_estimators,
        min_samples_leaf=min_samples_leaf,
        max_samples=max_samples,
        **params,
    )


def extra_trees(
    task: Task = "regression",
    *,
    n_estimators: int = 300,
    min_samples_leaf: int | float = 0.002,
    max_features: int | float | str | None = None,
    **params: Any,
) -> SklearnModel:
    """Build extremely randomised trees, which split at random places: faster than a random forest, and smoother.

    Parameters
    ----------
    task, n_estimators, min_samples_leaf, max_features
        As for :func:`random_forest`.
    **params
        Further parameters of ``ExtraTreesRegressor`` or ``ExtraTreesClassifier``.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> model = extra_trees(n_estimators=10, random_state=0).fit(X, X[:, 1])
    >>> int(model.feature_importances_.argmax())
    1
    """
    return _forest(
        by_task(task, regression=ExtraTreesRegressor, classification=ExtraTreesClassifier),
        by_task(task, regression=1 / 3, classification="sqrt") if max_features is None else max_features,
        n_estimators=n_estimators,
        min_samples_leaf=min_samples_leaf,
        **params,
    )


def _forest(estimator: type[Any], max_features: Any, **params: Any) -> SklearnModel:
    return SklearnModel(estimator(max_features=max_features, **params))
