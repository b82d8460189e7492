"""Losses that are sums over groups: dates whose rows are ranked against each other."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import LossError
from tradewright.loss_functions import group_device
from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.device_checks import check_values
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.loss_functions.inputs import LossInputs

__all__ = ["GroupLoss", "index_of"]

Array = NDArray[Any]


def index_of(inputs: LossInputs, loss: BaseLoss) -> GroupIndex:
    """Return the index of a call's groups.

    Raises
    ------
    LossError
        When there are none, or they belong to other rows.
    """
    groups, rows = inputs.groups, len(inputs.prediction)
    if groups is None:
        raise LossError(
            f"{type(loss).__name__} compares the rows of a group; pass groups= with the date of each row "
            "(numpy.zeros(len(y_true)) where all rows are one group)",
            code="loss.groups_needed",
        )
    if not isinstance(groups, GroupIndex):
        return GroupIndex(groups, inputs.assets)
    if groups.rows != rows:
        raise LossError(
            f"groups is an index of {groups.rows} rows, y_pred has {rows}; pass the index of these rows",
            code="loss.shape",
            argument="groups",
        )
    if inputs.assets is not None:
        raise LossError(
            "assets is passed beside a GroupIndex; pass GroupIndex(groups, assets) as groups alone",
            code="loss.assets_twice",
            argument="assets",
        )
    return groups


@dataclass(frozen=True, kw_only=True)
class GroupLoss(BaseLoss):
    """A loss that is a sum over groups of rows, each group standing alone. Abstract; every concrete one is final.

    Notes
    -----
    ``reduction="mean"`` averages over groups (weighted), ``"mean_n"`` divides by their number, ``"none"`` gives one
    value per group, in the ascending order of ids. A group without a usable pair is skipped: no value, zero gradient,
    not counted. When all are, the loss is 0 and there is one warning; :meth:`count_groups` tells how many were.

    Weights are one per group and raise where they differ inside one, unless the loss says that it weighs rows; then
    weight 2 is the row twice.
    """

    per_row_value: ClassVar[bool] = False
    #: Whether weights are per row.
    row_weights: ClassVar[bool] = False
    #: Whether a shift of all scores of a group leaves the loss as it is; true of all that ship.
    shift_invariant: ClassVar[bool] = True

    #: Whether a positive multiple of all scores leaves the loss as it is.
    scale_free: ClassVar[bool] = False

    @property
    def targets(self) -> str:
        """What a target may be: any finite number, or a whole number from 0 to 30."""
        return "real"

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return 0.0: the loss depends on differences of scores alone, and no constant is better than another."""
        return 0.0

    def count_groups(
        self, y_true: Any, y_pred: Any, *, sample_weight: Any = None, groups: Any = None
    ) -> tuple[int, int]:
        """Return how many groups count, and how many have rows but no usable pair."""
        from tradewright.loss_functions.inputs import numpy_inputs

        inputs = numpy_inputs(y_true, y_pred, sample_weight, groups)
        index = index_of(inputs, self)
        with index.naming():
            found = _core.group_loss(self._spec(), _rows(inputs), index._index, "sum", self.nan_policy)
        return found[1], found[2]

    @abstractmethod
    def _params(self) -> Mapping[str, float]:
        """Return the parameters the core's formula reads; truth values as 0 and 1."""

    @abstractmethod
    def _usable(self, torch: Any, lists: group_device.Lists) -> Any:
        """Return which groups count, in torch's operations."""

    @abstractmethod
    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        """Return value, mass and count of groups that all count, in torch's operations."""

    def _spec(self) -> tuple[str, Mapping[str, float]]:
        return self.name, self._params()

    def _value(self, inputs: LossInputs) -> Any:
        return self._run(inputs, None)

    def _value_and_grad(self, inputs: LossInputs, gradient: Array) -> Any:
        return self._run(inputs, gradient)

    def _run(self, inputs: LossInputs, gradient: Array | None) -> Any:
        index, rows = index_of(inputs, self), _rows(inputs)
        with index.naming():
            if self.reduction == "none":
                values = np.empty(index.n_groups)
                value, *counts = _core.group_loss_each(
                    self._spec(), rows, index._index, self.nan_policy, values, gradient
                )
            else:
                value, *counts = _core.group_loss(
                    self._spec(), rows, index._index, self.reduction, self.nan_policy, gradient
                )
        self._warn(*counts)
        return values.astype(inputs.dtype or inputs.prediction.dtype) if self.reduction == "none" else value

    def _grad_hess(self, inputs: LossInputs, gradient: Array, hessian: Array) -> None:
        index = index_of(inputs, self)
        choice = self.hessian or "boosting"
        with index.naming():
            _, counted, skipped = _core.group_loss_grad_hess(
                self._spec(), _rows(inputs), index._index, self.nan_policy, choice, gradient, hessian
            )
        self._warn(counted, skipped)

    def _warn(self, counted: int, skipped: int) -> None:
        if skipped and not counted:
            warnings.warn(
                f"{type(self).__name__}: all {skipped} groups were skipped, since none has a usable pair (rows whose "
                "targets, or scores, differ); the loss is 0 and so is its gradient",
                RuntimeWarning,
                stacklevel=5,
            )

    def _on_device(self, torch: Any, inputs: LossInputs) -> Any:
        return group_device.evaluate(self, torch, inputs)

    def _check_on_device(self, torch: Any, inputs: LossInputs) -> None:
        check_values(self, torch, inputs.prediction, inputs.target, inputs.weight, targets=self.targets, weighs=False)
        if not self.row_weights:
            group_device.check_weights(self, torch, inputs)


def _rows(inputs: LossInputs) -> tuple[Array, Array, Array | None, list[Array]]:
    return inputs.prediction, inputs.target, inputs.weight, []
