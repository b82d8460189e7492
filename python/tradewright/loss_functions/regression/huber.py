"""Huber's loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.start import weighted_mean

__all__ = ["HuberLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class HuberLoss(PointLoss):
    """Huber's loss: squares near 0, absolute values far out.

    With the error e = s − y and δ = ``delta``::

        l = e²/2 where |e| ≤ δ, else δ(|e| − δ/2)
        g = e cut at ±δ
        h = 1 for boosting, as in LightGBM; exactly 1 inside and 0 (floored) outside

    Parameters
    ----------
    delta : float, default 1.0
        Where squares end, in units of the target; above 0.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; ``hessian`` may be ``"exact"`` or ``"constant"`` (the default).

    Notes
    -----
    Set ``delta`` to what an ordinary error is, such as 1.345 times its standard deviation: with daily returns around
    0.01, the default of 1 is half the squared error and nothing else.

    Use it where squared error is right but a few rows are not to rule the fit. When the curvature matters to the
    optimiser, :class:`PseudoHuberLoss` is smooth. torch's ``SmoothL1Loss(beta)`` is this divided by δ.

    References
    ----------
    Huber, *Robust Estimation of a Location Parameter* (Annals of Mathematical Statistics 1964); ``torch.nn.HuberLoss``.

    Examples
    --------
    >>> import numpy as np
    >>> loss = HuberLoss(delta=1.0)
    >>> loss([0.0, 0.0], [0.5, 3.0])
    1.3125
    >>> loss.value_and_grad([0.0, 0.0], np.array([0.5, 3.0]))[1]
    array([0.25, 0.5 ])
    """

    name: ClassVar[str] = "huber"
    default_hessian: ClassVar[str | None] = "constant"
    hessians: ClassVar[tuple[str, ...]] = ("exact", "constant")

    delta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "delta", low=0.0, open_low=True)

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the weighted mean of the targets: where LightGBM starts. The best constant has no closed form.

        Examples
        --------
        >>> HuberLoss().init_score([1.0, 3.0])
        2.0
        """
        return weighted_mean(self, y, sample_weight)

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        return {"delta": self.delta}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        return torch.nn.functional.huber_loss(prediction, target, reduction="none", delta=self.delta)
