"""Promises of losses that are sums over rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.loss_functions import BaseLoss, DirectionalLoss, PointLoss
from tradewright.testing import losses_common
from tradewright.testing.loss_problem import Problem, assert_close, assert_raises, changed, run, slope

__all__ = ["check_point_loss"]

Array = NDArray[Any]
_REDUCED = ("mean", "mean_n", "sum")


def check_point_loss(loss: PointLoss, *, rows: int = 400, seed: int = 0) -> list[str]:
    """Check that a loss of rows keeps every promise of the contract; see :func:`check_loss`."""
    checks = [*_checks(loss), *losses_common.checks(loss)]
    for problem in _problems(loss, rows, np.random.default_rng(seed)):
        ran = run(loss, problem, checks)
    return ran


def _problems(loss: Any, rows: int, rng: np.random.Generator) -> Iterator[Problem]:
    """Draw random rows; for a loss with per-row arguments also rows that have them."""
    # GMADL is steep: its scores and targets are small numbers.
    unit = loss.a**-0.5 if isinstance(loss, DirectionalLoss) and loss.kind == "gmadl" else 1.0
    shape: Any = rows if loss.outputs == 1 else (rows, loss.outputs)
    target = _sample(loss.targets, rows, rng, unit)
    prediction = _sample(loss.predictions, shape, rng, unit)
    weight = rng.choice([0.0, 0.5, 1.0, 3.0], rows)
    weight[0] = 1.0
    problem = Problem(target, prediction, weight, unit=unit)
    yield problem
    if loss.per_row_names:
        widths = {name: loss.per_row_widths.get(name, 1) for name in loss.per_row_names}
        drawn = {name: rng.uniform(0.2, 3.0, (rows, width) if width > 1 else rows) for name, width in widths.items()}
        yield problem.replace(further=drawn)


def _checks(loss: Any) -> list[Callable[[Any, Problem], None]]:
    """Return what is checked of this loss."""
    found = [_foresight, _reductions, _weighted_values, _missing, _empty, _bad_values, _argument_shapes]
    if loss.differentiable:
        return [_gradient, _hessian, _weights, _permutation, *found, _omitted, _extremes, _whole_numbers]
    return [*found, _no_gradient]


def _sample(domain: str, shape: Any, rng: np.random.Generator, unit: float) -> Array:
    """Draw values of a domain, in its interior where it has one: derivatives are taken numerically."""
    if domain == "binary":
        labels: Array = rng.integers(0, 2, shape).astype(float)
        return labels
    drawn: Array = rng.uniform(0.02, 0.98, shape) if domain == "unit" else rng.normal(0.0, 3.0 * unit, shape)
    return drawn


def _gradient(loss: PointLoss, problem: Problem) -> None:
    rows = changed(loss, reduction="none")
    values, gradient = problem.value_and_grad(rows)

    def at(prediction: Array) -> Array:
        return np.asarray(problem.replace(prediction=prediction).call(rows))

    expected, kinks = slope(at, problem.prediction, 1e-4 * problem.unit)
    assert kinks.mean() < 0.05, "the loss has kinks everywhere"
    assert_close(gradient[~kinks], expected[~kinks], 1e-5, 1e-7 * float(abs(gradient).max()))
    assert_close(values, problem.call(rows), 0, 0)
    weight = problem.weight.sum() * loss.outputs
    for reduction, divisor in (("mean", weight), ("mean_n", problem.prediction.size), ("sum", 1.0)):
        value, reduced = problem.value_and_grad(changed(loss, reduction=reduction))
        assert_close(reduced, gradient / divisor)
        assert_close(value, values.sum() / divisor, 1e-12, 1e-12 * float(abs(values).max()))
        assert problem.call(changed(loss, reduction=reduction)) == value, "a call gives another value"


def _foresight(loss: PointLoss, problem: Problem) -> None:
    """Predictions that know the target lose less than those that know its opposite: losses are minimised."""
    target, reduced = problem.target, changed(loss, reduction="mean")
    if loss.targets != "real":
        target = np.round(target)
        right = np.clip(target, 0.1, 0.9) if loss.predictions == "unit" else 6 * target - 3
        wrong = 1 - right if loss.predictions == "unit" else -right
    else:
        right, wrong = target, -target
    shape = problem.prediction.shape
    right, wrong = (np.broadcast_to(s if len(shape) == 1 else s[:, None], shape) for s in (right, wrong))
    known = problem.replace(target=target, further={})
    assert known.replace(prediction=right).call(reduced) < known.replace(prediction=wrong).call(reduced), (
        "it is no loss"
    )


def _hessian(loss: PointLoss, problem: Problem) -> None:
    gradient, hessian = problem.grad_hess(loss)
    weight = _per_prediction(problem.weight, loss)
    assert (hessian >= 1e-6 * weight * (1 - 1e-6)).all(), "the hessian falls below its floor"
    slopes = problem.value_and_grad(changed(loss, reduction="none"))[1]
    assert_close(gradient, loss.boosting_scale * slopes, 1e-9, 1e-14 * float(np.abs(slopes).max()))
    plain = changed(loss, hessian=None)
    if loss.default_hessian is not None:
        named = changed(loss, hessian=loss.default_hessian)
        assert_close(problem.grad_hess(plain)[1], problem.grad_hess(named)[1], 1e-12)
    if "exact" in loss.hessians:

        def at(prediction: Array) -> Array:
            return np.asarray(problem.replace(prediction=prediction).grad_hess(plain)[0])

        exact, kinks = slope(at, problem.prediction, 1e-4 * problem.unit)
        got = problem.grad_hess(changed(loss, hessian="exact"))[1]
        assert_close(got[~kinks], np.maximum(exact, 1e-6 * weight)[~kinks], 1e-4, 1e-6 * float(abs(exact).max()))
        if "abs" in loss.hessians:
            got = problem.grad_hess(changed(loss, hessian="abs"))[1]
            assert_close(got[~kinks], np.maximum(abs(exact), 1e-6 * weight)[~kinks], 1e-4, 1e-6 * abs(exact).max())
    for choice in loss.hessians:
        assert np.isfinite(problem.grad_hess(changed(loss, hessian=choice))[1]).all(), choice
    if "constant" in loss.hessians:
        assert_close(problem.grad_hess(changed(loss, hessian="constant"))[1], weight)


def _per_prediction(weight: Array, loss: PointLoss) -> Array:
    return weight if loss.outputs == 1 else np.repeat(weight[:, None], loss.outputs, axis=1)


def _weights(loss: PointLoss, problem: Problem) -> None:
    copies = np.arange(len(problem.target)) % 4
    gradient = problem.value_and_grad(loss, sample_weight=copies)[1]
    assert (gradient[copies == 0] == 0).all(), "a row of weight 0 has a gradient"
    once = changed(loss, reduction="sum").value_and_grad
    single = once(problem.target, problem.prediction, **problem.further)[1]
    weighted = problem.value_and_grad(changed(loss, reduction="sum"), sample_weight=copies)[1]
    assert_close(weighted, single * _per_prediction(copies, loss), 1e-12)


def _weighted_values(loss: PointLoss, problem: Problem) -> None:
    copies = np.arange(len(problem.target)) % 4
    repeated = problem.rows(np.repeat(np.arange(len(copies)), copies))
    repeated = repeated.replace(weight=np.ones(len(repeated.target)))
    for reduction in ("mean", "sum"):
        reduced = changed(loss, reduction=reduction)
        assert_close(problem.call(reduced, sample_weight=copies), repeated.call(reduced), 1e-12, 1e-13)
    assert_raises(lambda: problem.call(loss, sample_weight=np.where(np.arange(len(copies)) == 3, -1.0, 1.0)), row=3)
    assert_raises(lambda: problem.call(loss, sample_weight=np.where(np.arange(len(copies)) == 3, np.nan, 1.0)), row=3)
    assert_raises(lambda: problem.call(loss, sample_weight=problem.weight[:-1]))


def _permutation(loss: PointLoss, problem: Problem) -> None:
    order = np.random.default_rng(1).permutation(len(problem.target))
    value, gradient = problem.value_and_grad(loss)
    again, moved = problem.rows(order).value_and_grad(loss)
    assert_close(again, np.asarray(value)[order] if loss.reduction == "none" else value, 1e-12, 1e-14)
    assert_close(moved, gradient[order], 1e-12, 1e-14)


def _whole_numbers(loss: PointLoss, problem: Problem) -> None:
    for dtype in (bool, np.int8, np.int64, np.uint16, np.float32):
        hard = (problem.target > 0.5).astype(dtype)
        whole, wide = problem.replace(target=hard), problem.replace(target=hard.astype(float))
        assert_close(whole.call(loss), wide.call(loss), 0, 0)


def _reductions(loss: PointLoss, problem: Problem) -> None:
    rows = problem.call(changed(loss, reduction="none"))
    assert rows.shape == problem.prediction.shape, "a row has no value of its own"
    weight = problem.weight.sum() * loss.outputs
    for reduction, expected in (("sum", rows.sum()), ("mean", rows.sum() / weight), ("mean_n", rows.mean())):
        got = problem.call(changed(loss, reduction=reduction))
        assert isinstance(got, float)
        assert_close(got, expected, 1e-12, 1e-12 * float(abs(rows).max()))


def _missing(loss: PointLoss, problem: Problem) -> None:
    holes, kept = _with_holes(problem)
    assert_raises(lambda: holes.call(changed(loss, nan_policy="raise")), row=5)
    for reduction in _REDUCED:
        omit = changed(loss, nan_policy="omit", reduction=reduction)
        assert_close(holes.call(omit), problem.rows(kept).call(omit), 1e-12, 1e-14)


def _with_holes(problem: Problem) -> tuple[Problem, Array]:
    target = problem.target.copy()
    target[5::7] = np.nan
    return problem.replace(target=target), ~np.isnan(target)


def _omitted(loss: PointLoss, problem: Problem) -> None:
    holes, kept = _with_holes(problem)
    for reduction in _REDUCED:
        omit = changed(loss, nan_policy="omit", reduction=reduction)
        gradient, slopes = holes.value_and_grad(omit)[1], problem.rows(kept).value_and_grad(omit)[1]
        assert_close(gradient[kept], slopes, 1e-12, 1e-14)
        assert (gradient[~kept] == 0).all(), "an omitted row has a gradient"
    for part in holes.grad_hess(changed(loss, nan_policy="omit")):
        assert (part[~kept] == 0).all()


def _bad_values(loss: PointLoss, problem: Problem) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        prediction = problem.prediction.copy()
        prediction[9] = bad
        assert_raises(lambda prediction=prediction: problem.replace(prediction=prediction).call(loss), row=9)  # type: ignore[misc]
        for name, value in problem.further.items():
            broken = value.copy()
            broken[11] = bad
            further = {**problem.further, name: broken}
            assert_raises(lambda further=further: problem.replace(further=further).call(loss), row=11)  # type: ignore[misc]
    outside = {"real": np.inf, "unit": 1.5, "binary": 0.5}[loss.targets]
    target = problem.target.copy()
    target[13] = outside
    assert_raises(lambda: problem.replace(target=target).call(loss), row=13)


def _argument_shapes(loss: PointLoss, problem: Problem) -> None:
    for name, value in problem.further.items():
        assert_raises(lambda name=name, value=value: problem.call(loss, **{name: value[:-1]}))  # type: ignore[misc]
        if value.ndim == 2:
            assert_raises(lambda name=name, value=value: problem.call(loss, **{name: value[:, :-1]}))  # type: ignore[misc]


def _empty(loss: PointLoss, problem: Problem) -> None:
    none = problem.rows(slice(0, 0))
    for reduction in ("mean", "mean_n"):
        assert_raises(lambda reduction=reduction: none.call(changed(loss, reduction=reduction)))  # type: ignore[misc]
    assert_raises(lambda: problem.call(changed(loss, reduction="mean"), sample_weight=np.zeros(len(problem.target))))
    assert none.call(changed(loss, reduction="sum")) == 0.0
    assert none.call(changed(loss, reduction="none")).shape == none.prediction.shape


def _extremes(loss: PointLoss, problem: Problem) -> None:
    ends = [0.0, 1.0] if loss.predictions == "unit" else [-1000.0, -1e-30, 0.0, 1000.0]
    labels = [0.0, 1.0] if loss.targets != "real" else [-1.0, 0.0, 1.0]
    target, score = (grid.ravel() for grid in np.meshgrid(labels, ends))
    prediction = score if loss.outputs == 1 else np.repeat(score[:, None], loss.outputs, axis=1)
    further = {name: value[: len(target)] for name, value in problem.further.items()}
    for dtype in (np.float32, np.float64):
        value, gradient = loss.value_and_grad(target, prediction.astype(dtype), **further)
        assert np.isfinite(value).all(), f"not finite at {ends}"
        assert np.isfinite(gradient).all(), f"the gradient is not finite at {ends}"
        slopes, hessian = loss.grad_hess(target, prediction.astype(dtype), **further)
        assert np.isfinite(slopes).all(), f"boosting gets infinities at {ends}"
        assert np.isfinite(hessian).all(), f"boosting gets infinite curvatures at {ends}"
        assert (hessian >= 0.999e-6).all(), f"the hessian falls below its floor at {ends}"


def _no_gradient(loss: BaseLoss, problem: Problem) -> None:
    from tradewright.errors import UnsupportedError

    for call in (problem.value_and_grad, problem.grad_hess):
        try:
            call(loss)
        except UnsupportedError:
            continue
        raise AssertionError("a loss without a gradient gives one")
