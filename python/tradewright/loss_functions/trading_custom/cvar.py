"""Conditional value at risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.series import SeriesLoss

__all__ = ["CVaRLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class CVaRLoss(SeriesLoss):
    """Conditional value at risk: the mean of the worst returns, net of turnover costs.

    With r_t the return of date t (see :class:`SeriesLoss`), of T returns, k_t in [0, 1] the part of it that belongs to the
    worst (1 − α)T::

        l = −Σ k_t r_t / ((1 − α)T)          dl/dr_t = −k_t/((1 − α)T)          h = 1

    Parameters
    ----------
    alpha : float, default 0.95
        From 0 (minus the mean) to below 1.
    cost, position, initial_position, absent, reduction, nan_policy, hessian
        See :class:`SeriesLoss`.

    Notes
    -----
    The return at the border counts in part, so that (1 − α)T need not be whole; of equal returns the first count first.
    O(T) by selection (O(T log T) with weights that differ). Convex in returns. No position has no risk: use it as a term
    of a sum, such as ``ProfitBasedLoss() + 0.01 * CVaRLoss()``. Only the worst dates have a gradient.

    References
    ----------
    Rockafellar and Uryasev, *Optimization of conditional value-at-risk* (2000).

    Examples
    --------
    >>> import numpy as np
    >>> loss = CVaRLoss(alpha=0.5, position="identity")
    >>> value, gradient = loss.value_and_grad([-0.03, 0.01, -0.01], np.ones(3))
    >>> round(value, 6), gradient.round(6)
    (0.023333, array([0.02    , 0.      , 0.003333]))
    """

    name: ClassVar[str] = "cvar_loss"

    alpha: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "alpha", low=0.0, high=1.0, open_high=True)

    def _params(self) -> Mapping[str, float]:
        return {"alpha": float(self.alpha)}

    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        tail = (1 - self.alpha) * w.sum()
        worst, order = torch.sort(r, stable=True)
        w = w[order]
        taken = torch.minimum((tail - (w.cumsum(0) - w)).clamp(min=0), w)
        return -(taken * worst).sum() / tail
