"""Quantile (pinball) loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from tradewright.errors import LossError, UnsupportedError
from tradewright.loss_functions.parameters import keep, real, refuse
from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.start import weighted_quantile

__all__ = ["QuantileLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class QuantileLoss(PointLoss):
    """Quantile loss, of one quantile or of several at once.

    With u = y − s and the quantile τ::

        l = max(τu, (τ − 1)u)
        g = −τ where s < y, else 1 − τ (also at a tie, as in LightGBM: any slope between the two would do)
        h = 1 for boosting, as in LightGBM; the true one is 0

    Parameters
    ----------
    quantiles : float or tuple of float, default 0.5
        Between 0 and 1, both excluded. With Q of them, predictions are of shape (n, Q), a column for each; a
        list is kept as a tuple.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; ``hessian`` may be ``"constant"``, which is the default.

    Notes
    -----
    With several quantiles the mean is over all n·Q predictions, ``sample_weight`` counting for a whole row. Nothing
    keeps the columns in order; :meth:`crossing` says how many rows are out of it.

    Use it for intervals and for tail risk: the best prediction is the conditional quantile. Far quantiles need many
    rows: at τ = 0.99 one row in a hundred speaks. LightGBM's own objective sets each leaf to the quantile of its
    errors afterwards, which a custom objective cannot: the splits agree, the leaves take more rounds.

    References
    ----------
    Koenker, Bassett, *Regression Quantiles* (Econometrica 1978).

    Examples
    --------
    >>> import numpy as np
    >>> loss = QuantileLoss(quantiles=0.75)
    >>> loss([3.0, 1.0], [1.0, 3.0])
    1.0
    >>> loss.value_and_grad([3.0, 1.0], np.array([1.0, 3.0]))[1]
    array([-0.375,  0.125])
    >>> both = QuantileLoss(quantiles=(0.25, 0.75))
    >>> both([3.0, 1.0], np.array([[1.0, 4.0], [2.0, 1.5]]))
    0.40625
    """

    name: ClassVar[str] = "quantile"
    default_hessian: ClassVar[str | None] = "constant"
    hessians: ClassVar[tuple[str, ...]] = ("constant",)

    quantiles: float | tuple[float, ...] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        several = isinstance(self.quantiles, tuple | list)
        levels = [real(level) for level in self._levels()]
        if not levels or not all(level and 0.0 < level < 1.0 for level in levels):
            raise refuse(self, "quantiles", "pass a number between 0 and 1, both excluded, or a tuple of such")
        keep(self, "quantiles", tuple(levels) if several else levels[0])

    @property
    def outputs(self) -> int:
        """How many predictions a row has: one for each quantile."""
        return len(self._levels())

    def crossing(self, y_pred: Any) -> float:
        """Return the share of rows whose predictions are not in the order of their quantiles.

        Parameters
        ----------
        y_pred : array_like, shape (n, Q)

        Raises
        ------
        LossError
            When the shape is another, or there is no row.

        Examples
        --------
        >>> QuantileLoss(quantiles=(0.1, 0.9)).crossing([[1.0, 2.0], [3.0, 2.5]])
        0.5
        """
        predictions = np.asarray(y_pred)
        if predictions.ndim != 2 or predictions.shape[1] != self.outputs or not len(predictions):
            raise LossError(
                f"y_pred has shape {predictions.shape}; pass shape (n, {self.outputs}) with at least one row",
                code="loss.shape",
            )
        ordered = predictions[:, np.argsort(self._levels(), kind="stable")]
        return float((np.diff(ordered, axis=1) < 0).any(axis=1).mean())

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the best constant, the (lower) weighted quantile of the targets.

        Raises
        ------
        UnsupportedError
            With several quantiles, each of which has its own: use one loss for each.

        Examples
        --------
        >>> QuantileLoss(quantiles=0.9).init_score(list(range(1, 11)))
        9.0
        """
        levels = self._levels()
        if len(levels) > 1:
            raise UnsupportedError(
                "several quantiles have no single start value; use a QuantileLoss for each", code="loss.init_score"
            )
        return weighted_quantile(self, y, sample_weight, levels[0])

    def _levels(self) -> tuple[float, ...]:
        return tuple(self.quantiles) if isinstance(self.quantiles, tuple | list) else (self.quantiles,)

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        levels = self._levels()
        return {"columns": float(len(levels))} | {f"quantile_{k}": level for k, level in enumerate(levels)}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        levels = torch.tensor(self._levels(), dtype=prediction.dtype, device=prediction.device)
        level = levels.repeat(len(prediction) // self.outputs) if self.outputs > 1 else levels
        u = target - prediction
        # torch.maximum would take the middle of the two slopes at a tie.
        return torch.where(prediction < target, level * u, (level - 1) * u)
