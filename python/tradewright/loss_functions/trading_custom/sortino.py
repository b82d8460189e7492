"""Sortino ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.series import SeriesLoss

__all__ = ["SortinoLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class SortinoLoss(SeriesLoss):
    """Sortino ratio: minus the annual mean return above a target over the deviation below it, net of turnover costs.

    With r_t the return of date t (see :class:`SeriesLoss`), d_t = min(r_t − target, 0), of T returns::

        l = −√A (m − target)/(dd + eps),  dd = √(Σ d_t²/T)
        dl/dr_t = −√A/T·[1/(dd + eps) − (m − target) d_t/(dd (dd + eps)²)]          h = 1

    Parameters
    ----------
    periods_per_year : float, default 1.0
        A.
    target : float, default 0.0
        The least acceptable return, per period.
    eps : float, default 1e-8
        Above 0; keeps the ratio finite where no date falls short.
    cost, position, initial_position, absent, reduction, nan_policy, hessian
        See :class:`SeriesLoss`.

    Notes
    -----
    dd divides by the number of all dates, not of those that fall short. Without any dd is 0 and the loss −√A·m/eps, a
    cliff: on short periods prefer :class:`SharpeLoss`. As with it, a ratio of a minibatch is not that of the data, and
    :meth:`init_score` starts boosting at 0.001.

    References
    ----------
    Sortino and van der Meer, *Downside risk* (1991).

    Examples
    --------
    >>> loss = SortinoLoss(position="identity")
    >>> round(loss([0.01, -0.02, 0.03], [1.0, 1.0, 1.0]), 6)
    -0.57735
    """

    name: ClassVar[str] = "sortino_loss"
    scale_free: ClassVar[bool] = True

    periods_per_year: float = 1.0
    target: float = 0.0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "periods_per_year", low=0.0, open_low=True)
        number(self, "target")
        number(self, "eps", low=0.0, open_low=True)

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return 0.001: at 0 the ratio is undefined, and far from it the gradient is small."""
        return 0.001

    def _params(self) -> Mapping[str, float]:
        return {
            "periods_per_year": float(self.periods_per_year),
            "target": float(self.target),
            "eps": float(self.eps),
        }

    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        square = (w * (r - self.target).clamp(max=0) ** 2).sum() / w.sum()
        short = square.detach() > 0
        dd = torch.where(short, torch.where(short, square, 1).sqrt(), 0)
        mean = (w * r).sum() / w.sum()
        return -math.sqrt(self.periods_per_year) * (mean - self.target) / (dd + self.eps)
