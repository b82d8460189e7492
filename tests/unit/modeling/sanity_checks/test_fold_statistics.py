"""Statistics of folds that come from sums over blocks, and from columns sorted once, against the rows themselves."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import odd_plans, plan_of

from tradewright import CombinatorialPurgedCV, Panel, _core, check
from tradewright.errors import TradewrightError
from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.readings import fold_samples
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.fold_samples import FoldSamples, drifts_of, per_block, sample_size
from tradewright.sanity_checks.readings.fold_series import changes_of, count_dates, lag_one_of
from tradewright.sanity_checks.readings.label_sides import LabelSides

cells = st.one_of(
    st.floats(-3, 3),
    st.integers(-1, 1).map(float),
    st.sampled_from([np.nan, np.inf, -np.inf, -0.0]),
)


@st.composite
def ragged(draw):
    """Sides of folds over a panel in any order, and one column of it: gaps, infinities, ties, or one value alone."""
    time, asset, plan = draw(odd_plans())
    n = len(time)
    if draw(st.booleans()):
        values = np.full(n, draw(st.sampled_from([0.1, 1e9])))
    else:
        values = np.array(draw(st.lists(cells, min_size=n, max_size=n)))
    known_assets = draw(st.booleans())
    whole = Side(
        "panel", {"a": values}, y=values, time=time, asset=asset if known_assets else None, blocks=FoldBlocks.of(plan)
    )
    pairs = []
    for fold in plan.folds:
        parts = [part for part in (fold.val, fold.test) if len(fold.train) and len(part)]
        pairs += [(replace(whole, rows=fold.train), replace(whole, rows=part)) for part in parts]
    return values, pairs


def lag_one_twin(values, side):
    """Step by step: each asset standardised over its rows of the side, neighbours in the panel that are both on it."""
    on_side = set(side.positions().tolist())
    product = pairs = 0.0
    asset = np.zeros(len(values), dtype=int) if side.asset is None else side.asset
    for name in np.unique(asset):
        walk = sorted(np.flatnonzero(asset == name).tolist(), key=lambda row: side.time[row])
        known = [values[row] for row in walk if row in on_side and np.isfinite(values[row])]
        if len(known) < 2 or np.var(known) <= 1e-12 * (1 + np.mean(known) ** 2):
            continue
        for a, b in pairwise(walk):
            if a in on_side and b in on_side and np.isfinite(values[a]) and np.isfinite(values[b]):
                product += (values[a] - np.mean(known)) * (values[b] - np.mean(known)) / np.var(known)
                pairs += 1
    return product / pairs if pairs else 0.0


@settings(max_examples=200, deadline=None)
@given(ragged())
def test_autocorrelation_of_a_fold_is_that_of_its_rows(drawn):
    values, pairs = drawn
    for pair in pairs:
        for side in pair:
            found = lag_one_of(side, "a", lambda: values)
            if side.asset is None and count_dates(side) < len(side):
                assert found == 0.95
            else:
                assert found == pytest.approx(lag_one_twin(values, side), abs=1e-7)


def test_a_series_is_read_once_for_all_folds():
    rng = np.random.default_rng(0)
    plan = plan_of(np.arange(90), [[(30, "train"), (60, "val")], [(30, "val"), (60, "train")]])
    whole = Side("panel", {}, time=np.arange(90), blocks=FoldBlocks.of(plan))
    values, calls = rng.normal(size=90), []

    def read():
        calls.append(1)
        return values

    for fold in plan.folds:
        lag_one_of(replace(whole, rows=fold.train), "a", read)
    assert len(calls) == 1


def test_changes_lie_in_the_order_of_the_panel():
    rng = np.random.default_rng(0)
    time, asset = np.repeat(np.arange(20), 3), np.tile([0, 1, 2], 20)
    values = rng.normal(size=60)
    expected = np.full(60, np.nan)
    expected[3:] = values[3:] - values[:-3]
    order = rng.permutation(60)
    plan = plan_of(time[order], [[(30, "train"), (30, "val")]])
    side = Side("panel", {}, time=time[order], asset=asset[order], rows=plan[0].val, blocks=FoldBlocks.of(plan))
    np.testing.assert_array_equal(changes_of(side, values[order]), expected[order])


@settings(max_examples=200, deadline=None)
@given(ragged())
def test_drift_of_a_small_fold_is_that_of_its_rows(drawn):
    values, pairs = drawn
    for train, val in pairs:
        found = drifts_of(train, val, "all", lambda: [values])
        rows = [np.ascontiguousarray(side.positions()) for side in (train, val)]
        np.testing.assert_allclose(found, _core.drifts([values], [values], *rows), atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(ragged(), st.sampled_from([lambda v: v, np.round, lambda v: np.isfinite(v).astype(float)]))
def test_labels_of_a_fold_are_those_of_its_rows(drawn, kind):
    values, pairs = drawn
    y = kind(values)
    for pair in pairs:
        train, val = (replace(side, y=y) for side in pair)
        found = LabelSides.of(train, val)
        expected = LabelSides.of(*(replace(side, blocks=None) for side in (train, val)))
        if expected is None:
            assert found is None
            continue
        assert found.known == expected.known
        if found.classes is None or expected.classes is None:
            # Classes of a panel are classes of its folds; a fold of few rows may look like classes.
            assert found.classes is None
            if expected.classes is None:
                np.testing.assert_allclose(found.spreads, expected.spreads, atol=1e-9)
            continue
        there = np.isin(found.classes, expected.classes)
        assert found.counts[:, there].tolist() == expected.counts.tolist()
        assert not found.counts[:, ~there].any()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 200))
def test_blocks_share_what_may_be_looked_at(sizes, most):
    each = per_block(np.array(sizes), most)
    if sum(sizes) <= most:
        assert each == max(sizes)
    elif each > 1:
        assert np.minimum(sizes, each).sum() <= most < np.minimum(sizes, each + 1).sum()


def test_a_sample_stands_for_the_rows_of_its_blocks(monkeypatch):
    monkeypatch.setattr(fold_samples, "PLAN_ROWS", 1_000)
    monkeypatch.setattr(fold_samples, "BLOCK_ROWS", 100)
    rng = np.random.default_rng(0)
    time = rng.permutation(6_000)
    plan = plan_of(time, [[(7, "train"), (3_000, "val"), (20, "purged"), (2_973, "train")]])
    blocks = FoldBlocks.of(plan)
    samples = FoldSamples.of(blocks)
    counts = np.bincount(samples.numbers, minlength=len(blocks))
    assert counts.tolist() == [7, 486, 20, 486]
    np.testing.assert_allclose(counts * samples.weights, blocks.sizes)
    assert len(set(samples.rows.tolist())) == len(samples.rows)
    assert (blocks.numbers[samples.rows] == samples.numbers).all()
    side = Side("panel", {}, time=time, blocks=blocks)
    assert sample_size(side) == 999
    # A shift of one deviation is 0.38 apart, of the sample as of all rows.
    values = rng.normal(size=6_000) + (blocks.numbers == 1)
    found = drifts_of(replace(side, rows=plan[0].train), replace(side, rows=plan[0].val), "a", lambda: [values])[0]
    rows = (plan[0].train.indices(), plan[0].val.indices())
    exact = _core.drifts([values], [values], *rows)[0]
    np.testing.assert_allclose(found[[0, 4, 5, 6]], exact[[0, 4, 5, 6]], atol=0.15)


def test_many_blocks_give_a_thousand_rows_each_but_no_more_than_the_sample_of_arrays():
    sizes = np.full(300, 5_000)
    assert len(FoldSamples.of(FoldBlocks(np.append(0, np.cumsum(sizes[:100])))).numbers) == 100_000
    assert len(FoldSamples.of(FoldBlocks(np.append(0, np.cumsum(sizes)))).numbers) <= 200_000


def test_what_does_not_fit_is_refused():
    values = np.arange(4.0)
    with pytest.raises(TradewrightError, match="numbers has 3 rows"):
        _core.BlockSamples([values], None, np.zeros(3, np.uint32), 1)
    with pytest.raises(TradewrightError, match="blocks=1"):
        _core.BlockSamples([values], None, np.arange(4, dtype=np.uint32), 1)
    samples = _core.BlockSamples([values], None, np.arange(4, dtype=np.uint32), 4)
    with pytest.raises(TradewrightError, match="second has 3 rows"):
        samples.drifts(np.ones(4), np.ones(3))


def test_a_finding_from_a_sample_says_so():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 2))
    X[20_000:, 1] *= 100
    panel = Panel.from_arrays(X, rng.normal(size=30_000), time=np.arange(30_000), horizon=2)
    report = check(panel, CombinatorialPurgedCV(n_groups=3, n_test_groups=1).plan(panel), suite="drift")
    drifts = [finding for finding in report.findings if finding.id == "drift.univariate"]
    assert report.sampled
    assert {(f.fold, f.columns) for f in drifts} >= {(2, ("x1",))}
    assert all("on a seeded sample of 20,000 rows" in f.message for f in drifts)
