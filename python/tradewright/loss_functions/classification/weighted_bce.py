"""Cross-entropy in which positives weigh more or less than negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.point import Domain, PointLoss
from tradewright.loss_functions.start import log_odds, weighted_mean

__all__ = ["WeightedBCE"]


@final
@dataclass(frozen=True, kw_only=True)
class WeightedBCE(PointLoss):
    """Binary cross-entropy in which positives weigh ``pos_weight``.

    With a logit s, p = sigmoid(s), a target y in [0, 1] and a = ``pos_weight``::

        l = a·y·log(1 + e^−s) + (1 − y)·log(1 + e^s)
        g = (1 − y)p − a·y(1 − p)
        h = [a·y + (1 − y)] p(1 − p), which is exact and Gauss–Newton at once

    Parameters
    ----------
    pos_weight : float, default 1.0
        The weight of label 1, above 0: negatives divided by positives balances the classes.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`.

    Notes
    -----
    It is torch's ``BCEWithLogitsLoss(pos_weight=a)`` and LightGBM's ``scale_pos_weight``. The mean divides by the rows
    (their sample weights); ``pos_weight`` does not enter the divisor.

    Use it when missing a positive costs about ``pos_weight`` times a false alarm. The logit is shifted by log a
    against the true log-odds: subtract it where probabilities are to be calibrated. Where costs differ from row to
    row, use :class:`CostSensitiveLoss`.

    References
    ----------
    King, Zeng, *Logistic Regression in Rare Events Data* (Political Analysis 2001), section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> loss = WeightedBCE(pos_weight=3.0)
    >>> round(loss([1, 0], np.array([2.0, 0.0])), 6)
    0.536966
    >>> loss.value_and_grad([1, 0], np.array([2.0, 0.0]))[1].round(6)
    array([-0.178804,  0.25    ])
    """

    name: ClassVar[str] = "weighted_bce"
    default_hessian: ClassVar[str | None] = "exact"
    targets: ClassVar[Domain] = "unit"

    pos_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "pos_weight", low=0.0, open_low=True)

    @property
    def logits(self) -> bool:
        """Predictions are logits."""
        return True

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the best constant: the log-odds of the targets with positives weighted.

        Examples
        --------
        >>> WeightedBCE(pos_weight=3.0).init_score([1, 0, 0, 0])
        0.0
        """
        mean = weighted_mean(self, y, sample_weight)
        return log_odds(self.pos_weight * mean, 1.0 - mean)

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        return {"pos_weight": self.pos_weight}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        log_sigmoid = torch.nn.functional.logsigmoid
        return -self.pos_weight * target * log_sigmoid(prediction) - (1 - target) * log_sigmoid(-prediction)
