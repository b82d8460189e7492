"""The elastic net."""

from __future__ import annotations

from sklearn.linear_model import ElasticNet

from tradewright.models.linear.standardized import standardized
from tradewright.models.sklearn_model import SklearnModel

__all__ = ["elastic_net"]


def elastic_net(
    alpha: float = 0.01, *, l1_ratio: float = 0.5, fit_intercept: bool = True, max_iter: int = 5000
) -> SklearnModel:
    """Build an elastic net on standardised features and labels, NaN standing for the mean.

    Where signals are near copies of each other, as momentum over 20 and 21 days, a lasso keeps one of them and an
    elastic net shares the weight out.

    Parameters
    ----------
    alpha : float
        The penalty, ‖y − Xw‖² / 2n + alpha·(l1_ratio·‖w‖₁ + (1 − l1_ratio)·‖w‖² / 2), in the unit of correlations: see
        :func:`~tradewright.models.linear.lasso.lasso`.
    l1_ratio : float
        1 is a lasso; 0 leaves every feature in.
    fit_intercept : bool
        Whether to fit a constant.
    max_iter : int
        How many passes over the coefficients to make at most.

    Examples
    --------
    >>> import numpy as np
    >>> signal = np.random.default_rng(0).normal(size=500)
    >>> X = np.column_stack([signal, signal])
    >>> elastic_net(alpha=0.1).fit(X, signal).feature_importances_.round(2)
    array([0.5, 0.5])
    """
    estimator = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=fit_intercept, max_iter=max_iter)
    return standardized("elastic_net", estimator, scale_target=True)
