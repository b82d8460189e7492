"""Squared error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.start import weighted_mean

__all__ = ["MSELoss"]


@final
@dataclass(frozen=True, kw_only=True)
class MSELoss(PointLoss):
    """Mean squared error.

    With the error e = s − y::

        l = e²                    g = 2e
        for boosting: ½e²         g = e,   h = 1

    The boosting form is half the loss, as in LightGBM and XGBoost, so that learning rates and regularisation mean
    the same as with their built-in objective.

    Parameters
    ----------
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; every choice of ``hessian`` gives 1.

    Notes
    -----
    The best prediction is the conditional mean. One 10 % day weighs as much as a hundred 1 % days: with fat-tailed
    returns prefer a robust loss, or clip the target.

    References
    ----------
    Gauss, *Theoria combinationis observationum* (1823); ``torch.nn.MSELoss``.

    Examples
    --------
    >>> import numpy as np
    >>> loss = MSELoss()
    >>> loss([1.0, 2.0], [1.5, 1.0])
    0.625
    >>> loss([1.0, 2.0], [1.5, 1.0], sample_weight=[1.0, 0.0])
    0.25
    >>> loss.value_and_grad([1.0, 2.0], np.array([1.5, 1.0]))[1]
    array([ 0.5, -1. ])
    """

    name: ClassVar[str] = "mse"
    boosting_scale: ClassVar[float] = 0.5
    default_hessian: ClassVar[str | None] = "exact"

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the best constant, the weighted mean of the targets.

        Examples
        --------
        >>> MSELoss().init_score([1.0, 3.0], sample_weight=[3.0, 1.0])
        1.5
        """
        return weighted_mean(self, y, sample_weight)

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        return {}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        return torch.nn.functional.mse_loss(prediction, target, reduction="none")
