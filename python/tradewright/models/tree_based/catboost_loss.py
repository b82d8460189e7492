"""A loss of ours as CatBoost's objective and metric; CatBoost maximises, so signs are turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tradewright.loss_functions import BaseLoss

__all__ = ["CatBoostMetric", "CatBoostObjective"]


class _Compiled:
    """Something that CatBoost calls, which is compiled already: it would try to do so by numba, and warn."""

    no_jit = True


class CatBoostObjective(_Compiled):
    """The slope and curvature of a loss, for blocks of rows in any order; so for losses of single rows only.

    Parameters
    ----------
    loss : BaseLoss
        The loss.
    """

    def __init__(self, loss: BaseLoss) -> None:
        self._loss = loss
        #: What the loss raised; CatBoost makes an error of its own of it.
        self.error: BaseException | None = None

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # CatBoost copies its parameters, and the error would be the copy's

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> NDArray[np.float64]:
        """Return first and second derivatives of the negated loss, shape (n_rows, 2), weights in."""
        try:
            slope, curvature = self._loss.grad_hess(np.asarray(targets), np.asarray(approxes), sample_weight=weights)
        except BaseException as error:
            self.error = error
            raise
        return -np.column_stack([slope, curvature])


class CatBoostMetric(_Compiled):
    """The value of a loss.

    Parameters
    ----------
    loss : BaseLoss
        The loss.
    """

    def __init__(self, loss: BaseLoss) -> None:
        self._loss = loss

    def is_max_optimal(self) -> bool:
        """Less is better."""
        return False

    def evaluate(self, approxes: Sequence[Any], target: Any, weight: Any) -> tuple[float, float]:
        """Return the loss of these rows times what the mean divides by, and that."""
        scores = np.asarray(approxes[0])
        value = float(self._loss(np.asarray(target), scores, sample_weight=weight))
        if self._loss.reduction == "sum":
            return value, 1.0
        n = float(len(scores)) if weight is None or self._loss.reduction == "mean_n" else float(np.sum(weight))
        return value * n, n

    def get_final_error(self, error: float, weight: float) -> float:
        """Return the loss of all rows."""
        return error if self._loss.reduction == "sum" else error / weight
