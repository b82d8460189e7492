"""Losses of a forecast's direction, weighted by the size of the move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np

from tradewright.loss_functions.parameters import choice, number
from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.start import counted_targets, log_odds

__all__ = ["DirectionalKind", "DirectionalLoss"]

DirectionalKind = Literal["logistic", "gmadl"]


@final
@dataclass(frozen=True, kw_only=True)
class DirectionalLoss(PointLoss):
    """A loss of the forecast's direction: right or wrong, by the size of the move.

    With the forecast s and the return y::

        kind="logistic"   l = |y| log(1 + e^(−k·sign(y)·s))
                          g = −k·y·r,   r = sigmoid(−k·sign(y)·s)
                          h = k²|y| r(1 − r), above 0: convex
        kind="gmadl"      l = −(q − ½)|y|^b,   q = sigmoid(a·y·s)
                          g = −a·y·|y|^b q(1 − q)
                          h = −a²y²|y|^b q(1 − q)(1 − 2q), of either sign; boosting takes a²y²|y|^b q(1 − q)

    Parameters
    ----------
    kind : {"logistic", "gmadl"}, default "logistic"
        The convex form, or the generalised mean absolute directional loss, which approaches the profit of a bet on the
        sign.
    sharpness : float, default 1.0
        k of the logistic form, above 0.
    a, b : float, default 1000.0 and 2.0
        Steepness and exponent of GMADL, both above 0.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`.

    Notes
    -----
    Targets are returns, as fractions. A return of 0 gives no loss and no gradient. GMADL takes ``a`` in units of one
    over the product of return and forecast: with both around 0.01, a = 1000 puts the step where they are; far from it
    the gradient vanishes. The logistic form is the right one for boosting.

    Use them when positions follow the sign of the forecast alone. The size of s means little: for a forecast of the
    return itself use a regression loss, for sized positions and costs a profit or Sharpe loss.

    References
    ----------
    Michańków, Sakowski, Ślepaczuk, *Mean Absolute Directional Loss* (arXiv 2309.10546) and *Generalized Mean Absolute
    Directional Loss* (arXiv 2412.18405).

    Examples
    --------
    >>> import numpy as np
    >>> loss = DirectionalLoss()
    >>> round(loss([0.02, -0.01], np.array([1.0, 1.0])), 6)
    0.009699
    >>> loss.value_and_grad([0.02, -0.01], np.array([1.0, 1.0]))[1].round(6)
    array([-0.002689,  0.003655])
    >>> round(DirectionalLoss(kind="gmadl")([0.02, -0.01], [0.05, 0.05]), 9)
    -4.0089e-05
    """

    name: ClassVar[str] = "directional_loss"

    kind: DirectionalKind = "logistic"
    sharpness: float = 1.0
    a: float = 1000.0
    b: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self, "kind", get_args(DirectionalKind))
        number(self, "sharpness", "a", "b", low=0.0, open_low=True)

    @property
    def default_hessian(self) -> str:  # type: ignore[override]  # GMADL is not convex
        """The exact curvature of the logistic form, that of Gauss and Newton for GMADL."""
        return "exact" if self.kind == "logistic" else "gauss_newton"

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the start value: the best constant of the logistic form; 0, where GMADL is steepest, for the other.

        Examples
        --------
        >>> round(DirectionalLoss(sharpness=2.0).init_score([0.03, -0.01]), 6)
        0.549306
        """
        target, weight = counted_targets(self, y, sample_weight)
        up, down = float(np.dot(weight, target.clip(min=0.0))), float(np.dot(weight, (-target).clip(min=0.0)))
        if self.kind == "gmadl" or not math.isfinite(up + down) or up + down == 0.0:
            return 0.0
        return log_odds(up, down) / self.sharpness

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        if self.kind == "gmadl":
            return {"gmadl": 1.0, "a": self.a, "b": self.b}
        return {"gmadl": 0.0, "sharpness": self.sharpness}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        if self.kind == "gmadl":
            # sigmoid(z) − ½ = tanh(z/2)/2 keeps its digits near 0.
            return -0.5 * torch.tanh(0.5 * self.a * (target * prediction)) * target.abs() ** self.b
        right = self.sharpness * torch.where(target < 0, -prediction, prediction)
        return -target.abs() * torch.nn.functional.logsigmoid(right)
