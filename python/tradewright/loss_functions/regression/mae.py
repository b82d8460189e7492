"""Absolute error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.start import weighted_quantile

__all__ = ["MAELoss"]


@final
@dataclass(frozen=True, kw_only=True)
class MAELoss(PointLoss):
    """Mean absolute error.

    With the error e = s − y::

        l = |e|        g = sign(e), 0 at e = 0
        h = 1 for boosting, as in LightGBM; the true one is 0

    Parameters
    ----------
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; ``hessian`` may be ``"constant"``, which is the default.

    Notes
    -----
    The best prediction is the conditional median. An outlier weighs no more than any other row.

    Use it with fat tails, when the median is what is asked for. Returns have a median near 0: the model may well
    learn to predict that. LightGBM's own objective sets each leaf to the median of its errors afterwards, which a
    custom objective cannot: the splits agree, the leaves take more rounds.

    References
    ----------
    Koenker, *Quantile Regression* (2005), section 1.2; ``torch.nn.L1Loss``.

    Examples
    --------
    >>> import numpy as np
    >>> loss = MAELoss()
    >>> loss([1.0, 2.0], [1.5, 1.0])
    0.75
    >>> loss.value_and_grad([1.0, 2.0], np.array([1.5, 1.0]))[1]
    array([ 0.5, -0.5])
    """

    name: ClassVar[str] = "mae"
    default_hessian: ClassVar[str | None] = "constant"
    hessians: ClassVar[tuple[str, ...]] = ("constant",)

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the best constant, the (lower) weighted median of the targets.

        Examples
        --------
        >>> MAELoss().init_score([1.0, 2.0, 9.0])
        2.0
        """
        return weighted_quantile(self, y, sample_weight, 0.5)

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        return {}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        return torch.nn.functional.l1_loss(prediction, target, reduction="none")
