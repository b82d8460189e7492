"""The contract of a loss of portfolio returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewright._optional import is_available
from tradewright.loss_functions import GroupIndex, SeriesLoss
from tradewright.testing.loss_book import book_returns
from tradewright.testing.loss_problem import assert_close, assert_raises, changed, run
from tradewright.testing.losses_shared import Rows, boosting, slope, value_semantics

__all__ = ["check_series_loss"]


def check_series_loss(loss: SeriesLoss, *, rows: int = 400, seed: int = 0) -> list[str]:
    """Check that a loss of portfolio returns keeps every promise of the contract; see :func:`check_loss`."""
    rng = np.random.default_rng(seed)
    assets = 7
    dates = max(4, rows // assets)
    cells = [(date, asset) for date in range(dates) for asset in range(assets) if rng.random() < 0.9]
    rng.shuffle(cells)
    date, asset = (np.array(column) for column in zip(*cells, strict=True))
    n = len(cells)
    # Shuffled steps: no position is so near to another that a numerical derivative would cross the kink of turnover.
    score = (rng.permutation(n) - n / 2 + 0.25) * (3.0 / n)
    target, weight = rng.normal(0.002, 0.05, n), np.take([0.5, 1.0, 3.0, 2.0], date % 4)
    scaled = getattr(loss, "target_volatility", None) is not None
    extra = {"volatility": rng.uniform(0.05, 0.4, n)} if scaled else {}
    sample = Rows(target, score, weight, date * 3 - 5, asset * 10, extra)
    checks = [
        _gradient,
        _hessian,
        _weights,
        _permutation,
        _book,
        _scale,
        _foresight,
        _dtypes,
        _layout,
        _missing_targets,
        _empty,
        _extremes,
        _out,
        _index,
        value_semantics,
        boosting,
    ]
    if is_available("torch"):
        checks.append(_torch)
    return run(loss, sample, checks)


def _gradient(loss: Any, rows: Rows) -> None:
    value, gradient = loss.value_and_grad(rows.y, rows.s, sample_weight=rows.w, **rows.call)
    assert_close(loss(rows.y, rows.s, sample_weight=rows.w, **rows.call), value, 0, 0)
    for reduction in loss.reductions[1:]:
        other, slopes = changed(loss, reduction=reduction).value_and_grad(
            rows.y, rows.s, sample_weight=rows.w, **rows.call
        )
        assert_close(slopes * (value / other), gradient, 1e-9, 1e-14)
    if getattr(loss, "full_gradient", True) is False:
        # The online gradient holds the averages fixed: no numerical one does.
        return
    some = np.random.default_rng(0).choice(len(rows.s), min(24, len(rows.s)), replace=False)
    index = GroupIndex(rows.groups, rows.assets)

    def f(at: Any) -> float:
        return float(loss(rows.y, at, sample_weight=rows.w, groups=index, **rows.extra))

    numeric = slope(f, rows.s, some, 1e-4)
    kinks = np.abs(numeric - slope(f, rows.s, some, 2e-5)) > 1e-5 * max(1.0, np.abs(numeric).max())
    assert_close(gradient[some][~kinks], numeric[~kinks], 1e-5, 1e-7 * max(1.0, np.abs(numeric).max()))
    assert kinks.mean() < 0.5, "the loss is not smooth enough to be differentiated"


def _hessian(loss: Any, rows: Rows) -> None:
    additive = "sum" in loss.reductions
    total = changed(loss, reduction="sum" if additive else "mean")
    expected = total.value_and_grad(rows.y, rows.s, sample_weight=rows.w, **rows.call)[1]
    for choice in (None, *loss.hessians):
        chosen = changed(loss, hessian=choice)
        gradient, hessian = chosen.grad_hess(rows.y, rows.s, sample_weight=rows.w, **rows.call)
        assert_close(gradient, expected, 1e-9, 1e-14)
        assert (hessian >= 1e-6 * rows.w * (1 - 1e-6)).all(), "the hessian falls below its floor"
        assert np.isfinite(hessian).all(), choice
        if choice == "constant":
            assert_close(hessian, rows.w)
        if choice is None and loss.default_hessian is not None:
            named = changed(loss, hessian=loss.default_hessian)
            assert_close(hessian, named.grad_hess(rows.y, rows.s, sample_weight=rows.w, **rows.call)[1], 1e-12)


def _weights(loss: Any, rows: Rows) -> None:
    n = len(rows.y)
    plain = loss(rows.y, rows.s, **rows.call)
    assert_close(loss(rows.y, rows.s, sample_weight=np.ones(n), **rows.call), plain, 1e-13)
    bad = rows.w.copy()
    other = np.flatnonzero(rows.groups == rows.groups[0])[1]
    bad[other] += 1
    assert_raises(lambda: loss(rows.y, rows.s, sample_weight=bad, **rows.call), row=int(other))
    assert_raises(lambda: loss(rows.y, rows.s, sample_weight=np.where(np.arange(n) == 3, -1.0, 1.0), **rows.call))
    assert_raises(lambda: loss(rows.y, rows.s, sample_weight=rows.w[:-1], **rows.call))
    assert_raises(lambda: loss(rows.y, rows.s, sample_weight=np.zeros(n), **rows.call))


def _permutation(loss: Any, rows: Rows) -> None:
    order = np.random.default_rng(1).permutation(len(rows.y))
    moved = rows.take(order)
    value, gradient = loss.value_and_grad(rows.y, rows.s, sample_weight=rows.w, **rows.call)
    again, slopes = loss.value_and_grad(moved.y, moved.s, sample_weight=moved.w, **moved.call)
    assert_close(again, value, 1e-11)
    assert_close(slopes, gradient[order], 1e-9, 1e-14)
    days = np.datetime64("2024-01-01") + rows.groups
    named = {
        "groups": days,
        "assets": np.char.add("A", (rows.assets + 100).astype(str)) if rows.assets is not None else None,
    }
    assert_close(loss(rows.y, rows.s, sample_weight=rows.w, **named, **rows.extra), value, 0, 0)


def _book(loss: Any, rows: Rows) -> None:
    """Returns are what a broker's book says: positions earn, and every change of one pays."""
    np.testing.assert_allclose(
        loss.returns(rows.y, rows.s, **rows.call), book_returns(loss, rows), rtol=1e-10, atol=1e-13
    )


