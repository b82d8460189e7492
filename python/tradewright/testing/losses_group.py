"""The contract of a loss of groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewright._optional import is_available
from tradewright.loss_functions import GroupIndex, GroupLoss
from tradewright.testing.loss_problem import assert_close, assert_raises, changed, run
from tradewright.testing.losses_shared import Rows, boosting, slope, value_semantics

__all__ = ["check_group_loss"]


def check_group_loss(loss: GroupLoss, *, rows: int = 400, seed: int = 0) -> list[str]:
    """Check that a loss of groups keeps every promise of the contract; see :func:`check_loss`."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(-5, max(2, rows // 12), rows) * 7
    target = rng.integers(0, 5, rows).astype(float) if loss.targets == "relevance" else rng.normal(0.0, 1.0, rows)
    weight = rng.choice([0.5, 1.0, 3.0], rows) if loss.row_weights else np.take([0.5, 1.0, 3.0, 2.0], groups % 4)
    # Shuffled steps: no two scores of a group are so close that a numerical derivative would exchange their ranks.
    score = (rng.permutation(rows) - rows / 2) * (7.7919 / rows)
    sample = Rows(target, score, weight, groups)
    checks = [
        _gradient,
        _hessian,
        _weights,
        _permutation,
        _shift,
        _scale,
        _foresight,
        _dtypes,
        _layout,
        _reductions,
        _missing_targets,
        _empty,
        _small_groups,
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
    total = changed(loss, reduction="sum")
    value, gradient = total.value_and_grad(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups)
    some = np.random.default_rng(0).choice(len(rows.s), min(24, len(rows.s)), replace=False)
    index = GroupIndex(rows.groups)

    def f(at: Any) -> float:
        return float(total(rows.y, at, sample_weight=rows.w, groups=index))

    # What the derivative holds fixed would move under a numerical one.
    if not getattr(loss, "normalize", False):
        numeric = slope(f, rows.s, some, 1e-4)
        kinks = np.abs(numeric - slope(f, rows.s, some, 2e-5)) > 1e-5
        assert_close(gradient[some][~kinks], numeric[~kinks], 1e-5, 1e-7)
        assert kinks.mean() < 0.5, "the loss is not smooth enough to be differentiated"
    for reduction in ("mean", "mean_n"):
        reduced = changed(loss, reduction=reduction)
        mean, slopes = reduced.value_and_grad(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups)
        assert_close(slopes * (value / mean), gradient, 1e-9, 1e-12)
        assert_close(reduced(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups), mean, 0, 0)


def _hessian(loss: Any, rows: Rows) -> None:
    total = changed(loss, reduction="sum")
    expected = total.value_and_grad(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups)[1]
    for choice in (None, *loss.hessians):
        chosen = changed(loss, hessian=choice)
        gradient, hessian = chosen.grad_hess(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups)
        assert_close(gradient, expected, 1e-9, 1e-12)
        counted = hessian > 0
        assert (hessian[counted] >= 1e-6 * rows.w[counted] * (1 - 1e-6)).all() or loss.row_weights, "below the floor"
        assert np.isfinite(hessian).all(), choice
        if choice == "constant":
            assert_close(hessian[counted], rows.w[counted])
        if choice is None and loss.default_hessian is not None:
            named = changed(loss, hessian=loss.default_hessian)
            assert_close(hessian, named.grad_hess(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups)[1], 1e-12)
        if choice in ("exact", "abs") and not getattr(loss, "normalize", False):
            some = np.random.default_rng(1).choice(len(rows.s), 12, replace=False)
            for row in some:

                def f(at: Any, row: int = row) -> float:
                    slopes = total.value_and_grad(rows.y, at, sample_weight=rows.w, groups=rows.groups)[1]
                    return float(slopes[row])

                exact = slope(f, rows.s, [row])[0]
                exact = abs(exact) if choice == "abs" else exact
                assert_close(hessian[row], max(exact, 1e-6 * rows.w[row]), 1e-4, 2e-6)


def _weights(loss: Any, rows: Rows) -> None:
    n = len(rows.y)
    if loss.row_weights:
        # Weight 2 is the row twice.
        copies = np.arange(n) % 3
        each = rows.take(np.repeat(np.arange(n), copies))
        weighted = loss(rows.y, rows.s, sample_weight=copies, groups=rows.groups)
        assert_close(weighted, loss(each.y, each.s, groups=each.groups), 1e-12)
        gradient = loss.value_and_grad(rows.y, rows.s, sample_weight=copies, groups=rows.groups)[1]
        assert (gradient[copies == 0] == 0).all(), "a row of weight 0 has a gradient"
    else:
        none = changed(loss, reduction="none")
        each_value = none(rows.y, rows.s, groups=rows.groups)
        ids = GroupIndex(rows.groups).group_ids
        by_group = dict(zip(rows.groups.tolist(), rows.w.tolist(), strict=True))
        w = np.array([by_group[g] for g in ids.tolist()])
        assert_close(none(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups), w * each_value, 1e-12)
        large = int(np.flatnonzero(rows.groups == rows.groups[0])[1])
        bad = rows.w.copy()
        bad[large] += 1
        assert_raises(lambda: loss(rows.y, rows.s, sample_weight=bad, groups=rows.groups), row=large)
    assert_raises(
        lambda: loss(rows.y, rows.s, sample_weight=np.where(np.arange(n) == 3, -1.0, 1.0), groups=rows.groups), 3
    )
    assert_raises(lambda: loss(rows.y, rows.s, sample_weight=rows.w[:-1], groups=rows.groups))
    assert_raises(lambda: loss(rows.y, rows.s, groups=rows.groups[:-1]))


def _permutation(loss: Any, rows: Rows) -> None:
    order = np.random.default_rng(1).permutation(len(rows.y))
    # Ties keep the order of rows, where a loss looks at ties at all: groups are moved, and rows inside them kept.
    order = order[
        np.argsort(
            np.random.default_rng(2).permutation(rows.groups.max() - rows.groups.min() + 1)[
                rows.groups[order] - rows.groups.min()
            ],
            kind="stable",
        )
    ]
    if loss.targets == "relevance" or len(set(rows.y)) < len(rows.y):
        place = {g: iter(np.flatnonzero(rows.groups == g)) for g in set(rows.groups.tolist())}
        order = np.array([next(place[g]) for g in rows.groups[order].tolist()])
    moved = rows.take(order)
    value, gradient = loss.value_and_grad(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups)
    again, slopes = loss.value_and_grad(moved.y, moved.s, sample_weight=moved.w, groups=moved.groups)
    assert_close(again, value, 1e-12)
    assert_close(slopes, gradient[order], 1e-9, 1e-13)
    renamed = loss(rows.y, rows.s, sample_weight=rows.w, groups=np.char.zfill((rows.groups + 10**6).astype(str), 9))
    assert_close(renamed, value, 0, 0)


def _shift(loss: Any, rows: Rows) -> None:
    if not loss.shift_invariant:
        return
    shift = np.take([0.0, 0.5, -4.0], rows.groups % 3)
    value, gradient = loss.value_and_grad(rows.y, rows.s, groups=rows.groups)
    again, slopes = loss.value_and_grad(rows.y, rows.s + shift, groups=rows.groups)
    assert_close(again, value, 1e-9)
    assert_close(slopes, gradient, 1e-7, 1e-11)
    sums = np.bincount(GroupIndex(rows.groups).group_numbers(), gradient)
    assert_close(sums, 0.0, 0.0, 1e-10)


def _scale(loss: Any, rows: Rows) -> None:
    if not loss.scale_free:
        return
    value, gradient = loss.value_and_grad(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups)
    for factor in (0.01, 30.0):
        again, slopes = loss.value_and_grad(rows.y, factor * rows.s, sample_weight=rows.w, groups=rows.groups)
        assert_close(again, value, 1e-9)
        assert_close(slopes * factor, gradient, 1e-7, 1e-11)


def _foresight(loss: Any, rows: Rows) -> None:
    """Scores in the order of the targets lose less than in the opposite one: losses are minimised."""
    right, wrong = (loss(rows.y, sign * rows.y, groups=rows.groups) for sign in (1, -1))
    assert np.sum(right) < np.sum(wrong), "it is no loss: the opposite of the target has the smaller one"


def _dtypes(loss: Any, rows: Rows) -> None:
    narrow = rows.s.astype(np.float32)
    wide, slopes = loss.value_and_grad(rows.y, narrow.astype(float), sample_weight=rows.w, groups=rows.groups)
    value, gradient = loss.value_and_grad(rows.y, narrow, sample_weight=rows.w, groups=rows.groups)
    assert gradient.dtype == np.float32, "the gradient has another dtype than the prediction"
    assert_close(value, wide, 1e-5, 1e-6)
    assert_close(gradient, slopes, 2e-4, 5e-6 * np.abs(slopes).max())
    for dtype in (bool, np.int8, np.int64, np.uint16, np.float32):
        hard = (rows.y > 0.5).astype(dtype)
        assert_close(loss(hard, rows.s, groups=rows.groups), loss(hard.astype(float), rows.s, groups=rows.groups), 0, 0)


def _layout(loss: Any, rows: Rows) -> None:
    expected = loss.value_and_grad(rows.y, rows.s, sample_weight=rows.w, groups=rows.groups)
    matrix = np.stack([rows.s, rows.y, rows.w], axis=1)
    matrix.setflags(write=False)
    strided = loss.value_and_grad(matrix[:, 1], matrix[:, 0], sample_weight=matrix[:, 2], groups=rows.groups)
    column = loss.value_and_grad(rows.y[:, None], rows.s[:, None], sample_weight=rows.w, groups=rows.groups)
    for value, gradient in (strided, column):
        assert_close(value, expected[0], 0, 0)
        assert_close(gradient.ravel(), expected[1], 0, 0)
    assert column[1].shape == (len(rows.y), 1)


def _reductions(loss: Any, rows: Rows) -> None:
    call = {"sample_weight": rows.w, "groups": rows.groups}
    each, slopes = changed(loss, reduction="none").value_and_grad(rows.y, rows.s, **call)
    total, gradient = changed(loss, reduction="sum").value_and_grad(rows.y, rows.s, **call)
    assert each.shape == (len(set(rows.groups.tolist())),)
    mean = changed(loss, reduction="mean")
    heavier = {**call, "sample_weight": 3 * rows.w}
    assert_close(mean(rows.y, rows.s, **heavier), mean(rows.y, rows.s, **call), 1e-12)
    if not loss.row_weights:
        counted, _ = loss.count_groups(rows.y, rows.s, groups=rows.groups)
        assert_close(changed(loss, reduction="mean_n")(rows.y, rows.s, **call), total / counted, 1e-12)
    assert_close(each.sum(), total, 1e-12)
    assert_close(slopes, gradient, 1e-12)


def _missing_targets(loss: Any, rows: Rows) -> None:
    holes = rows.y.copy()
    holes[5::7] = np.nan
    kept = ~np.isnan(holes)
    fewer = rows.take(kept)
    # The first bad row by group is named.
    assert_raises(lambda: changed(loss, nan_policy="raise")(holes, rows.s, groups=np.zeros(len(holes), int)), row=5)
    for reduction in ("mean", "mean_n", "sum"):
        omit = changed(loss, nan_policy="omit", reduction=reduction)
        value, gradient = omit.value_and_grad(holes, rows.s, sample_weight=rows.w, groups=rows.groups)
        expected, slopes = omit.value_and_grad(fewer.y, fewer.s, sample_weight=fewer.w, groups=fewer.groups)
        assert_close(value, expected, 1e-12)
        assert_close(gradient[kept], slopes, 1e-10)
        assert (gradient[~kept] == 0).all(), "an omitted row has a gradient"
    gradient, hessian = changed(loss, nan_policy="omit").grad_hess(holes, rows.s, groups=rows.groups)
    assert (gradient[~kept] == 0).all()
    assert (hessian[~kept] == 0).all()
    for bad in (np.nan, np.inf, -np.inf):
        assert_raises(
            lambda bad=bad: loss(rows.y, np.where(np.arange(len(rows.s)) == 9, bad, rows.s), groups=rows.groups),  # type: ignore[misc]
            row=9,
        )


def _empty(loss: Any, rows: Rows) -> None:
    none = np.empty(0)
    for reduction in ("mean", "mean_n"):
        reduced = changed(loss, reduction=reduction)
        assert_raises(lambda reduced=reduced: reduced(none, none, groups=none))  # type: ignore[misc]
    zeros = np.zeros(len(rows.y))
    assert_raises(lambda: changed(loss, reduction="mean")(rows.y, rows.s, sample_weight=zeros, groups=rows.groups))
    value, gradient = changed(loss, reduction="sum").value_and_grad(none, none, groups=none)
    assert value == 0.0
    assert gradient.shape == (0,)
    assert_raises(lambda: loss(rows.y, rows.s))


def _small_groups(loss: Any, rows: Rows) -> None:
    """One-row groups, and groups of equal targets, change no gradient but their own."""
    n = len(rows.y)
    more = Rows(
        np.concatenate([rows.y, [1.0, 2.0, 2.0]]),
        np.concatenate([rows.s, [0.3, 0.1, 0.2]]),
        np.ones(n + 3),
        np.concatenate([rows.groups, [10**6, 10**6 + 1, 10**6 + 1]]),
    )
    total = changed(loss, reduction="sum")
    expected = total.value_and_grad(rows.y, rows.s, groups=rows.groups)[1]
    gradient = total.value_and_grad(more.y, more.s, groups=more.groups)[1]
    assert_close(gradient[:n], expected, 1e-12)
    assert_close(gradient[n], 0.0)
    assert np.isfinite(gradient).all()


def _extremes(loss: Any, _rows: Rows) -> None:
    ends = np.array([-1000.0, -1e-30, 0.0, 1000.0])
    for dtype in (np.float32, np.float64):
        for target in ([0.0, 1.0, 2.0, 3.0], [3.0, 2.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]):
            value, gradient = loss.value_and_grad(target, ends.astype(dtype), groups=np.zeros(4))
            hessian = loss.grad_hess(target, ends.astype(dtype), groups=np.zeros(4))[1]
            for found in (value, gradient, hessian):
                assert np.isfinite(found).all(), f"not finite at {ends}"
            assert (hessian >= 0.999e-6).all(), f"the hessian falls below its floor at {ends}"


def _out(loss: Any, rows: Rows) -> None:
    expected = loss.value_and_grad(rows.y, rows.s, groups=rows.groups)[1]
    out = np.full_like(rows.s, np.nan)
    got = loss.value_and_grad(rows.y, rows.s, groups=rows.groups, out=out)[1]
    assert got is out
    assert_close(out, expected, 0, 0)
    order = np.argsort(rows.groups, kind="stable")
    sorted_rows, out = rows.take(order), np.full_like(rows.s, np.nan)
    loss.value_and_grad(sorted_rows.y, sorted_rows.s, groups=sorted_rows.groups, out=out)
    assert_close(out, expected[order], 1e-10, 1e-14)
    assert_raises(lambda: loss.value_and_grad(rows.y, rows.s, groups=rows.groups, out=np.empty(len(rows.s) + 1)))


def _index(loss: Any, rows: Rows) -> None:
    index = GroupIndex(rows.groups)
    value, gradient = loss.value_and_grad(rows.y, rows.s, groups=index)
    expected, slopes = loss.value_and_grad(rows.y, rows.s, groups=rows.groups)
    assert_close(np.ravel(value), np.ravel(expected), 0, 0)
    assert_close(gradient, slopes, 0, 0)


def _torch(loss: Any, rows: Rows) -> None:
    from tradewright.testing import losses_groups_torch

    losses_groups_torch.check(loss, rows)
