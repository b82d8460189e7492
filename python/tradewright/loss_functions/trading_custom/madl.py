"""Mean absolute directional loss: a metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions.point import PointLoss

__all__ = ["MADL"]


@final
@dataclass(frozen=True, kw_only=True)
class MADL(PointLoss):
    """Mean absolute directional loss: what a bet of one on the forecast's sign would have lost. A metric.

    With the forecast s and the return y::

        l = −sign(y·s)|y| = −y·sign(s)
        g = 0 almost everywhere: asking for it raises

    Parameters
    ----------
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; there is no hessian.

    Notes
    -----
    Minus the mean return of trading the sign, before costs. A forecast of 0 takes no position.

    Use it to select and compare models. To train one, use :class:`DirectionalLoss`, which is smooth.

    References
    ----------
    Michańków, Sakowski, Ślepaczuk, *Mean Absolute Directional Loss as a New Loss Function for Machine Learning
    Problems in Algorithmic Investment Strategies* (arXiv 2309.10546).

    Examples
    --------
    >>> MADL()([0.02, -0.01], [3.0, 1.0])
    -0.005
    >>> MADL().value_and_grad([0.02, -0.01], [3.0, 1.0])
    Traceback (most recent call last):
    tradewright.errors.UnsupportedError: MADL is a metric: its gradient is 0 almost everywhere; train with a smooth \
relative such as DirectionalLoss, and select with this one
    """

    name: ClassVar[str] = "madl"
    hessians: ClassVar[tuple[str, ...]] = ()
    differentiable: ClassVar[bool] = False

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return 0: no position."""
        return 0.0

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        return {}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        return 0 - target * torch.sign(prediction)