def _scale(loss: Any, rows: Rows) -> None:
    if not loss.scale_free:
        return
    # Without what has a unit of its own.
    units = {name: 0.0 for name in ("risk_free", "target") if hasattr(loss, name)}
    free = changed(loss, position="identity", initial_position=0.0, eps=1e-300, **units)
    value, gradient = free.value_and_grad(rows.y, rows.s, sample_weight=rows.w, **rows.call)
    for factor in (0.01, 30.0):
        again, slopes = free.value_and_grad(rows.y, factor * rows.s, sample_weight=rows.w, **rows.call)
        assert_close(again, value, 1e-9)
        assert_close(slopes * factor, gradient, 1e-7, 1e-10 * float(np.abs(gradient).max()))


def _foresight(loss: Any, rows: Rows) -> None:
    """A step of the scores towards their returns lowers the loss: losses are minimised."""
    gradient = loss.value_and_grad(rows.y, rows.s, **rows.call)[1]
    assert gradient @ rows.y < 0, "it is no loss: positions that know the return make it larger"


def _dtypes(loss: Any, rows: Rows) -> None:
    narrow, target = rows.s.astype(np.float32), rows.y.astype(np.float32)
    wide, slopes = loss.value_and_grad(target, narrow.astype(float), sample_weight=rows.w, **rows.call)
    value, gradient = loss.value_and_grad(target, narrow, sample_weight=rows.w, **rows.call)
    assert gradient.dtype == np.float32, "the gradient has another dtype than the prediction"
    assert_close(value, wide, 1e-4, 1e-6)
    assert_close(gradient, slopes, 1e-3, 1e-4 * np.abs(slopes).max())
    hard = (rows.y > 0).astype(np.int8)
    if not loss.refuses_ruin:
        assert_close(loss(hard, rows.s, **rows.call), loss(hard.astype(float), rows.s, **rows.call), 0, 0)


