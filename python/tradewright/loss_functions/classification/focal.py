"""Focal loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.point import Domain, PointLoss
from tradewright.loss_functions.start import log_odds, weighted_mean, zero_of

__all__ = ["FocalLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class FocalLoss(PointLoss):
    """Focal loss: cross-entropy that looks away from rows it already has right.

    With a logit s and a label y, let z = (2y − 1)s, p = sigmoid(z) the probability of the row's own label, q = 1 − p,
    and a the weight of the label (``alpha`` for 1, 1 − ``alpha`` for 0)::

        l = −a q^γ log p
        g = a (2y − 1) q^γ (γ p log p − q)
        h = a p q^γ [q + 2γq − γ(γp − q) log p], negative for rows that are badly wrong; boosting takes |h|

    Parameters
    ----------
    gamma : float, default 2.0
        How fast rows that are right fade, at least 0; 0 is weighted cross-entropy.
    alpha : float or None, default 0.25
        The weight of label 1, from 0 to 1; None weighs both labels with 1.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; ``hessian`` may be ``"exact"`` (floored), ``"abs"`` (the default) or ``"constant"``.

    Notes
    -----
    Labels are 0 and 1; soft labels are refused. The mean divides by the rows (their weights), not by the positives
    alone. Logarithms come from the softplus and q from its own side of the sigmoid, so that value and gradient stay
    finite at any score and exponent.

    Use it when one class is rare and easy rows drown the hard ones. The scores are not calibrated probabilities: when
    those matter, use :class:`BinaryCrossEntropy`. Wrong labels are hard rows too, and get most of the attention.

    References
    ----------
    Lin, Goyal, Girshick, He, Dollár, *Focal Loss for Dense Object Detection* (ICCV 2017).

    Examples
    --------
    >>> import numpy as np
    >>> loss = FocalLoss()
    >>> round(loss([1, 0], np.array([2.0, 0.0])), 6)
    0.065208
    >>> loss.value_and_grad([1, 0], np.array([2.0, 0.0]))[1].round(6)
    array([-0.000609,  0.111858])
    """

    name: ClassVar[str] = "focal"
    default_hessian: ClassVar[str | None] = "abs"
    targets: ClassVar[Domain] = "binary"
    hessians: ClassVar[tuple[str, ...]] = ("exact", "abs", "constant")

    gamma: float = 2.0
    alpha: float | None = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "gamma", low=0.0, high=1e6)
        if self.alpha is not None:
            number(self, "alpha", low=0.0, high=1.0)

    @property
    def logits(self) -> bool:
        """Predictions are logits."""
        return True

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the best constant, found by bisection of the slope.

        Examples
        --------
        >>> round(FocalLoss(gamma=0.0, alpha=None).init_score([1, 0, 0, 0]), 6)
        -1.098612
        """
        mean = weighted_mean(self, y, sample_weight)
        start = log_odds(mean, 1.0 - mean)
        if mean in (0.0, 1.0):
            return start
        plain = FocalLoss(gamma=self.gamma, alpha=self.alpha, reduction="sum")

        def slope(score: float) -> float:
            scores = np.array([score, score])
            return float(plain.value_and_grad([1, 0], scores, sample_weight=[mean, 1.0 - mean])[1].sum())

        return zero_of(slope)

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        alpha = {} if self.alpha is None else {"alpha": self.alpha}
        return {"gamma": self.gamma} | alpha

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        log_sigmoid = torch.nn.functional.logsigmoid
        z = (2 * target - 1) * prediction
        rows = -log_sigmoid(z)
        if self.gamma:
            # q^γ through its logarithm: a power of a q that underflows has an infinite slope for γ < 1.
            rows = rows * torch.exp(self.gamma * log_sigmoid(-z))
        if self.alpha is None:
            return rows
        return (self.alpha * target + (1 - self.alpha) * (1 - target)) * rows
