"""Cross-entropy of smoothed labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.point import Domain, PointLoss
from tradewright.loss_functions.start import log_odds, weighted_mean

__all__ = ["LabelSmoothingBCE"]


@final
@dataclass(frozen=True, kw_only=True)
class LabelSmoothingBCE(PointLoss):
    """Binary cross-entropy of labels that are not quite believed.

    With a logit s, p = sigmoid(s) and the smoothed label y' = y(1 − ε) + ε/2::

        l = log(1 + e^s) − s·y'
        g = p − y'
        h = p(1 − p), which is exact and Gauss–Newton at once

    Parameters
    ----------
    epsilon : float, default 0.1
        The share of each label that is spread over both classes: at least 0, below 1.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`.

    Notes
    -----
    It is torch's ``CrossEntropyLoss(label_smoothing=epsilon)`` with two classes. The best logit of a row that is
    certain is ±log((2 − ε)/ε) and not infinite, which bounds what a wrong label can do.

    Use it where some labels are wrong, as triple-barrier and other constructed labels are. The probabilities are
    pulled towards ½ by as much; where they are to be calibrated, undo that or use :class:`BinaryCrossEntropy`.

    References
    ----------
    Szegedy et al., *Rethinking the Inception Architecture for Computer Vision* (CVPR 2016), section 7.

    Examples
    --------
    >>> import numpy as np
    >>> loss = LabelSmoothingBCE(epsilon=0.2)
    >>> round(loss([1, 0], np.array([2.0, 0.0])), 6)
    0.510038
    >>> loss.value_and_grad([1, 0], np.array([2.0, 0.0]))[1].round(6)
    array([-0.009601,  0.2     ])
    """

    name: ClassVar[str] = "label_smoothing"
    default_hessian: ClassVar[str | None] = "exact"
    targets: ClassVar[Domain] = "unit"

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "epsilon", low=0.0, high=1.0, open_high=True)

    @property
    def logits(self) -> bool:
        """Predictions are logits."""
        return True

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the best constant: the log-odds of the weighted mean of the smoothed labels.

        Examples
        --------
        >>> round(LabelSmoothingBCE(epsilon=0.5).init_score([1, 1]), 6)
        1.098612
        """
        mean = self._smooth(weighted_mean(self, y, sample_weight))
        return log_odds(mean, 1.0 - mean)

    def _smooth(self, target: Any) -> Any:
        return target * (1.0 - self.epsilon) + self.epsilon / 2

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        return {"epsilon": self.epsilon}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        functional = torch.nn.functional
        return functional.binary_cross_entropy_with_logits(prediction, self._smooth(target), reduction="none")
