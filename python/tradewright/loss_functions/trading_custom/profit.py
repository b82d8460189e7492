"""Average profit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.series import SeriesLoss

__all__ = ["ProfitBasedLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class ProfitBasedLoss(SeriesLoss):
    """Average profit: minus the mean portfolio return net of turnover costs.

    With r_t the return of date t (see :class:`SeriesLoss`)::

        l = −Σ w_t r_t / Σ w_t          dl/dr_t = −w_t/Σw          h = 1

    Parameters
    ----------
    cost, position, initial_position, absent, reduction, nan_policy, hessian
        See :class:`SeriesLoss`. The loss is linear in returns: boosting gets 1 a row.

    Notes
    -----
    With ``position="identity"`` the loss has no lower bound: double every score, double the profit. Use a bounded link
    (the default), or an identity only to measure.

    Use it when capital and not risk is what is scarce; with a bounded link it drives positions to the ends. Where risk
    counts use :class:`SharpeLoss`, or :class:`CRRALoss` whose risk aversion is a parameter.

    References
    ----------
    Lim, Zohren, Roberts, *Enhancing time-series momentum strategies using deep neural networks* (2019), eq. 9.

    Examples
    --------
    >>> import numpy as np
    >>> loss = ProfitBasedLoss(position="clip", cost=0.01)
    >>> round(loss([0.10, -0.20], [1.0, -1.0]), 12)
    -0.135
    >>> value, gradient = loss.value_and_grad([0.10, -0.20], np.array([0.5, -0.5]))
    >>> round(value, 12), gradient.round(12)
    (-0.0675, array([-0.04 ,  0.095]))
    """

    name: ClassVar[str] = "profit_based_loss"
    reductions: ClassVar[tuple[str, ...]] = ("mean", "mean_n", "sum")

    def _params(self) -> Mapping[str, float]:
        return {}

    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        return -(w * r).sum() / divisor
