"""Binary cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import flag
from tradewright.loss_functions.point import Domain, PointLoss
from tradewright.loss_functions.start import log_odds, weighted_mean

__all__ = ["BinaryCrossEntropy"]


@final
@dataclass(frozen=True, kw_only=True)
class BinaryCrossEntropy(PointLoss):
    """Binary cross-entropy, the negative log-likelihood of a Bernoulli target.

    With a logit s, p = sigmoid(s) and a target y in [0, 1]::

        l = −y log p − (1 − y) log(1 − p) = max(s, 0) − s·y + log(1 + e^−|s|)
        g = p − y                 h = p(1 − p), which is exact and Gauss–Newton at once

    Parameters
    ----------
    from_logits : bool, default True
        Whether predictions are logits. With False they are probabilities in [0, 1], the gradient is by the
        probability, logarithms are bounded at −100 and the denominators of the derivatives at 1e-12.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`.

    Notes
    -----
    Targets are 0 and 1 or anything between (soft labels); −1 is refused with a hint. Finite at scores of ±1000. The
    gradient keeps its relative precision near a hard label, where p − y would cancel.

    Use it for any binary target when calibrated probabilities matter. When wrong labels are expected, prefer label
    smoothing; when profit depends on the size of the move, a directional loss.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 4.90; ``torch.nn.BCEWithLogitsLoss``.

    Examples
    --------
    >>> import numpy as np
    >>> loss = BinaryCrossEntropy()
    >>> round(loss(np.array([1.0, 0.0]), np.array([2.0, 0.0])), 6)
    0.410038
    >>> value, gradient = loss.value_and_grad([1, 0], np.array([2.0, 0.0]))
    >>> gradient.round(6)
    array([-0.059601,  0.25    ])
    >>> loss([-1, 1], [0.5, 0.5])
    Traceback (most recent call last):
    tradewright.errors.LossError: row 0: the target is -1, allowed is 0 to 1; for labels -1 and 1 pass (y + 1) / 2
    """

    name: ClassVar[str] = "bce"
    default_hessian: ClassVar[str | None] = "exact"
    targets: ClassVar[Domain] = "unit"

    from_logits: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        flag(self, "from_logits")

    @property
    def predictions(self) -> Domain:
        """Real numbers as logits, or 0 to 1 as probabilities."""
        return "real" if self.from_logits else "unit"

    @property
    def logits(self) -> bool:
        """Whether predictions are logits."""
        return self.from_logits

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the best constant: the log-odds of the weighted mean target, or that mean itself.

        The mean is kept 1e-15 away from 0 and 1, so that a single-class target starts at ±34.5 and not at infinity.

        Examples
        --------
        >>> round(BinaryCrossEntropy().init_score([1, 0, 0, 0]), 6)
        -1.098612
        """
        mean = weighted_mean(self, y, sample_weight)
        start = log_odds(mean, 1.0 - mean)
        return start if self.from_logits else mean

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        return {"from_logits": float(self.from_logits)}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        functional = torch.nn.functional
        if self.from_logits:
            return functional.binary_cross_entropy_with_logits(prediction, target, reduction="none")
        return functional.binary_cross_entropy(prediction, target, reduction="none")
