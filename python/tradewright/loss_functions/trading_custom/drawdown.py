"""Maximum drawdown, and Calmar's ratio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import flag, number
from tradewright.loss_functions.series import SeriesLoss

__all__ = ["CalmarLoss", "MaxDrawdownLoss"]


def drawdown(torch: Any, r: Any, w: Any, *, compounding: bool) -> Any:
    """Return the maximum drawdown, in torch's operations."""
    if compounding:
        log = torch.cat([r.new_zeros(1), (w * torch.log1p(r)).cumsum(0)])
        falls = -torch.expm1(log - log.cummax(0).values)
    else:
        wealth = torch.cat([r.new_ones(1), 1 + (w * r).cumsum(0)])
        falls = 1 - wealth / wealth.cummax(0).values
    return falls[falls.detach().argmax()]


@final
@dataclass(frozen=True, kw_only=True)
class MaxDrawdownLoss(SeriesLoss):
    """Maximum drawdown: the deepest fall of wealth below its peak, net of turnover costs.

    With r_t the return of date t (see :class:`SeriesLoss`) and W_t = Π(1 + r)::

        l = MDD = max_t 1 − W_t/peak_t
        dl/dr_t = −(1 − MDD)/(1 + r_t) for dates after the peak up to the trough, else 0          h = 1

    Parameters
    ----------
    compounding : bool, default True
        False: W_t = 1 + Σr, a constant stake; returns of −1 and less are then allowed.
    cost, position, initial_position, absent, reduction, nan_policy, hessian
        See :class:`SeriesLoss`.

    Notes
    -----
    Peaks start from W_0 = 1. Of equally deep falls the first counts. A return of −1 or less under compounding is an error
    that names the date. A date of weight w counts w times. No position is the global minimum: use it as a term of a sum,
    such as ``SharpeLoss() + MaxDrawdownLoss()``. Only the dates of one fall have a gradient, so it learns slowly.

    References
    ----------
    Chekhlov, Uryasev, Zabarankin, *Drawdown measure in portfolio optimization* (2005).

    Examples
    --------
    >>> import numpy as np
    >>> loss = MaxDrawdownLoss(position="identity")
    >>> value, gradient = loss.value_and_grad([0.10, -0.20, -0.10, 0.5], np.ones(4))
    >>> round(value, 6), gradient.round(4)
    (0.28, array([0.  , 0.18, 0.08, 0.  ]))
    """

    name: ClassVar[str] = "max_drawdown_loss"

    compounding: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        flag(self, "compounding")

    @property
    def refuses_ruin(self) -> bool:  # type: ignore[override]
        """Whether a return of −1 or less is an error: under compounding."""
        return self.compounding

    def _params(self) -> Mapping[str, float]:
        return {"compounding": float(self.compounding)}

    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        return drawdown(torch, r, w, compounding=self.compounding)


@final
@dataclass(frozen=True, kw_only=True)
class CalmarLoss(SeriesLoss):
    """Calmar ratio: minus the annual mean return over the maximum drawdown, net of turnover costs.

    With r_t the return of date t (see :class:`SeriesLoss`), m their mean and MDD as in :class:`MaxDrawdownLoss`::

        l = −A·m/(MDD + eps)        dl/dr_t = −A/(MDD + eps)·[1/T − m/(MDD + eps)·dMDD/dr_t]        h = 1

    Parameters
    ----------
    periods_per_year : float, default 1.0
        A.
    eps : float, default 1e-8
        Above 0; keeps the ratio finite where there is no drawdown.
    cost, position, initial_position, absent, reduction, nan_policy, hessian
        See :class:`SeriesLoss`.

    Notes
    -----
    Wealth compounds; the mean is the plain one. Without a drawdown the loss is −A·m/eps. A return of −1 or less is an error
    that names the date. A date of weight w counts w times. :meth:`init_score` starts boosting at 0.001.

    Use it on long periods, where the one deepest fall is not an accident; else :class:`SortinoLoss`.

    References
    ----------
    Young, *Calmar ratio: a smoother tool* (1991).

    Examples
    --------
    >>> loss = CalmarLoss(position="identity")
    >>> round(loss([0.10, -0.20, 0.25], [1.0, 1.0, 1.0]), 6)
    -0.25
    """

    name: ClassVar[str] = "calmar_loss"
    refuses_ruin: ClassVar[bool] = True

    periods_per_year: float = 1.0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "periods_per_year", low=0.0, open_low=True)
        number(self, "eps", low=0.0, open_low=True)

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return 0.001: at 0 the ratio is undefined, and far from it the gradient is small."""
        return 0.001

    def _params(self) -> Mapping[str, float]:
        return {"periods_per_year": float(self.periods_per_year), "eps": float(self.eps)}

    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        mean = (w * r).sum() / w.sum()
        return -self.periods_per_year * mean / (drawdown(torch, r, w, compounding=True) + self.eps)
