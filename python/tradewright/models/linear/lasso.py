"""The lasso."""

from __future__ import annotations

from sklearn.linear_model import Lasso

from tradewright.models.linear.standardized import standardized
from tradewright.models.sklearn_model import SklearnModel

__all__ = ["lasso"]


def lasso(alpha: float = 0.01, *, fit_intercept: bool = True, max_iter: int = 5000) -> SklearnModel:
    """Build a lasso on standardised features and labels, NaN standing for the mean.

    Means and scales come from the train rows alone. As the labels are scaled too, ``alpha`` is a correlation, whatever
    the unit of the returns.

    Parameters
    ----------
    alpha : float
        The penalty, ‖y − Xw‖² / 2n + alpha·‖w‖₁. No feature whose correlation with the labels is below ``alpha`` gets in
        first; at 1 and above every coefficient is 0. Signals of daily returns correlate by 0.01 to 0.05.
    fit_intercept : bool
        Whether to fit a constant.
    max_iter : int
        How many passes over the coefficients to make at most.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3))
    >>> model = lasso(alpha=0.1).fit(X, 0.001 * X[:, 0] + 0.0001 * rng.normal(size=500))
    >>> model.feature_importances_
    array([1., 0., 0.])
    """
    estimator = Lasso(alpha=alpha, fit_intercept=fit_intercept, max_iter=max_iter)
    return standardized("lasso", estimator, scale_target=True)
