"""Losses as objectives and metrics of LightGBM and XGBoost, written once for all losses.

Neither library is imported: both hand over arrays, or a data set that has ``get_label``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import LossError, ParameterError
from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.loss_functions.inputs import LossInputs

__all__ = ["BoundMetric", "BoundObjective", "Library", "bind_metric", "bind_objective"]

Library = Literal["lightgbm", "xgboost"]
Array = NDArray[Any]


class _Rows:
    """The per-row arguments of certain rows; any rows will do where there are none."""

    __slots__ = ("arguments", "data", "rows")

    def __init__(self, arguments: Mapping[str, Any], data: Any = None) -> None:
        self.arguments = dict(arguments)
        self.data = data
        lengths = {name: _length(value) for name, value in self.arguments.items()}
        if len(set(lengths.values())) > 1:
            raise LossError(f"the bound arguments differ in length: {lengths}", code="loss.shape", **lengths)
        self.rows = next(iter(lengths.values()), None)


class _Bound:
    """A loss with the rows it belongs to: one set of them, or for metrics several."""

    __slots__ = ("library", "loss", "sets")

    def __init__(self, loss: BaseLoss, library: Library, sets: Sequence[_Rows]) -> None:
        self.loss = loss
        self.library = library
        self.sets = tuple(sets)

    def __repr__(self) -> str:
        rows = " and ".join(str(bound.rows) for bound in self.sets if bound.rows is not None)
        return f"<{type(self).__name__} of {self.loss!r} for {self.library}{f', bound to {rows} rows' if rows else ''}>"

    @property
    def __name__(self) -> str:
        """The name libraries show."""
        return self.loss.name

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is type(self)
            and (self.loss, self.library) == (other.loss, other.library)
            and not any(bound.arguments for bound in (*self.sets, *other.sets))
        )

    def __hash__(self) -> int:
        return hash((type(self), self.loss, self.library))

    def __getstate__(self) -> tuple[BaseLoss, Library, list[dict[str, Any]]]:
        # A library's data set is another object after a pickle, if it pickles at all.
        return self.loss, self.library, [bound.arguments for bound in self.sets]

    def __setstate__(self, state: tuple[BaseLoss, Library, list[dict[str, Any]]]) -> None:
        loss, library, arguments = state
        # Buffers are not carried along.
        self.__init__(loss, library, [_Rows(each) for each in arguments])  # type: ignore[misc]

    def _call(self, first: Any, second: Any, weight: Any) -> LossInputs:
        """Return the inputs of a call with (target, prediction) or (prediction, data set)."""
        data = second if hasattr(second, "get_label") else None
        if data is not None:
            given = data.get_weight()
            target, prediction = np.asarray(data.get_label()), np.asarray(first)
            weight = None if given is None or len(given) == 0 else np.asarray(given)
        else:
            target, prediction = np.asarray(first), np.asarray(second)
        if prediction.ndim == 1 and self.loss.outputs > 1:
            # LightGBM hands out one column after the other.
            prediction = prediction.reshape(self.loss.outputs, -1).T
        elif prediction.ndim == 2 and prediction.shape[1] == 1:
            prediction = prediction[:, 0]
        arguments = self._rows_of(data, len(target)).arguments
        return self.loss._prepare(target.reshape(len(target)), prediction, weight, arguments)

    def _rows_of(self, data: Any, rows: int) -> _Rows:
        """Return the bound rows a call is about: those of this very data set, else those of this length."""
        if data is not None:
            for bound in self.sets:
                if bound.data is data:
                    return bound
        found = [bound for bound in self.sets if bound.rows in (None, rows)]
        if len(found) == 1:
            return found[0]
        what = "objective" if isinstance(self, BoundObjective) else "metric"
        if found:
            raise LossError(
                f"this {what} is bound to {len(found)} sets of {rows} rows and cannot tell which of them is evaluated: "
                "name the library's data set of each as data= in sets=, or evaluate one of them",
                code="loss.bound_twice",
                got=rows,
            )
        lengths = " and ".join(str(bound.rows) for bound in self.sets)
        raise LossError(
            f"this {what} is bound to {lengths} rows and was called with {rows}: bind it to the rows that are trained "
            "or evaluated, in their order (a metric takes each set of them in sets=)",
            code="loss.bound_rows",
            expected=[bound.rows for bound in self.sets],
            got=rows,
        )


class BoundObjective(_Bound):
    """A loss as a custom objective. Made by :meth:`BaseLoss.objective`.

    Takes ``(y_true, y_pred, sample_weight)`` from estimators and ``(prediction, data set)`` from ``train``. What it
    returns are buffers that the next call overwrites.
    """

    __slots__ = ("_buffers",)

    def __init__(self, loss: BaseLoss, library: Library, sets: Sequence[_Rows]) -> None:
        super().__init__(loss, library, sets)
        self._buffers: list[Array] = []

    # LightGBM counts parameters by signature: the third one makes it pass weights.
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Return gradient and curvature of each row, float32 and C-contiguous."""
        inputs = self._call(y_true, y_pred, sample_weight)
        width = inputs.prediction.dtype
        if not self._buffers or self._buffers[0].shape != inputs.shape or self._buffers[-1].dtype != width:
            narrow = [np.empty(inputs.shape, dtype=np.float32) for _ in range(2)]
            wide = [] if width == np.float32 else [np.empty(inputs.shape, dtype=width) for _ in range(2)]
            self._buffers = [*narrow, *wide]
        gradient, hessian = self._buffers[-2:]
        self.loss._grad_hess(inputs, gradient.reshape(-1), hessian.reshape(-1))
        if len(self._buffers) > 2:
            np.copyto(self._buffers[0], gradient, casting="same_kind")
            np.copyto(self._buffers[1], hessian, casting="same_kind")
        return self._buffers[0], self._buffers[1]


