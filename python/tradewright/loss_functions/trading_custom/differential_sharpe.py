"""Differential Sharpe ratio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import flag, number
from tradewright.loss_functions.series import SeriesLoss

__all__ = ["DifferentialSharpeLoss"]


def moving(torch: Any, values: Any, start: float, eta: float) -> Any:
    """Return the moving averages before each value, in log2(T) steps."""
    sums = torch.cat([values.new_full((1,), start), eta * values])[: len(values)]
    step, decay = 1, 1.0 - eta
    while step < len(sums):
        sums = sums + torch.cat([torch.zeros_like(sums[:step]), decay**step * sums[:-step]])
        step *= 2
    return sums


@final
@dataclass(frozen=True, kw_only=True)
class DifferentialSharpeLoss(SeriesLoss):
    """Differential Sharpe ratio: what each date adds to a moving Sharpe ratio, net of turnover costs.

    With r_t the return of date t (see :class:`SeriesLoss`), A and B the moving averages of r and r² up to the date before,
    ΔA = r − A, ΔB = r² − B, of T returns::

        l = −mean D_t,  D_t = (B·ΔA − A·ΔB/2)/(B − A²)^1.5          A ← A + η·ΔA,  B ← B + η·ΔB
        dl/dr_t = −(B − A·r_t)/(B − A²)^1.5/T, A and B taken as given          h = 1

    Parameters
    ----------
    eta : float, default 0.01
        η, above 0 and at most 1: averages reach back some 1/η dates.
    full_gradient : bool, default False
        Also differentiate through the averages.
    initial_mean, initial_square : float, default 0.0
        A and B before the first date.
    cost, position, initial_position, absent, reduction, nan_policy, hessian
        See :class:`SeriesLoss`.

    Notes
    -----
    Terms with B − A² ≤ 1e-12 are 0 with zero gradient: the first date of a start from 0 is one. Without
    ``full_gradient`` the gradient is not that of the value but the online one of the paper. From scores of 0 nothing moves,
    so :meth:`init_score` starts boosting at 0.001. A weight is of a date's term; averages are not weighted.

    Use it for online learning, date after date, where the ratio of the whole period is not at hand; else
    :class:`SharpeLoss`.

    References
    ----------
    Moody, Wu, Liao, Saffell, *Performance functions and reinforcement learning for trading systems and portfolios*
    (1998); Moody and Saffell (2001).

    Examples
    --------
    >>> loss = DifferentialSharpeLoss(position="identity", eta=0.5, initial_mean=0.01, initial_square=0.001)
    >>> round(loss([0.02, -0.01], [1.0, 1.0]), 6)
    0.387134
    """

    name: ClassVar[str] = "differential_sharpe"
    reductions: ClassVar[tuple[str, ...]] = ("mean", "mean_n", "sum")

    eta: float = 0.01
    full_gradient: bool = False
    initial_mean: float = 0.0
    initial_square: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "eta", low=0.0, high=1.0, open_low=True)
        flag(self, "full_gradient")
        number(self, "initial_mean")
        number(self, "initial_square")

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return 0.001: from 0 nothing moves."""
        return 0.001

    def _params(self) -> Mapping[str, float]:
        return {
            "eta": float(self.eta),
            "full_gradient": float(self.full_gradient),
            "initial_mean": float(self.initial_mean),
            "initial_square": float(self.initial_square),
        }

    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        seen = r if self.full_gradient else r.detach()
        a = moving(torch, seen, self.initial_mean, self.eta)
        b = moving(torch, seen**2, self.initial_square, self.eta)
        variance = b - a**2
        usable = variance.detach() > 1e-12
        top = b * (r - a) - a * (r**2 - b) / 2
        terms = torch.where(usable, top / torch.where(usable, variance, 1) ** 1.5, 0)
        return -(w * terms).sum() / divisor
