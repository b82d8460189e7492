"""Losses of portfolio returns: scores become positions, positions earn returns net of costs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import LossError
from tradewright.loss_functions import series_device
from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.group_index import GroupIndex, one_asset
from tradewright.loss_functions.grouped import index_of
from tradewright.loss_functions.inputs import LossInputs, numpy_inputs
from tradewright.loss_functions.parameters import choice, number

__all__ = ["Absent", "PositionLink", "SeriesLoss"]

Array = NDArray[Any]
PositionLink = Literal["tanh", "identity", "clip", "softmax"]
Absent = Literal["close", "carry"]


@dataclass(frozen=True, kw_only=True)
class SeriesLoss(BaseLoss):
    """A loss of the returns of a portfolio that follows the scores. Abstract; every concrete one is final.

    The target is the return *earned by* the position of its row: the caller lags it. With N_t assets on date t::

        r_t = (1/N_t) Σ_i [pos_ti·y_ti − cost·|pos_ti − pos_t−1,i|]

    Softmax positions, which sum to 1 over a date, are added up and not averaged. There is no closing charge at the end.

    Parameters
    ----------
    cost : float, default 0.0
        Per unit of turnover and side: from −1 to 1 costs twice this.
    position : {"tanh", "identity", "clip", "softmax"}, default "tanh"
        From score to position. ``"clip"`` cuts at −1 and 1, where its gradient ends.
    initial_position : float, default 0.0
        What every asset holds before its first date.
    absent : {"close", "carry"}, default "close"
        An asset without a row on a date is closed, and that date pays for it; or is carried, earning nothing.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`. Ratios have no sum: ``reduction="mean"`` is the ratio.

    Notes
    -----
    Pass ``groups`` (dates, whose ascending order is time) and ``assets``, or a :class:`GroupIndex`. Without both there is
    one asset, rows in time order, one row a date. ``assets`` may be left out where ``cost`` is 0. Under
    ``nan_policy="omit"`` an asset whose target is NaN is absent on that date.

    Weights are one per date. For ratios ``grad_hess`` is of the ratio itself, whose derivatives are small (about 1/n a
    row): set ``min_child_weight`` or ``min_sum_hessian_in_leaf`` to 0.
    """

    per_row_value: ClassVar[bool] = False
    reductions: ClassVar[tuple[str, ...]] = ("mean",)
    hessians: ClassVar[tuple[str, ...]] = ("constant",)
    default_hessian: ClassVar[str | None] = "constant"
    #: Whether a multiple of all positions is no other loss: a ratio, of positions that are the scores.
    scale_free: ClassVar[bool] = False
    #: Whether a return of −1 or less is an error, since nothing is left to compound.
    refuses_ruin: ClassVar[bool] = False
    #: The fewest dates the loss can be computed from.
    least: ClassVar[int] = 1

    cost: float = 0.0
    position: PositionLink = "tanh"
    initial_position: float = 0.0
    absent: Absent = "close"

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "cost", low=0.0)
        number(self, "initial_position")
        choice(self, "position", get_args(PositionLink))
        choice(self, "absent", get_args(Absent))

    def returns(self, y_true: Any, y_pred: Any, *, groups: Any = None, assets: Any = None, **per_row: Any) -> Array:
        """Return the portfolio returns net of costs, in time order: one a date that has rows (one a row if pooled).

        Examples
        --------
        >>> from tradewright.loss_functions import ProfitBasedLoss
        >>> ProfitBasedLoss(position="clip", cost=0.001).returns([0.02, -0.01], [1.0, -1.0])
        array([0.019, 0.008])
        """
        self._check_names(per_row)
        inputs = numpy_inputs(y_true, y_pred, None, groups, assets, per_row)
        index = self._index(inputs)
        with index.naming():
            return _core.series_returns(self._trading(), self._rows(inputs), index._index, self.nan_policy)

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return 0.0: no position."""
        return 0.0

    @property
    def _is_pooled(self) -> bool:
        return False

    @property
    def _target_volatility(self) -> float | None:
        return None

    @abstractmethod
    def _params(self) -> Mapping[str, float]:
        """Return the parameters the core's formula reads; truth values as 0 and 1."""

    @abstractmethod
    def _of_returns(self, torch: Any, r: Any, w: Any, divisor: Any) -> Any:
        """Return the loss of returns with weights, in torch's operations."""

    def _spec(self) -> tuple[str, Mapping[str, float]]:
        return self.name, self._params()

    def _trading(self) -> tuple[str, float, float, str, bool, float | None]:
        return (
            self.position,
            float(self.cost),
            float(self.initial_position),
            self.absent,
            self._is_pooled,
            self._target_volatility,
        )

    def _index(self, inputs: LossInputs) -> GroupIndex:
        if inputs.groups is None and inputs.assets is None:
            return one_asset(len(inputs.prediction))
        if inputs.groups is None:
            raise LossError("assets is passed without groups; pass groups= too", code="loss.groups_needed")
        return index_of(inputs, self)

    def _rows(self, inputs: LossInputs) -> tuple[Array, Array, Array | None, list[Array]]:
        volatility = self._volatility(inputs)
        extras = [] if volatility is None else [np.ascontiguousarray(volatility, dtype=np.float64).reshape(-1)]
        return inputs.prediction, inputs.target, inputs.weight, extras

    def _volatility(self, inputs: LossInputs) -> Any:
        """Return the volatilities of a call: there, if and only if they are used."""
        given = inputs.per_row.get("volatility")
        if (given is None) == (self._target_volatility is None):
            return given
        missing = "volatility= is missing; pass one per row" if given is None else "volatility= is not used"
        raise LossError(
            f"target_volatility={self._target_volatility} and {missing}, or change target_volatility",
            code="loss.volatility",
            argument="volatility",
        )

    def _value(self, inputs: LossInputs) -> Any:
        return self._run(inputs, None)

    def _value_and_grad(self, inputs: LossInputs, gradient: Array) -> Any:
        return self._run(inputs, gradient)

    def _run(self, inputs: LossInputs, gradient: Array | None) -> float:
        index = self._index(inputs)
        with index.naming():
            return _core.series_loss(
                self._spec(),
                self._trading(),
                self._rows(inputs),
                index._index,
                self.reduction,
                self.nan_policy,
                gradient,
            )

    def _grad_hess(self, inputs: LossInputs, gradient: Array, hessian: Array) -> None:
        index = self._index(inputs)
        with index.naming():
            _core.series_loss_grad_hess(
                self._spec(),
                self._trading(),
                self._rows(inputs),
                index._index,
                self.nan_policy,
                self.hessian or "boosting",
                gradient,
                hessian,
            )

    def _on_device(self, torch: Any, inputs: LossInputs) -> Any:
        r, w = series_device.returns(self, torch, inputs)
        return series_device.reduce(self, torch, r, w)

    def _check_on_device(self, torch: Any, inputs: LossInputs) -> None:
        series_device.check(self, torch, inputs)
