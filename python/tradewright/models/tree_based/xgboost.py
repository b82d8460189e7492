"""XGBoost by name."""

from __future__ import annotations

from typing import Any, Literal

from tradewright import _optional
from tradewright.loss_functions import BaseLoss
from tradewright.models.boosting_model import BoostingModel
from tradewright.models.tasks import by_task

__all__ = ["xgboost"]


def xgboost(
    task: Literal["regression", "classification"] = "regression",
    *,
    loss: str | BaseLoss | None = None,
    **params: Any,
) -> BoostingModel:
    """Build an XGBoost model.

    Parameters
    ----------
    task : {"regression", "classification"}
        Which of XGBoost's estimators to use.
    loss : str or BaseLoss, optional
        What to train on instead of one of XGBoost's own objectives; see :class:`BoostingModel`.
    **params
        Parameters of ``xgboost.XGBRegressor`` or ``XGBClassifier``: ``n_estimators``, ``learning_rate``,
        ``max_depth``, ``objective``, ``random_state`` …

    Raises
    ------
    MissingExtraError
        When XGBoost is not installed.

    Notes
    -----
    The same trees come of the same data, seed and thread count.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> model = xgboost(n_estimators=5, max_depth=2, random_state=0).fit(X, X[:, 0] > 19)
    >>> bool(model.predict([[0.0]]) < model.predict([[39.0]]))
    True
    """
    library = _optional.require("xgboost", "the model 'xgboost'")
    estimator = by_task(task, regression=library.XGBRegressor, classification=library.XGBClassifier)
    return BoostingModel(estimator(**params), loss=loss)