class BoundMetric(_Bound):
    """A loss as an evaluation metric of raw scores. Made by :meth:`BaseLoss.metric`."""

    __slots__ = ()

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return ``(name, value, False)`` to LightGBM, ``(name, value)`` or the value to XGBoost."""
        native = hasattr(y_pred, "get_label")
        value = float(self.loss._value(self._call(y_true, y_pred, sample_weight)))
        if self.library == "lightgbm":
            return self.loss.name, value, False
        return (self.loss.name, value) if native else value


def bind_objective(
    loss: BaseLoss, library: str, groups: Any, assets: Any, per_row: Mapping[str, Any]
) -> BoundObjective:
    """Return ``loss`` as an objective; see :meth:`BaseLoss.objective`."""
    if not loss.differentiable:
        # The loss's own words for it.
        loss.grad_hess(np.zeros(1), np.zeros(1))
    return BoundObjective(loss, _library(library), [_Rows(_arguments(loss, groups, assets, **per_row))])


def bind_metric(
    loss: BaseLoss,
    library: str,
    groups: Any,
    assets: Any,
    sets: Sequence[Mapping[str, Any]] | None,
    per_row: Mapping[str, Any],
) -> BoundMetric:
    """Return ``loss`` as a metric; see :meth:`BaseLoss.metric`."""
    if loss.reduction == "none":
        raise ParameterError('a metric is one number; use another reduction than "none"', code="loss.metric")
    single = {"groups": groups, "assets": assets, **per_row}
    if sets is None:
        return BoundMetric(loss, _library(library), [_Rows(_arguments(loss, **single))])
    if any(value is not None for value in single.values()) or not sets:
        raise ParameterError(
            "sets= is one mapping of groups, assets and the like for each evaluated set, at least one; pass those there "
            "and not beside it",
            code="loss.metric",
        )
    bound = []
    for each in sets:
        named = dict(each)
        data = named.pop("data", None)
        bound.append(_Rows(_arguments(loss, **named), data))
    return BoundMetric(loss, _library(library), bound)


def _library(library: str) -> Library:
    if library in get_args(Library):
        return cast("Library", library)
    raise ParameterError(
        f"library={library!r} is not known; pass 'lightgbm' or 'xgboost'",
        code="parameter.invalid",
        name="library",
        value=library,
    )


def _arguments(loss: BaseLoss, groups: Any = None, assets: Any = None, **per_row: Any) -> dict[str, Any]:
    loss._check_names(per_row)
    if groups is not None and not isinstance(groups, GroupIndex):
        # Sorted once, not in every round.
        groups, assets = GroupIndex(groups, assets), None
    named = {"groups": groups, "assets": assets, **per_row}
    return {name: value for name, value in named.items() if value is not None}


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else len(np.asarray(value))
