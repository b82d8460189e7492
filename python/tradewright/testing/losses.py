"""The contract of a loss, as a suite that needs no test framework."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright._optional import is_available
from tradewright.errors import LossError, TradewrightError
from tradewright.loss_functions import BaseLoss, GroupLoss, PointLoss, SeriesLoss
from tradewright.testing.losses_group import check_group_loss
from tradewright.testing.losses_series import check_series_loss

__all__ = ["check_loss"]

Array = NDArray[Any]


def check_loss(loss: PointLoss | GroupLoss | SeriesLoss, *, rows: int = 400, seed: int = 0) -> list[str]:
    """Check that a loss keeps every promise of the contract.

    Numerical gradient and hessian, weights (weight 2 is the row twice), order of rows, both widths, strided and
    read-only input, reductions, missing targets, no rows, extreme scores, ``out=``, pickle, JSON, and, where torch is
    installed, equality with autograd through torch's own operations.

    Parameters
    ----------
    loss : PointLoss, GroupLoss or SeriesLoss
        Any concrete loss; it is checked with its parameters and each reduction.
    rows : int, default 400
        How many random rows to check on.
    seed : int, default 0
        What the rows are drawn from.

    Returns
    -------
    list of str
        The names of the checks that ran; all of them held.

    Raises
    ------
    AssertionError
        When a promise is broken; the message names the check.

    Examples
    --------
    >>> from tradewright.loss_functions import MSELoss
    >>> "gradient" in check_loss(MSELoss())
    True
    """
    if isinstance(loss, GroupLoss):
        return check_group_loss(loss, rows=rows, seed=seed)
    if isinstance(loss, SeriesLoss):
        return check_series_loss(loss, rows=rows, seed=seed)
    rng = np.random.default_rng(seed)
    target, prediction = _sample(loss.targets, rows, rng), _sample(loss.predictions, rows, rng)
    weight = rng.choice([0.0, 0.5, 1.0, 3.0], rows)
    weight[0] = 1.0
    checks: list[Callable[[PointLoss, Array, Array, Array], None]] = [
        _gradient,
        _hessian,
        _weights,
        _permutation,
        _dtypes,
        _layout,
        _reductions,
        _missing_targets,
        _empty,
        _extremes,
        _out,
        _value_semantics,
    ]
    if is_available("torch"):
        checks.append(_torch)
    for check in checks:
        try:
            check(loss, target, prediction, weight)
        except (AssertionError, TradewrightError) as error:
            raise AssertionError(f"{loss!r} fails {check.__name__.strip('_')}: {error}") from error
    return [check.__name__.strip("_") for check in checks]


def _sample(domain: str, rows: int, rng: np.random.Generator) -> Array:
    """Draw values of a domain, in its interior where it has one: derivatives are taken numerically."""
    if domain == "binary":
        return rng.integers(0, 2, rows).astype(float)
    return rng.uniform(0.02, 0.98, rows) if domain == "unit" else rng.normal(0.0, 3.0, rows)


def _with(loss: PointLoss, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(loss, **changes)


def _close(got: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


def _slope(f: Callable[[Array], Array], at: Array, step: float = 1e-4) -> Array:
    """Differentiate row by row: fourth-order central differences."""
    near, far = f(at + step) - f(at - step), f(at + 2 * step) - f(at - 2 * step)
    slope: Array = (8 * near - far) / (12 * step)
    return slope


def _gradient(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    rows = _with(loss, reduction="none")
    expected = _slope(lambda at: rows(y, at, sample_weight=w), s)
    values, gradient = rows.value_and_grad(y, s, sample_weight=w)
    _close(gradient, expected, 1e-5, 1e-7)
    _close(values, rows(y, s, sample_weight=w), 0, 0)
    for reduction, divisor in (("mean", w.sum()), ("mean_n", len(w)), ("sum", 1.0)):
        value, reduced = _with(loss, reduction=reduction).value_and_grad(y, s, sample_weight=w)
        _close(reduced, gradient / divisor)
        _close(value, values.sum() / divisor, 1e-12)


def _hessian(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    gradient, hessian = loss.grad_hess(y, s, sample_weight=w)
    assert (hessian >= 1e-6 * w * (1 - 1e-6)).all(), "the hessian falls below its floor"
    plain = _with(loss, hessian=None)
    slope = _with(loss, reduction="none").value_and_grad(y, s, sample_weight=w)[1]
    # The boosting form may be the loss times a constant, such as one half.
    used = np.abs(slope) > 1e-6
    factors = gradient[used] / slope[used]
    _close(factors, np.full_like(factors, factors[0]), 1e-9)
    if "exact" in loss.hessians:
        exact = _slope(lambda at: plain.grad_hess(y, at, sample_weight=w)[0], s)
        got = _with(loss, hessian="exact").grad_hess(y, s, sample_weight=w)[1]
        _close(got, np.maximum(exact, 1e-6 * w), 1e-4, 1e-6)
    for choice in loss.hessians:
        assert np.isfinite(_with(loss, hessian=choice).grad_hess(y, s, sample_weight=w)[1]).all(), choice
    if "constant" in loss.hessians:
        _close(_with(loss, hessian="constant").grad_hess(y, s, sample_weight=w)[1], w)


def _weights(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    copies = np.arange(len(y)) % 4
    each = np.repeat(np.arange(len(y)), copies)
    for reduction in ("mean", "sum"):
        reduced = _with(loss, reduction=reduction)
        _close(reduced(y, s, sample_weight=copies), reduced(y[each], s[each]), 1e-12)
    kept = copies > 0
    gradient = loss.value_and_grad(y, s, sample_weight=copies)[1]
    assert loss.reduction == "none" or (gradient[~kept] == 0).all(), "a row of weight 0 has a gradient"
    _raises(lambda: loss(y, s, sample_weight=np.where(np.arange(len(y)) == 3, -1.0, 1.0)), row=3)
    _raises(lambda: loss(y, s, sample_weight=w[:-1]))


def _permutation(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    order = np.random.default_rng(1).permutation(len(y))
    value, gradient = loss.value_and_grad(y, s, sample_weight=w)
    again, moved = loss.value_and_grad(y[order], s[order], sample_weight=w[order])
    _close(again, np.asarray(value)[order] if loss.reduction == "none" else value, 1e-12)
    _close(moved, gradient[order], 1e-12)


def _dtypes(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    wide = loss.value_and_grad(y, s.astype(np.float32).astype(float), sample_weight=w)
    narrow = loss.value_and_grad(y, s.astype(np.float32), sample_weight=w)
    assert narrow[1].dtype == np.float32, "the gradient has another dtype than the prediction"
    scale = np.abs(wide[1]).max()
    _close(narrow[0], wide[0], 1e-5, 1e-6)
    _close(narrow[1], wide[1], 1e-4, 1e-5 * scale)
    for dtype in (bool, np.int8, np.int64, np.uint16, np.float32):
        hard = (y > 0.5).astype(dtype)
        _close(loss(hard, s), loss(hard.astype(float), s), 0, 0)


def _layout(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    expected = loss.value_and_grad(y, s, sample_weight=w)
    matrix = np.stack([s, y, w], axis=1)
    matrix.setflags(write=False)
    strided = loss.value_and_grad(matrix[:, 1], matrix[:, 0], sample_weight=matrix[:, 2])
    flipped = loss.value_and_grad(y[::-1].copy()[::-1], s[::-1].copy()[::-1], sample_weight=w)
    column = loss.value_and_grad(y[:, None], s[:, None], sample_weight=w)
    for value, gradient in (strided, flipped, column):
        _close(np.ravel(value), np.ravel(expected[0]), 0, 0)
        _close(gradient.ravel(), expected[1], 0, 0)
    assert column[1].shape == (len(y), 1)
    _raises(lambda: loss(y[:, None], s))


def _reductions(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    rows = _with(loss, reduction="none")(y, s, sample_weight=w)
    assert rows.shape == s.shape
    for reduction, expected in (("sum", rows.sum()), ("mean", rows.sum() / w.sum()), ("mean_n", rows.mean())):
        _close(_with(loss, reduction=reduction)(y, s, sample_weight=w), expected, 1e-12)


def _missing_targets(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    holes = y.copy()
    holes[5::7] = np.nan
    kept = ~np.isnan(holes)
    _raises(lambda: _with(loss, nan_policy="raise")(holes, s), row=5)
    for reduction in ("mean", "mean_n", "sum"):
        omit = _with(loss, nan_policy="omit", reduction=reduction)
        value, gradient = omit.value_and_grad(holes, s, sample_weight=w)
        expected, slopes = omit.value_and_grad(y[kept], s[kept], sample_weight=w[kept])
        _close(value, expected, 1e-12)
        _close(gradient[kept], slopes, 1e-12)
        assert (gradient[~kept] == 0).all(), "an omitted row has a gradient"
    gradient, hessian = _with(loss, nan_policy="omit").grad_hess(holes, s, sample_weight=w)
    assert (gradient[~kept] == 0).all()
    assert (hessian[~kept] == 0).all()
    for bad in (np.nan, np.inf, -np.inf):
        _raises(lambda bad=bad: loss(y, np.where(np.arange(len(s)) == 9, bad, s)), row=9)  # type: ignore[misc]


def _empty(loss: PointLoss, y: Array, s: Array, _w: Array) -> None:
    none = np.empty(0)
    for reduction in ("mean", "mean_n"):
        _raises(lambda reduction=reduction: _with(loss, reduction=reduction)(none, none))  # type: ignore[misc]
    _raises(lambda: _with(loss, reduction="mean")(y, s, sample_weight=np.zeros(len(y))))
    value, gradient = _with(loss, reduction="sum").value_and_grad(none, none)
    assert value == 0.0
    assert gradient.shape == (0,)
    assert _with(loss, reduction="none")(none, none).shape == (0,)


def _extremes(loss: PointLoss, _y: Array, _s: Array, _w: Array) -> None:
    ends = [0.0, 1.0] if loss.predictions == "unit" else [-1000.0, -1e-30, 0.0, 1000.0]
    labels = [0.0, 1.0] if loss.targets != "real" else [-1.0, 0.0, 1.0]
    target, prediction = (grid.ravel() for grid in np.meshgrid(labels, ends))
    for dtype in (np.float32, np.float64):
        value, gradient = loss.value_and_grad(target, prediction.astype(dtype))
        assert np.isfinite(value).all(), f"not finite at {ends}"
        assert np.isfinite(gradient).all(), f"the gradient is not finite at {ends}"


def _out(loss: PointLoss, y: Array, s: Array, _w: Array) -> None:
    expected = loss.value_and_grad(y, s)[1]
    out = np.full_like(s, np.nan)
    got = loss.value_and_grad(y, s, out=out)[1]
    assert got is out
    _close(out, expected, 0, 0)
    for bad in (np.empty(len(s) + 1), np.empty(len(s), np.float32), np.empty(2 * len(s))[::2], s):
        _raises(lambda bad=bad: loss.value_and_grad(y, s, out=bad))  # type: ignore[misc]


def _value_semantics(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    again = pickle.loads(pickle.dumps(loss))
    assert again == loss, "pickle does not give the same loss back"
    assert hash(again) == hash(loss)
    rebuilt = type(loss).from_dict(json.loads(json.dumps(loss.to_dict())))
    assert rebuilt == loss, "JSON does not give the same loss back"
    _close(rebuilt(y, s), loss(y, s), 0, 0)
    assert isinstance(loss, BaseLoss)
    assert np.isfinite(loss.init_score(y, w))
    frozen: Any = loss
    try:
        frozen.reduction = "sum"
    except AttributeError:
        return
    raise AssertionError("the loss is not frozen")


def _torch(loss: PointLoss, y: Array, s: Array, w: Array) -> None:
    from tradewright.testing import losses_torch

    losses_torch.check(loss, y, s, w)


def _raises(call: Callable[[], Any], row: int | None = None) -> None:
    try:
        call()
    except LossError as error:
        named = error.fields.get("row")
        if row not in (None, named):
            raise AssertionError(f"the error names row {named}, not {row}: {error}") from error
        return
    raise AssertionError("bad input went through")
