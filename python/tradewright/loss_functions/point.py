"""Losses that are sums over rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import UnsupportedError
from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.device_checks import check_finite, check_values
from tradewright.loss_functions.inputs import LossInputs, readable, shape_error

__all__ = ["Domain", "PointLoss"]

Array = NDArray[Any]
#: Any finite number; 0 to 1 with both ends; 0 or 1.
Domain = Literal["real", "unit", "binary"]


@dataclass(frozen=True, kw_only=True)
class PointLoss(BaseLoss):
    """A loss that is a sum over rows, each row standing alone; ``groups`` and ``assets`` are ignored.

    A concrete one states its name, its parameters and domains, and writes its formula once more in torch's
    operations for accelerators; the formula itself lives in the core.
    """

    traceable: ClassVar[bool] = True
    #: What a target may be.
    targets: ClassVar[Domain] = "real"

    #: How many values a row has of each further per-row argument, where it is not one.
    per_row_widths: ClassVar[Mapping[str, int]] = {}

    @property
    def predictions(self) -> Domain:
        """What a prediction may be."""
        return "real"

    @abstractmethod
    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        """Return the parameters the core's formula reads, given a call's per-row arguments; truth values as 0 and 1."""

    @abstractmethod
    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        """Return the loss of each row, in torch's operations."""

    def _check_per_row(self, name: str, values: Any) -> None:
        """Refuse values of a further per-row argument that are finite and not allowed all the same."""

    def _spec(self, inputs: LossInputs) -> tuple[str, Mapping[str, float]]:
        return self.name, self._params(inputs.per_row)

    def _columns(self, inputs: LossInputs) -> tuple[Array, Array, Array | None, list[Array]]:
        further = []
        for name in self.per_row_names:
            if name in inputs.per_row:
                array = inputs.per_row[name]
                width = self.per_row_widths.get(name, 1)
                if array.shape != (inputs.shape[0], width) and (width > 1 or array.ndim > 1):
                    raise shape_error(name, array.shape, inputs.shape, width)
                self._check_per_row(name, array)
                further += [readable(column) for column in array.reshape(len(array), width).T]
        return inputs.prediction, inputs.target, inputs.weight, further

    def _value(self, inputs: LossInputs) -> Any:
        rows = self._columns(inputs)
        if self.reduction != "none":
            return _core.loss_value(self._spec(inputs), rows, self.reduction, self.nan_policy)
        values = np.empty(inputs.shape, dtype=inputs.prediction.dtype)
        _core.loss_rows(self._spec(inputs), rows, self.nan_policy, values.reshape(-1))
        return values.astype(inputs.dtype, copy=False)

    def _value_and_grad(self, inputs: LossInputs, gradient: Array) -> Any:
        self._check_differentiable()
        rows = self._columns(inputs)
        if self.reduction != "none":
            return _core.loss_value_grad(self._spec(inputs), rows, self.reduction, self.nan_policy, gradient)
        values = np.empty(inputs.shape, dtype=inputs.prediction.dtype)
        _core.loss_rows_grad(self._spec(inputs), rows, self.nan_policy, values.reshape(-1), gradient)
        return values.astype(inputs.dtype, copy=False)

    def _grad_hess(self, inputs: LossInputs, gradient: Array, hessian: Array) -> None:
        self._check_differentiable()
        rows = self._columns(inputs)
        _core.loss_grad_hess(self._spec(inputs), rows, self.nan_policy, self.hessian or "boosting", gradient, hessian)

    def _check_differentiable(self) -> None:
        if not self.differentiable:
            raise UnsupportedError(
                f"{type(self).__name__} is a metric: its gradient is 0 almost everywhere; train with a smooth relative "
                "such as DirectionalLoss, and select with this one",
                code="loss.not_differentiable",
            )

    def _row_by_row(self, inputs: LossInputs) -> tuple[Any, Any, Any]:
        """Return predictions, targets and weights of one length, where a row may have several predictions."""
        y, w = inputs.target, inputs.weight
        if self.outputs > 1:
            y = y.repeat_interleave(self.outputs)
            w = None if w is None else w.repeat_interleave(self.outputs)
        return inputs.prediction, y, w

    def _on_device(self, torch: Any, inputs: LossInputs) -> Any:
        s, y, w = self._row_by_row(inputs)
        y = y.to(s.dtype)
        if self.nan_policy == "omit":
            kept = ~torch.isnan(y)
            # Both are replaced before the formula: masking only afterwards would let 0 · NaN into the gradient.
            s, y = torch.where(kept, s, 0), torch.where(kept, y, 0)
            w = kept.to(s.dtype) if w is None else torch.where(kept, w.to(s.dtype), 0)
            count = kept.sum()
        else:
            w = None if w is None else w.to(s.dtype)
            count = s.numel()
        rows = self._rows_on_device(torch, s, y, inputs.per_row)
        if w is not None:
            rows = torch.where(w == 0, 0, rows * w)
        if self.reduction == "none":
            return rows.reshape(inputs.shape)
        if self.reduction == "sum":
            return rows.sum()
        return rows.sum() / (w.sum() if self.reduction == "mean" and w is not None else count)

    def _check_on_device(self, torch: Any, inputs: LossInputs) -> None:
        for name, values in inputs.per_row.items():
            check_finite(torch, name, values)
            self._check_per_row(name, values)
        s, y, w = self._row_by_row(inputs)
        check_values(self, torch, s, y, w, targets=self.targets, predictions=self.predictions)
