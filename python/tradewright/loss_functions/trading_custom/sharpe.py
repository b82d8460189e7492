"""Sharpe ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.errors import ParameterError
from tradewright.loss_functions.parameters import flag, number, whole
from tradewright.loss_functions.series import SeriesLoss

__all__ = ["SharpeLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class SharpeLoss(SeriesLoss):
    """Sharpe ratio: minus the annual mean excess return over its deviation, net of turnover costs.

    With r_t the return of date t (see :class:`SeriesLoss`), m their mean and sd their deviation, of T returns::

        l = −√A (m − rf)/(sd + eps)
        dl/dr_t = −√A/T·[1/(sd + eps) − T/(T − ddof)·(m − rf)(r_t − m)/(sd (sd + eps)²)]
        h = A/(T (sd + eps)²)·(f'(s)·y/N_t)², the part of Gauss and Newton without the costs

    Parameters
    ----------
    periods_per_year : float, default 1.0
        A: 252 makes a ratio of daily returns an annual one.
    risk_free : float, default 0.0
        rf, per period.
    ddof : int, default 1
        Taken off the number of returns in the deviation.
    eps : float, default 1e-8
        Above 0; keeps the ratio finite.
    pooled : bool, default False
        One mean and deviation of the returns of all rows, instead of those of dates; an asset's closing cost is then
        charged to the row that is closed.
    target_volatility : float, optional
        Positions are multiplied by this over the ``volatility=`` of their row, which a call then takes.
    cost, position, initial_position, absent, reduction, nan_policy, hessian
        See :class:`SeriesLoss`.

    Notes
    -----
    A deviation of 0 (of rounding alone) gives −√A (m − rf)/eps, with the gradient of the mean. Fewer than two dates are an
    error. Weights make m and sd² weighted means, sd² times T/(T − ddof) with T the dates of positive weight.

    The ratio is not a mean over dates: the Sharpe ratio of a minibatch is not that of the data, and costs need dates in
    their order. Train on the whole period, or on long consecutive stretches.

    The ratio has no unit at ``position="identity"``, and at scores of 0 it is undefined: :meth:`init_score` starts boosting
    at 0.001, a small long position in everything. A learning rate of 1 is a whole step of Gauss and Newton. The
    derivatives of a row are tiny (about 1/n): set ``min_child_weight`` or ``min_sum_hessian_in_leaf`` to 0.

    References
    ----------
    Sharpe (1994); Lim, Zohren, Roberts (2019), eq. 10; Zhang, Zohren, Roberts, *Deep learning for portfolio
    optimization* (2020).

    Examples
    --------
    >>> import numpy as np
    >>> loss = SharpeLoss(position="identity", cost=0.001, periods_per_year=252)
    >>> value, gradient = loss.value_and_grad([0.01, -0.02, 0.03], np.array([1.0, 0.5, 1.0]))
    >>> round(value, 4), gradient.round(3)
    (-7.4073, array([-1.961,  8.437, -2.258]))
    >>> loss.init_score([0.01, -0.02, 0.03])
    0.001
    >>> loss([0.01], [1.0])
    Traceback (most recent call last):
    tradewright.errors.LossError: 1 returns are too few, this loss needs 2: pass more dates
    """

    name: ClassVar[str] = "sharpe_loss"
    scale_free: ClassVar[bool] = True
    default_hessian: ClassVar[str | None] = "gauss_newton"
    hessians: ClassVar[tuple[str, ...]] = ("gauss_newton", "constant")
    per_row_names: ClassVar[tuple[str, ...]] = ("volatility",)

    periods_per_year: float = 1.0
    risk_free: float = 0.0
    ddof: int = 1
    eps: float = 1e-8
    pooled: bool = False
    target_volatility: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "periods_per_year", low=0.0, open_low=True)
        number(self, "risk_free")
        whole(self, "ddof", low=0)
        number(self, "eps", low=0.0, open_low=True)
        flag(self, "pooled")
        if self.target_volatility is None:
            return
        number(self, "target_volatility", low=0.0, open_low=True)
        if not self.pooled:
            raise ParameterError(
                "SharpeLoss: target_volatility scales the positions of a pooled ratio; pass pooled=True too",
                code="parameter.invalid",
                name="target_volatility",
                value=self.target_volatility,
            )

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return 0.001: at 0 the ratio is undefined, and far from it the gradient is small."""
        return 0.001

    @property
    def least(self) -> int:  # type: ignore[override]  # a deviation takes more with a larger ddof
        """The fewest returns of positive weight: 2, or one more than ``ddof``."""
        return max(2, self.ddof + 1)

    @property
    def _is_pooled(self) -> bool:
        return self.pooled

    @property
    def _target_volatility(self) -> float | None:
        return self.target_volatility

    def _params(self) -> Mapping[str, float]:
        return {
            "periods_per_year": float(self.periods_per_year),
            "risk_free": float(self.risk_free),
            "ddof": float(self.ddof),
            "eps": float(self.eps),
        }

    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        weight, count = w.sum(), (w > 0).sum().to(r.dtype)
        mean = (w * r).sum() / weight
        variance = (w * (r - mean) ** 2).sum() / weight * (count / (count - self.ddof))
        # Rounding alone is no deviation; the root of 0 has no finite slope.
        varies = variance.detach() > (1e-14 * r.detach().abs().max()) ** 2
        sd = torch.where(varies, torch.where(varies, variance, 1).sqrt(), 0)
        return -math.sqrt(self.periods_per_year) * (mean - self.risk_free) / (sd + self.eps)
