"""A loss of ours as what a booster is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from tradewright.base import Samples
from tradewright.errors import LossError, ParameterError
from tradewright.loss_functions import BaseLoss
from tradewright.models.loss_rows import LossRows, is_series

__all__ = ["BoosterLoss"]


@dataclass(frozen=True, slots=True, eq=False)
class BoosterLoss:
    """A loss bound to the rows of a fit, and the score boosting starts from.

    Parameters
    ----------
    loss : BaseLoss
        The loss.
    start : float
        The constant that trees are added to; predictions add it too.
    train, val : LossRows, LossRows or None
        The rows.
    """

    loss: BaseLoss
    start: float
    train: LossRows
    val: LossRows | None

    @classmethod
    def bind(cls, loss: BaseLoss, train: Samples, val: Samples | None) -> Self:
        """Bind the loss to the rows, and try it at the start.

        Raises
        ------
        LossError
            When dates are missing, the loss refuses the rows, or it has no slope to start on.
        ParameterError, UnsupportedError
            When the loss takes several predictions a row, or has no gradient.
        """
        if loss.outputs > 1:
            raise ParameterError(
                f"the loss takes {loss.outputs} predictions a row, a BoostingModel makes one: fit one model for each",
                code="model.loss_outputs",
            )
        rows, val_rows = LossRows.bind(loss, train, val)
        bound = cls(loss, float(loss.init_score(rows.y, rows.weight)), rows, val_rows)
        with _of_the("train"):
            bound._check_slope()
        if val_rows is not None:
            with _of_the("validation"):
                val_rows.value(np.full(len(val_rows.y), bound.start))
        return bound

    def objective(self, library: Literal["lightgbm", "xgboost"]) -> Callable[..., Any]:
        """Return the objective of the train rows."""
        return self.loss.objective(library, groups=self.train.dates)

    @property
    def has_small_curvature(self) -> bool:
        """Whether curvatures are so small that limits on their sum in a leaf, made for 1 a row, forbid every split."""
        return is_series(self.loss)

    def _check_slope(self) -> None:
        rows = self.train
        scores = np.full(len(rows.y), self.start)
        slope, _ = self.loss.grad_hess(rows.y, scores, sample_weight=rows.weight, groups=rows.dates)
        if not slope.any():
            raise LossError(
                f"{type(self.loss).__name__} has no slope where all scores are {self.start}, so that boosting goes nowhere:"
                " add a loss that has one, such as loss + 0.1 * MSELoss()",
                code="model.no_slope",
            )


@contextmanager
def _of_the(which: str) -> Iterator[None]:
    try:
        yield
    except LossError as error:
        error.add_note(f"while the loss was tried on the {which} rows")
        raise