def _layout(loss: Any, rows: Rows) -> None:
    expected = loss.value_and_grad(rows.y, rows.s, sample_weight=rows.w, **rows.call)
    matrix = np.stack([rows.s, rows.y, rows.w], axis=1)
    matrix.setflags(write=False)
    strided = loss.value_and_grad(matrix[:, 1], matrix[:, 0], sample_weight=matrix[:, 2], **rows.call)
    column = loss.value_and_grad(rows.y[:, None], rows.s[:, None], sample_weight=rows.w, **rows.call)
    assert rows.assets is not None
    order = np.lexsort((rows.assets, rows.groups))
    ranked = rows.take(order)
    in_order = loss.value_and_grad(ranked.y, ranked.s, sample_weight=ranked.w, **ranked.call)
    assert_close(in_order[1], expected[1][order], 1e-9, 1e-14)
    for value, gradient in (strided, column):
        assert_close(value, expected[0], 0, 0)
        assert_close(gradient.ravel(), expected[1], 0, 0)
    assert column[1].shape == (len(rows.y), 1)


def _missing_targets(loss: Any, rows: Rows) -> None:
    holes = rows.y.copy()
    holes[5::7] = np.nan
    kept = ~np.isnan(holes)
    fewer = rows.take(kept)
    assert_raises(lambda: changed(loss, nan_policy="raise")(holes, rows.s, **rows.call))
    omit = changed(loss, nan_policy="omit")
    value, gradient = omit.value_and_grad(holes, rows.s, sample_weight=rows.w, **rows.call)
    expected, slopes = omit.value_and_grad(fewer.y, fewer.s, sample_weight=fewer.w, **fewer.call)
    assert_close(value, expected, 1e-11)
    assert_close(gradient[kept], slopes, 1e-9, 1e-14)
    assert (gradient[~kept] == 0).all(), "an omitted row has a gradient"
    gradient, hessian = omit.grad_hess(holes, rows.s, **rows.call)
    assert (gradient[~kept] == 0).all()
    assert (hessian[~kept] == 0).all()
    for bad in (np.nan, np.inf, -np.inf):
        score = np.where(np.arange(len(rows.s)) == 9, bad, rows.s)
        assert_raises(lambda score=score: loss(rows.y, score, **rows.call), row=9)  # type: ignore[misc]


def _empty(loss: Any, _rows: Rows) -> None:
    none = np.empty(0)
    extra = dict.fromkeys(_rows.extra, none)
    for reduction in loss.reductions:
        reduced = changed(loss, reduction=reduction)
        if reduction != "sum":
            assert_raises(lambda reduced=reduced: reduced(none, none, **extra))  # type: ignore[misc]
            continue
        value, gradient = reduced.value_and_grad(none, none, **extra)
        assert value == 0.0
        assert gradient.shape == (0,)


def _extremes(loss: Any, rows: Rows) -> None:
    bounded = loss.position != "identity"
    ends = np.array([-1000.0, -1e-30, 0.0, 1000.0]) if bounded else np.array([-1.0, -1e-30, 0.0, 1.0])
    extra = {name: np.ones(4) for name in rows.extra}
    for dtype in (np.float32, np.float64):
        target = np.array([0.01, 0.02, -0.03, -0.01])
        value, gradient = loss.value_and_grad(target, ends.astype(dtype), **extra)
        assert np.isfinite(value), f"not finite at {ends}"
        assert np.isfinite(gradient).all(), f"the gradient is not finite at {ends}"
        assert (loss.grad_hess(target, ends.astype(dtype), **extra)[1] >= 0.999e-6).all(), "below the floor"


def _out(loss: Any, rows: Rows) -> None:
    expected = loss.value_and_grad(rows.y, rows.s, **rows.call)[1]
    out = np.full_like(rows.s, np.nan)
    got = loss.value_and_grad(rows.y, rows.s, out=out, **rows.call)[1]
    assert got is out
    assert_close(out, expected, 0, 0)
    assert_raises(lambda: loss.value_and_grad(rows.y, rows.s, out=np.empty(len(rows.s) + 1), **rows.call))


def _index(loss: Any, rows: Rows) -> None:
    index = GroupIndex(rows.groups, rows.assets)
    value, gradient = loss.value_and_grad(rows.y, rows.s, groups=index, **rows.extra)
    expected, slopes = loss.value_and_grad(rows.y, rows.s, **rows.call)
    assert_close(value, expected, 0, 0)
    assert_close(gradient, slopes, 0, 0)
    assert loss.returns(rows.y, rows.s, groups=index, **rows.extra).ndim == 1


def _torch(loss: Any, rows: Rows) -> None:
    from tradewright.testing import losses_groups_torch

    losses_groups_torch.check(loss, rows)
