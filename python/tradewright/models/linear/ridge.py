"""Ridge regression."""

from __future__ import annotations

from sklearn.linear_model import Ridge

from tradewright.models.linear.standardized import standardized
from tradewright.models.sklearn_model import SklearnModel

__all__ = ["ridge"]


def ridge(alpha: float = 1.0, *, fit_intercept: bool = True) -> SklearnModel:
    """Build a ridge regression on standardised features, NaN standing for their mean.

    Means and scales come from the train rows alone.

    Parameters
    ----------
    alpha : float
        The penalty, ‖y − Xw‖² + alpha·‖w‖², on standardised features; 0 is ordinary least squares. It weighs as much as
        ``alpha`` rows, so on many rows it takes a large one to matter.
    fit_intercept : bool
        Whether to fit a constant.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 3.0], [3.0, 2.0]])
    >>> ridge(alpha=1e-6).fit(X, X[:, 0]).predict(X).round(3)
    array([0., 1., 2., 3.])
    """
    return standardized("ridge", Ridge(alpha=alpha, fit_intercept=fit_intercept))
