"""LightGBM by name."""

from __future__ import annotations

from typing import Any, Literal

from tradewright import _optional
from tradewright.loss_functions import BaseLoss
from tradewright.models.boosting_model import BoostingModel
from tradewright.models.tasks import by_task

__all__ = ["lightgbm"]


def lightgbm(
    task: Literal["regression", "classification"] = "regression",
    *,
    loss: str | BaseLoss | None = None,
    **params: Any,
) -> BoostingModel:
    """Build a LightGBM model.

    Parameters
    ----------
    task : {"regression", "classification"}
        Which of LightGBM's estimators to use.
    loss : str or BaseLoss, optional
        What to train on instead of one of LightGBM's own objectives; see :class:`BoostingModel`.
    **params
        Parameters of ``lightgbm.LGBMRegressor`` or ``LGBMClassifier``: ``n_estimators``, ``learning_rate``,
        ``num_leaves``, ``objective``, ``random_state`` …

    Raises
    ------
    MissingExtraError
        When LightGBM is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> model = lightgbm(n_estimators=5, min_child_samples=5, random_state=0).fit(X, X[:, 0] > 19)
    >>> bool(model.predict([[0.0]]) < model.predict([[39.0]]))
    True
    """
    library = _optional.require("lightgbm", "the model 'lightgbm'")
    estimator = by_task(task, regression=library.LGBMRegressor, classification=library.LGBMClassifier)
    return BoostingModel(estimator(**params), loss=loss)
