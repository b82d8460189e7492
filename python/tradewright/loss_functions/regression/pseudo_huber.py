"""The smooth relative of Huber's loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.start import weighted_mean

__all__ = ["PseudoHuberLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class PseudoHuberLoss(PointLoss):
    """The pseudo-Huber loss: squares near 0, absolute values far out, smooth in between.

    With the error e = s − y, δ = ``delta`` and r = √(1 + (e/δ)²)::

        l = δ²(r − 1)        g = e/r        h = 1/r³

    Parameters
    ----------
    delta : float, default 1.0
        Where squares turn into absolute values, in units of the target; above 0.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; ``hessian`` may be ``"exact"`` (the default) or ``"constant"``.

    Notes
    -----
    r − 1 is computed as (e/δ)²/(r + 1): no digits cancel near 0. Far out the exact curvature falls as 1/|e|³, so
    that a booster takes large steps there; with heavy tails choose ``hessian="constant"``.

    It is XGBoost's ``reg:pseudohubererror``. Use it as :class:`HuberLoss`, where a continuous curvature helps.

    References
    ----------
    Hartley, Zisserman, *Multiple View Geometry* (2003), appendix 6.8.

    Examples
    --------
    >>> import numpy as np
    >>> loss = PseudoHuberLoss(delta=3.0)
    >>> round(loss([0.0, 0.0], [4.0, 0.0]), 12)
    3.0
    >>> loss.value_and_grad([0.0, 0.0], np.array([4.0, 0.0]))[1].round(12)
    array([1.2, 0. ])
    """

    name: ClassVar[str] = "pseudo_huber"
    default_hessian: ClassVar[str | None] = "exact"
    hessians: ClassVar[tuple[str, ...]] = ("exact", "constant")

    delta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "delta", low=0.0, open_low=True)

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the weighted mean of the targets; the best constant has no closed form.

        Examples
        --------
        >>> PseudoHuberLoss().init_score([1.0, 3.0])
        2.0
        """
        return weighted_mean(self, y, sample_weight)

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        return {"delta": self.delta}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        square = ((prediction - target) / self.delta) ** 2
        return self.delta**2 * (square / (torch.sqrt(1 + square) + 1))
