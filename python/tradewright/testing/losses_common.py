"""Promises that losses of every family make."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright._optional import is_available
from tradewright.loss_functions import BaseLoss
from tradewright.testing import losses_boosting
from tradewright.testing.loss_problem import Problem, assert_close, assert_raises, changed

__all__ = ["checks", "value_semantics"]

Array = NDArray[Any]


def checks(loss: BaseLoss) -> list[Callable[[BaseLoss, Problem], None]]:
    """Return what is checked of this loss."""
    found: list[Callable[[BaseLoss, Problem], None]] = [value_semantics]
    if loss.differentiable:
        found += [_dtypes, _layout, _out, losses_boosting.boosting]
    if is_available("torch"):
        found.append(_torch)
    return found


def _dtypes(loss: BaseLoss, problem: Problem) -> None:
    narrow = problem.replace(prediction=problem.prediction.astype(np.float32))
    wide = narrow.replace(prediction=narrow.prediction.astype(np.float64))
    (value, gradient), (expected, slopes) = narrow.value_and_grad(loss), wide.value_and_grad(loss)
    assert gradient.dtype == np.float32, "the gradient has another dtype than the prediction"
    assert_close(value, expected, 1e-5, 1e-6 * float(np.abs(expected).max()))
    assert_close(gradient, slopes, 1e-4, 1e-5 * float(np.abs(slopes).max()))
    half = problem.replace(prediction=problem.prediction.astype(np.float16))
    assert half.value_and_grad(loss)[1].dtype == np.float16


def _layout(loss: BaseLoss, problem: Problem) -> None:
    value, gradient = problem.value_and_grad(loss)
    for copy in (_strided, _read_only, lambda array: array[::-1].copy()[::-1]):
        further = {name: copy(array) for name, array in problem.further.items()}
        other = Problem(copy(problem.target), copy(problem.prediction), copy(problem.weight), further)
        again, moved = other.value_and_grad(loss)
        assert_close(again, value, 0, 0)
        assert_close(moved, gradient, 0, 0)
    if problem.prediction.ndim == 1:
        column = problem.replace(prediction=problem.prediction[:, None], target=problem.target[:, None])
        again, moved = column.value_and_grad(loss)
        assert moved.shape == (len(gradient), 1), "a column of predictions has no column of gradients"
        assert_close(moved.ravel(), gradient, 0, 0)
        assert_raises(lambda: problem.replace(target=problem.target[:, None]).call(loss))
    assert_raises(lambda: problem.replace(target=problem.target[:-1]).call(loss))


def _strided(array: Array) -> Array:
    wide = np.zeros((2 * len(array), *array.shape[1:]), dtype=array.dtype)
    wide[::2] = array
    return wide[::2]


def _read_only(array: Array) -> Array:
    array = array.copy()
    array.setflags(write=False)
    return array


def _out(loss: BaseLoss, problem: Problem) -> None:
    expected = problem.value_and_grad(loss)[1]
    out = np.full_like(problem.prediction, np.nan)
    assert problem.value_and_grad(loss, out=out)[1] is out
    assert_close(out, expected, 0, 0)
    shape = problem.prediction.shape
    bad = [
        np.empty((shape[0] + 1, *shape[1:])),
        np.empty(shape, np.float32),
        np.empty((2 * shape[0], *shape[1:]))[::2],
        problem.prediction,
    ]
    for wrong in bad:
        assert_raises(lambda wrong=wrong: problem.value_and_grad(loss, out=wrong))  # type: ignore[misc]


def value_semantics(loss: BaseLoss, problem: Problem) -> None:
    """Pickle, JSON, hash, frozen fields."""
    again = pickle.loads(pickle.dumps(loss))
    assert again == loss, "pickle does not give the same loss back"
    assert hash(again) == hash(loss)
    for rebuilt in (type(loss).from_dict(json.loads(json.dumps(loss.to_dict()))), BaseLoss.from_dict(loss.to_dict())):
        assert rebuilt == loss, "JSON does not give the same loss back"
        assert rebuilt.to_json() == loss.to_json()
    assert_close(problem.call(again), problem.call(loss), 0, 0)
    if loss.outputs == 1:
        assert np.isfinite(loss.init_score(problem.target, problem.weight))
    frozen: Any = loss
    try:
        frozen.reduction = "sum"
    except AttributeError:
        return
    raise AssertionError("the loss is not frozen")


def _torch(loss: BaseLoss, problem: Problem) -> None:
    from tradewright.testing import losses_torch

    losses_torch.check(loss, problem)
    if loss.differentiable and loss.reduction != "none":
        losses_torch.check_sum(changed(loss), problem)
