"""What a loss is called with, as arrays the core can read: views wherever the source allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import LossError
from tradewright.loss_functions.group_index import GroupIndex

__all__ = ["LossInputs", "as_output", "check_shapes", "numpy_inputs", "readable", "shape_error"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class LossInputs:
    """The rows of one call; arrays in numpy's world, tensors of one device in torch's.

    ``prediction`` and ``target`` are 1-D and of equal length, and so are the others where they are given; with several
    predictions a row those are flat, row by row, and as many times longer.
    ``shape`` and ``dtype`` are those of the caller's predictions: what the gradient comes back in.
    """

    prediction: Any
    target: Any
    weight: Any = None
    groups: Any = None
    assets: Any = None
    per_row: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    dtype: Any = None


def numpy_inputs(
    y_true: Any,
    y_pred: Any,
    sample_weight: Any = None,
    groups: Any = None,
    assets: Any = None,
    per_row: Mapping[str, Any] | None = None,
    *,
    outputs: int = 1,
) -> LossInputs:
    """Coerce one call's arguments; ``outputs`` is how many predictions a row has.

    Anything ``numpy.asarray`` understands is taken: polars and pandas series and read-only or strided arrays are
    viewed, not copied. Integers and booleans stay as they are (the core converts them block by block), except for
    predictions, which become float64; float16 becomes float32.

    Raises
    ------
    LossError
        When shapes do not agree, or a dtype is not numeric.
    """
    target, prediction = _numeric("y_true", y_true), _numeric("y_pred", y_pred)
    check_shapes(target.shape, prediction.shape, outputs)
    rows = prediction.shape[0]
    dtype = prediction.dtype if prediction.dtype.kind == "f" else np.dtype(np.float64)
    further = {name: _numeric(name, value) for name, value in (per_row or {}).items() if value is not None}
    for name, value in further.items():
        if value.shape[:1] != (rows,):
            raise shape_error(name, value.shape, prediction.shape)
    return LossInputs(
        prediction=readable(prediction.reshape(-1), float_only=True),
        target=readable(target.reshape(-1)),
        weight=_row_argument("sample_weight", sample_weight, prediction.shape),
        groups=_ids("groups", groups, prediction.shape),
        assets=_ids("assets", assets, prediction.shape),
        per_row=further,
        shape=prediction.shape,
        dtype=dtype,
    )


def check_shapes(target: tuple[int, ...], prediction: tuple[int, ...], outputs: int = 1) -> None:
    """Refuse targets and predictions that are not the same (n,) or (n, 1), or with several outputs not (n, outputs)."""
    if outputs > 1:
        if len(prediction) == 2 and prediction[1] == outputs and target in (prediction[:1], (prediction[0], 1)):
            return
        raise LossError(
            f"y_true has shape {target}, y_pred has shape {prediction}; pass targets of shape (n,) and predictions of "
            f"shape (n, {outputs})",
            code="loss.shape",
            y_true=target,
            y_pred=prediction,
        )
    is_rows = len(prediction) == 1 or (len(prediction) == 2 and prediction[1] == 1)
    if target == prediction and is_rows:
        return
    if not is_rows:
        hint = "pass predictions of shape (n,) or (n, 1)"
    elif target[:1] == prediction[:1]:
        hint = "broadcasting would pair every row with every other: pass both as (n,), such as y_pred.ravel()"
    else:
        hint = "pass arrays that describe the same rows"
    raise LossError(
        f"y_true has shape {target}, y_pred has shape {prediction}; {hint}",
        code="loss.shape",
        y_true=target,
        y_pred=prediction,
    )


def shape_error(name: str, shape: tuple[int, ...], prediction: tuple[int, ...], width: int = 1) -> LossError:
    """Build the error for a per-row argument that does not fit."""
    wanted = "one value per row" if width == 1 else f"{width} values per row, shape ({prediction[0]}, {width})"
    return LossError(
        f"{name} has shape {shape}, y_pred has shape {prediction}; pass {wanted}",
        code="loss.shape",
        argument=name,
        got=shape,
        y_pred=prediction,
    )


def as_output(out: Any, inputs: LossInputs) -> tuple[Array, Array]:
    """Return what to hand back and the flat view of it that the core fills.

    Raises
    ------
    LossError
        When ``out`` is not a writable, C-contiguous array of the predictions' shape and dtype.
    """
    working = inputs.prediction.dtype
    if out is None:
        fresh: Array = np.empty(inputs.shape, dtype=working)
        return fresh, fresh.reshape(-1)
    problem = None
    if not isinstance(out, np.ndarray):
        problem = f"is a {type(out).__name__}"
    elif out.shape != inputs.shape or out.dtype != working:
        problem = f"has shape {out.shape} and dtype {out.dtype}"
    elif not out.flags.c_contiguous or not out.flags.writeable:
        problem = "is read-only or not contiguous"
    elif np.may_share_memory(out, inputs.prediction):
        problem = "shares memory with y_pred"
    if problem is not None:
        raise LossError(
            f"out {problem}; pass a writable, contiguous array of shape {inputs.shape} and dtype {working} of its own, "
            "or leave it out",
            code="loss.out",
        )
    return out, out.reshape(-1)


def _numeric(name: str, value: Any) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise LossError(
            f"{name} is a masked array, whose mask would be lost; pass {name}.filled(numpy.nan) with "
            'nan_policy="omit", or the rows that count',
            code="loss.masked",
            argument=name,
        )
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise LossError(
            f"{name} has dtype {array.dtype}; pass numbers, such as numpy.asarray({name}, dtype=float)",
            code="loss.dtype",
            argument=name,
        )
    return array


def _row_argument(name: str, value: Any, shape: tuple[int, ...]) -> Array | None:
    if value is None:
        return None
    array = _numeric(name, value)
    if array.shape not in ((shape[0],), (shape[0], 1)):
        raise shape_error(name, array.shape, shape)
    return readable(array.reshape(-1))


def _ids(name: str, value: Any, shape: tuple[int, ...]) -> Any:
    # A ready index checks its own length.
    if value is None or isinstance(value, GroupIndex):
        return value
    array = np.asarray(value)
    if array.shape != (shape[0],):
        raise shape_error(name, array.shape, shape)
    return array


def readable(array: Array, *, float_only: bool = False) -> Array:
    """Return the array itself where the core can read it, else a copy in a dtype or layout that it can."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size == 2:
        array = array.astype(np.float32)
    elif (kind == "f" and size > 8) or (float_only and kind != "f"):
        array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    stride = array.strides[0]
    # Reversed and broadcast views, and fields of records, are rare enough to be copied.
    if not array.flags.aligned or (len(array) > 1 and (stride <= 0 or stride % array.dtype.itemsize)):
        array = np.ascontiguousarray(array) if array.flags.aligned else array.copy()
    return array
