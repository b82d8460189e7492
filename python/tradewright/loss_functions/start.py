"""Constant predictions to start boosting from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import LossError
from tradewright.loss_functions.inputs import numpy_inputs

if TYPE_CHECKING:
    from tradewright.loss_functions.point import PointLoss

__all__ = ["counted_targets", "log_odds", "weighted_mean", "weighted_quantile", "zero_of"]

Array = NDArray[np.float64]

#: Shares are kept so far from 0 and 1: a single-class target starts at ±34.5 and not at infinity.
_LEAST_SHARE = 1e-15

#: What belongs to a domain of targets, and how errors call it.
_DOMAINS: dict[str, tuple[Callable[[Array], NDArray[np.bool_]], str]] = {
    "real": (np.isfinite, "any finite number"),
    "unit": (lambda y: (y >= 0) & (y <= 1), "0 to 1"),
    "binary": (lambda y: (y == 0) | (y == 1), "0 or 1"),
}


def counted_targets(loss: PointLoss, y: Any, sample_weight: Any) -> tuple[Array, Array]:
    """Return targets and weights of the rows that count, in float64.

    Raises
    ------
    LossError
        When a target is NaN under ``nan_policy="raise"`` or none the loss takes, a weight is negative, or nothing is
        left.
    """
    inputs = numpy_inputs(y, np.broadcast_to(np.float64(0), np.shape(y)), sample_weight)
    target = inputs.target.astype(np.float64, copy=False)
    weight = np.ones(len(target)) if inputs.weight is None else inputs.weight.astype(np.float64, copy=False)
    if (bad := ~(np.isfinite(weight) & (weight >= 0))).any():
        row = int(bad.argmax())
        raise LossError(
            f"row {row}: the weight is {weight[row]:g}; weights are finite and not negative",
            code="loss.weight_invalid",
            row=row,
        )
    missing = np.isnan(target)
    if missing.any() and loss.nan_policy == "raise":
        row = int(missing.argmax())
        raise LossError(
            f'row {row}: the target is NaN; drop the row, or use nan_policy="omit"', code="loss.target_missing", row=row
        )
    belongs, allowed = _DOMAINS[loss.targets]
    if (bad := ~(missing | belongs(target))).any():
        row = int(bad.argmax())
        hint = "; for labels -1 and 1 pass (y + 1) / 2" if target[row] == -1.0 else ""
        raise LossError(
            f"row {row}: the target is {target[row]:g}, allowed is {allowed}{hint}",
            code="loss.target_out_of_domain",
            row=row,
        )
    kept = ~missing & (weight > 0)
    if not kept.any():
        raise LossError(
            "no start value: there are no rows with a target and a weight; pass rows that count",
            code="loss.nothing_to_average",
        )
    return target[kept], weight[kept]


def weighted_mean(loss: PointLoss, y: Any, sample_weight: Any) -> float:
    """Return the weighted mean of the targets; errors are those of :func:`counted_targets`."""
    target, weight = counted_targets(loss, y, sample_weight)
    return float(np.dot(weight, target) / weight.sum())


def weighted_quantile(loss: PointLoss, y: Any, sample_weight: Any, quantile: float) -> float:
    """Return the least target below or at which the share ``quantile`` of the weight lies."""
    target, weight = counted_targets(loss, y, sample_weight)
    order = np.argsort(target, kind="stable")
    reached = np.cumsum(weight[order])
    place = int(np.searchsorted(reached, quantile * reached[-1], side="left"))
    return float(target[order[min(place, len(order) - 1)]])


def log_odds(positive: float, negative: float) -> float:
    """Return log(positive / negative), both at least a tiny share of their sum, which is above 0."""
    share = min(max(positive / (positive + negative), _LEAST_SHARE), 1 - _LEAST_SHARE)
    return math.log(share / (1 - share))


def zero_of(slope: Callable[[float], float], low: float = -50.0, high: float = 50.0) -> float:
    """Return where a slope that rises from below 0 to above crosses it; an end where it never does."""
    if slope(low) >= 0.0:
        return low
    if slope(high) <= 0.0:
        return high
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if slope(middle) < 0.0 else (low, middle)
    return 0.5 * (low + high)
