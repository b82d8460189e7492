"""Utility of constant relative risk aversion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.series import SeriesLoss

__all__ = ["CRRALoss"]


@final
@dataclass(frozen=True, kw_only=True)
class CRRALoss(SeriesLoss):
    """Minus the mean utility of constant relative risk aversion, net of turnover costs.

    With r_t the return of date t (see :class:`SeriesLoss`), of T returns::

        l = −mean ((1 + r_t)^(1 − γ) − 1)/(1 − γ),  −mean log(1 + r_t) at γ = 1
        dl/dr_t = −(1 + r_t)^(−γ)/T
        h = γ (1 + r_t)^(−γ−1) (f'(s)·y/N_t)² of the sum, the part of Gauss and Newton without the costs

    Parameters
    ----------
    gamma : float, default 1.0
        Risk aversion, at least 0: 0 is average profit, 1 is log utility (growth, Kelly).
    cost, position, initial_position, absent, reduction, nan_policy, hessian
        See :class:`SeriesLoss`.

    Notes
    -----
    A return of −1 or less is an error that names the date. The loss is a mean over dates: unlike a ratio it makes sense on
    minibatches of dates. Near r = 0 it is −mean(r − γr²/2): at daily returns of 1 % risk only matters for γ of 50 and more,
    or with leverage (``position="identity"``).

    References
    ----------
    Kelly (1956); Merton (1969).

    Examples
    --------
    >>> loss = CRRALoss(position="identity")
    >>> round(loss([0.5, -0.5], [1.0, 1.0]), 6)
    0.143841
    >>> loss([-0.5, 0.1], [2.0, 1.0])
    Traceback (most recent call last):
    tradewright.errors.LossError: date 0: the portfolio return is -1; at -1 or below nothing is left to compound. Bound \
the position, or check that returns are fractions and not percent
    """

    name: ClassVar[str] = "crra_loss"
    default_hessian: ClassVar[str | None] = "gauss_newton"
    reductions: ClassVar[tuple[str, ...]] = ("mean", "mean_n", "sum")
    hessians: ClassVar[tuple[str, ...]] = ("gauss_newton", "constant")
    refuses_ruin: ClassVar[bool] = True

    gamma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "gamma", low=0.0)

    def _params(self) -> Mapping[str, float]:
        return {"gamma": float(self.gamma)}

    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        log, power = torch.log1p(r), 1.0 - self.gamma
        utility = log if power == 0.0 else torch.expm1(power * log) / power
        return -(w * utility).sum() / divisor
