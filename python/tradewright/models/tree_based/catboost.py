"""CatBoost by name."""

from __future__ import annotations

from typing import Any, Literal

from tradewright import _optional
from tradewright.loss_functions import BaseLoss
from tradewright.models.boosting_model import BoostingModel
from tradewright.models.tasks import by_task

__all__ = ["catboost"]


def catboost(
    task: Literal["regression", "classification"] = "regression",
    *,
    loss: str | BaseLoss | None = None,
    **params: Any,
) -> BoostingModel:
    """Build a CatBoost model.

    Parameters
    ----------
    task : {"regression", "classification"}
        Which of CatBoost's estimators to use.
    loss : str or BaseLoss, optional
        What to train on instead of one of CatBoost's own objectives: a loss of single rows, such as ``"huber"``; see
        :class:`BoostingModel`.
    **params
        Parameters of ``catboost.CatBoostRegressor`` or ``CatBoostClassifier``: ``iterations``, ``learning_rate``,
        ``depth``, ``loss_function``, ``random_seed`` …

    Raises
    ------
    MissingExtraError
        When CatBoost is not installed.

    Notes
    -----
    CatBoost hands out its trees when training is over. A prediction or checkpoint before that makes it train those rounds
    again, to the same trees, which costs as much as they did; at the end of a segment (``ModelCheckpoint(exact=True)``)
    it costs nothing. Early stopping needs none of that. The learning rate can't be changed on the way.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> model = catboost(iterations=5, depth=2, random_seed=0).fit(X, X[:, 0] > 19)
    >>> bool(model.predict([[0.0]]) < model.predict([[39.0]]))
    True
    """
    library = _optional.require("catboost", "the model 'catboost'")
    estimator = by_task(task, regression=library.CatBoostRegressor, classification=library.CatBoostClassifier)
    return BoostingModel(estimator(**params), loss=loss)
