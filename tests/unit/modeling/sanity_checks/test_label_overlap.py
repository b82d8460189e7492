"""split.label_overlap against every pair of rows and blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import ModelSanityChecker, Panel, PurgedKFold, WalkForward, check
from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.checks.split import meets_a_block, within_reach
from tradewright.splitting import Rows


def meets_twin(time, until, starts, ends, closed):
    def meets(a, b, s, e):
        if closed == "both":
            return a <= e and s <= b
        if a == b:
            return a == s if s == e else s <= a < e
        return a <= s < b if s == e else a < e and s < b

    return [any(meets(a, b, s, e) for s, e in zip(starts, ends, strict=True)) for a, b in zip(time, until, strict=True)]


spans = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(spans, spans, st.sampled_from(["both", "left"]))
def test_intervals_equal_every_pair(rows, blocks, closed):
    time, length = np.array(rows).T
    starts, sizes = np.array(sorted(blocks)).T
    until, ends = time + length, starts + sizes
    found = meets_a_block(time, until, starts, ends, closed=closed)
    assert found.tolist() == meets_twin(time, until, starts, ends, closed)


@settings(max_examples=200, deadline=None)
@given(spans, spans, st.lists(st.booleans(), min_size=8, max_size=8), st.booleans(), st.sampled_from(["both", "left"]))
def test_rows_out_of_reach_meet_no_block(rows, blocks, chosen, shuffled, closed):
    time, length = np.array(rows).T
    if not shuffled:
        time = np.sort(time)
    starts, sizes = np.array(sorted(blocks)).T
    ends, n = starts + sizes, len(time)
    order = np.argsort(time, kind="stable") if shuffled else None
    ranges = np.array([[i, i + 1] for i in range(n) if chosen[i]], dtype=np.int64).reshape(-1, 2)
    side = Side("panel", {}, time=time, label_end=time + length, rows=Rows(ranges, n, order))
    near = within_reach(side, starts, ends)

    def meeting(part):
        intervals = part.take(side.time), part.take(side.label_end)
        return part.positions()[meets_a_block(*intervals, starts, ends, closed=closed)].tolist()

    assert meeting(near) == meeting(side)


def overlap(report):
    findings = [f for f in report.findings if f.id == "split.label_overlap"]
    return findings[0].count if findings else 0


def block_hulls_twin(train_time, val_time, val_end):
    """Blocks of validation rows that no train row stands between in time, found step by step."""
    order = sorted(range(len(val_time)), key=lambda i: val_time[i])
    hulls = [[val_time[order[0]], val_end[order[0]]]]
    for previous, row in pairwise(order):
        if any(val_time[previous] < t < val_time[row] for t in train_time):
            hulls.append([val_time[row], val_end[row]])
        else:
            hulls[-1][1] = max(hulls[-1][1], val_end[row])
    return hulls


@settings(max_examples=200, deadline=None)
@given(spans, spans, st.booleans(), st.sampled_from(["both", "left"]))
def test_checker_counts_train_rows_exactly(train, val, with_ends, closed):
    (t, t_len), (v, v_len) = np.array(train).T, np.array(val).T
    t_end, v_end = (t + t_len, v + v_len) if with_ends else (t, v)
    ends = {"label_end_train": t_end, "label_end_val": v_end} if with_ends else {}
    report = ModelSanityChecker(closed=closed).run(
        np.arange(len(t))[:, None] + 0.5,
        None,
        -np.arange(len(v))[:, None],
        time_train=t,
        time_val=v,
        suite=["split.label_overlap"],
        horizon=None if with_ends else 0,
        **ends,
    )
    hulls = np.array(block_hulls_twin(t.tolist(), v.tolist(), v_end.tolist())).T
    assert overlap(report) == sum(meets_twin(t, t_end, *hulls, closed))
    assert report.checks_run == ("split.label_overlap",)


def panel_of(seed, n_times=120, n_assets=3, horizon=4, shuffle=False):
    rng = np.random.default_rng(seed)
    time = np.repeat(np.arange(n_times), n_assets)
    asset = np.tile([f"A{j}" for j in range(n_assets)], n_times)
    order = rng.permutation(len(time)) if shuffle else np.arange(len(time))
    X, y = rng.normal(size=(len(time), 3)), rng.normal(size=len(time))
    return Panel.from_arrays(X, y, time=time[order], asset=asset[order], horizon=horizon)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("splitter", [PurgedKFold(n_splits=4, embargo=2), WalkForward(n_splits=4, val_size=10)])
def test_purged_plans_are_clean_and_counts_are_exact_without_purging(splitter, shuffle):
    panel = panel_of(0, shuffle=shuffle)
    plan = splitter.plan(panel.times, label_end=panel.label_ends)
    assert plan == splitter.plan(panel)
    assert check(panel, plan, suite="split").findings == ()
    # The same plan over labels that reach further than the plan knew.
    longer = panel_of(0, shuffle=shuffle)
    object.__setattr__(longer, "label_end", panel.time + 12)
    report = check(longer, plan, suite="split")
    assert not report.passed()
    counted = {(f.fold, f.against): f.count for f in report.findings}
    for number, fold in enumerate(plan.folds):
        rows = fold.train.indices()
        for part in ("val", "test"):
            blocks = getattr(fold, part)
            if not len(blocks):
                continue
            order = np.arange(len(panel)) if plan.order is None else plan.order
            hulls = [
                (panel.time[order[a:b]].min(), longer.label_end[order[a:b]].max()) for a, b in blocks.ranges.tolist()
            ]
            met = meets_twin(panel.time[rows], longer.label_end[rows], *np.array(hulls).T, "both")
            assert counted.get((number, part), 0) == sum(met)
            if sum(met):
                finding = next(f for f in report.findings if (f.fold, f.against) == (number, part))
                assert [e.row for e in finding.examples] == rows[np.flatnonzero(met)][:10].tolist()
                assert finding.taxonomy == "L3.2"
                assert finding.severity == "error"


@pytest.mark.parametrize("horizon", [None, 1, 5, "5d"])
def test_unknown_label_ends_are_no_pass(horizon):
    X = np.arange(10.0)[:, None]
    run = ModelSanityChecker().run
    times = {"time_train": np.arange(10), "time_val": np.arange(10, 20), "horizon": horizon}
    report = run(X, None, -X, **times)
    assert "split.label_overlap" not in report.checks_run
    assert "no label ends known in X_train and X_val: pass label_end=" in report.checks_skipped["split.label_overlap"]
    one_sided = run(X, None, -X, **times, label_end_train=np.arange(10))
    assert "no label ends known in X_val:" in one_sided.checks_skipped["split.label_overlap"]
    one_sided = run(X, None, -X, **times, label_end_val=np.arange(10, 20))
    assert "no label ends known in X_train:" in one_sided.checks_skipped["split.label_overlap"]


def test_labels_declared_to_end_at_their_own_time_need_no_ends():
    X = np.arange(10.0)[:, None]
    times = {"time_train": np.arange(10), "time_val": np.arange(10, 20)}
    report = ModelSanityChecker().run(X, None, X + 0.5, **times, horizon=0, suite="split")
    assert "split.label_overlap" in report.checks_run
    assert report.findings == ()


def test_overlap_that_is_certain_without_all_ends_is_found():
    X = np.arange(10.0)[:, None]
    run = ModelSanityChecker().run
    times = {"time_train": np.arange(10), "time_val": np.arange(10, 20)}
    found = run(X, None, -X, time_train=np.arange(10), time_val=np.arange(9, 19), horizon=5).findings
    shared = next(f for f in found if f.id == "split.label_overlap")
    assert (shared.id, shared.count) == ("split.label_overlap", 1)
    assert "share the time" in shared.message
    assert "there may be more" in shared.message
    assert overlap(run(X, None, -X, **times, label_end_train=np.arange(10) + 1)) == 1
    turned = {"time_train": np.arange(10, 20), "time_val": np.arange(10)}
    assert overlap(run(X, None, -X, **turned, label_end_val=np.arange(10) + 3)) == 3


@pytest.mark.parametrize("splitter", [PurgedKFold(n_splits=4), WalkForward(n_splits=4)])
def test_a_panel_without_label_ends_is_no_pass(splitter):
    rng = np.random.default_rng(0)
    bare = Panel.from_arrays(rng.normal(size=(100, 2)), rng.normal(size=100), time=np.arange(100))
    report = check(bare, splitter.plan(bare))
    assert "split.label_overlap" not in report.checks_run
    assert report.checks_skipped["split.label_overlap"].startswith("no label ends known in panel: pass label_end= or")
    instants = Panel.from_arrays(bare.matrix(), bare.y, time=np.arange(100), label_end=np.arange(100))
    report = check(instants, splitter.plan(instants))
    assert "split.label_overlap" in report.checks_run


def test_a_plan_that_cuts_inside_a_date_is_found_without_label_ends():
    rng = np.random.default_rng(0)
    by_row = Panel.from_arrays(rng.normal(size=(40, 2)), rng.normal(size=40), time=np.arange(40))
    plan = WalkForward(n_splits=2).plan(by_row.times)
    first = int(plan.folds[0].test.indices()[0])
    cut = np.arange(40)
    cut[first] -= 1
    panel = Panel.from_arrays(by_row.matrix(), by_row.y, time=cut, allow_duplicate_keys=True)
    report = check(panel, plan, suite="split")
    assert [(f.id, f.fold, f.count) for f in report.findings if f.id != "split.time_order"] == [
        ("split.label_overlap", 0, 1),
        ("split.same_timestamp", 0, 1),
    ]
    assert "on fold 1: no label ends known" in report.checks_skipped["split.label_overlap"]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6), st.integers(0, 2)), min_size=12, max_size=40),
    st.sampled_from(["both", "left"]),
    st.integers(0, 3),
)
def test_within_assets_equals_every_pair(rows, closed, embargo):
    time, length, asset = np.array(rows).T
    panel = Panel.from_arrays(
        np.zeros((len(time), 1)),
        np.arange(len(time)) * 1.0,
        time=time,
        label_end=time + length,
        asset=asset,
        allow_duplicate_keys=True,
    )
    folds = min(3, len(np.unique(time)))
    if folds < 2:
        return
    splitter = PurgedKFold(folds, embargo=embargo, closed=closed, purge_scope="asset", on_empty="keep")
    plan = splitter.plan(panel)
    assert overlap(check(panel, plan, suite=["split.label_overlap"])) == 0
    # The labels of other assets are not looked at, nor forgiven where they are.
    for number, fold in enumerate(plan.folds):
        for scope in ("all", "asset"):
            train, test = fold.train.indices(), fold.test.indices()
            if not len(train):
                continue
            hulls = {}
            for row in test:
                key = asset[row] if scope == "asset" else 0
                first, last = hulls.get(key, (time[row], time[row] + length[row]))
                hulls[key] = (min(first, time[row]), max(last, time[row] + length[row]))
            twin = sum(
                any(meets_twin([time[row]], [time[row] + length[row]], [hulls[key][0]], [hulls[key][1]], closed))
                for row in train
                for key in [asset[row] if scope == "asset" else 0]
                if key in hulls
            )
            checker = ModelSanityChecker(closed=closed, purge_scope=scope)
            report = checker.run(panel.take(fold.train), None, panel.take(fold.test), suite=["split.label_overlap"])
            assert overlap(report) == twin, (number, scope)


def test_within_assets_needs_assets():
    time = np.arange(20)
    report = ModelSanityChecker(purge_scope="asset").run(
        np.zeros((10, 1)),
        None,
        np.ones((10, 1)),
        time_train=time[:10],
        time_val=time[10:],
        label_end_train=time[:10] + 3,
        label_end_val=time[10:] + 3,
        suite=["split.label_overlap"],
    )
    assert "pass asset_train and asset_val" in report.checks_skipped["split.label_overlap"]
