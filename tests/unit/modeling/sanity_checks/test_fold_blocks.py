"""What is added up by the blocks of a plan is what a look at the rows of each fold gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import odd_plans, plan_of

from tradewright import CombinatorialPurgedCV, Panel, check
from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.side_times import all_times, count_times, hull, rows_between, shared_times

SPLIT = ["split.index_overlap", "split.time_order", "split.same_timestamp", "split.embargo"]


def sides_of(plan, source):
    """Each role of each fold that has rows."""
    for fold in plan.folds:
        yield {
            role: Side(
                "panel",
                source.columns,
                y=source.y,
                time=source.time,
                asset=source.asset,
                rows=rows,
                blocks=source.blocks,
            )
            for role in ("train", "val", "test")
            if len(rows := getattr(fold, role))
        }


@settings(max_examples=150, deadline=None)
@given(odd_plans())
def test_blocks_cover_the_panel_and_no_fold_cuts_them(drawn):
    time, _, plan = drawn
    blocks = FoldBlocks.of(plan)
    assert np.bincount(blocks.numbers, minlength=len(blocks)).tolist() == blocks.sizes.tolist()
    for sides in sides_of(plan, Side("panel", {}, time=time, blocks=blocks)):
        for side in sides.values():
            assert np.flatnonzero(side.in_blocks[blocks.numbers]).tolist() == side.positions().tolist()


@settings(max_examples=300, deadline=None)
@given(odd_plans(), st.booleans())
def test_times_of_sides_are_those_of_their_rows(drawn, foreign):
    time, _, plan = drawn
    if foreign:  # the plan was made from other times: its order is not that of these
        time = time[::-1].copy()
    for sides in sides_of(plan, Side("panel", {}, time=time, blocks=FoldBlocks.of(plan))):
        for side in sides.values():
            times = time[side.positions()].tolist()
            assert hull(side) == (min(times), max(times))
            assert count_times(side) == len(set(times))
            for other in sides.values():
                assert shared_times(side, other).tolist() == sorted(set(times) & set(time[other.positions()].tolist()))
                assert all_times(side, other).tolist() == sorted(set(time.tolist()))


@settings(max_examples=150, deadline=None)
@given(odd_plans(), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), min_size=1, max_size=4))
def test_rows_between_are_those_within_a_span(drawn, spans):
    time, _, plan = drawn
    since, length = np.array(spans).T
    for sides in sides_of(plan, Side("panel", {}, time=time, blocks=FoldBlocks.of(plan))):
        for side in sides.values():
            near = rows_between(side, since, since + length).positions().tolist()
            assert near == [row for row in side.positions() if any(s <= time[row] <= s + d for s, d in spans)]


def panel_of(time, asset, seed=0, **more):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(len(time), 2))
    X[rng.random(X.shape) < 0.3] = np.nan
    return Panel.from_arrays(X, rng.normal(size=len(time)), time=time, asset=asset, **more)


@settings(max_examples=60, deadline=None)
@given(odd_plans())
def test_times_on_both_sides_are_counted_exactly(drawn):
    time, asset, plan = drawn
    report = check(panel_of(time, asset), plan, suite=SPLIT)
    found = {(f.fold, f.against): f for f in report.findings if f.id == "split.same_timestamp"}
    for fold in plan.folds:
        for part in ("val", "test"):
            here, there = (time[rows.indices()] for rows in (fold.train, getattr(fold, part)))
            shared = sorted(set(here.tolist()) & set(there.tolist()))
            finding = found.get((fold.index, part))
            assert (finding.count if finding else 0) == len(shared)
            if finding:
                rows = getattr(fold, part).indices()
                assert finding.value == len(shared) / len(set(there.tolist()))
                assert [e.row for e in finding.examples] == [rows[there == t][0] for t in shared][:10]


def test_a_fold_is_told_the_same_alone_as_among_the_others():
    rng = np.random.default_rng(1)
    time = np.repeat(np.arange(200), 3)
    order = rng.permutation(len(time))
    panel = panel_of(time[order], np.tile([0, 1, 2], 200)[order], horizon=4)
    plan = CombinatorialPurgedCV(n_groups=5, n_test_groups=2).plan(panel)
    config = {"drift.univariate": {"distance": 0.0, "stability": 0.0}, "drift.nan_rate": {"warning": 0.0}}
    everything = check(panel, plan, config=config).findings
    for number in (0, 3):
        alone = check(panel, plan, folds=[number], config=config).findings
        assert alone == tuple(f for f in everything if f.fold in (None, number))


def test_a_row_cut_inside_a_date_is_found_in_every_fold():
    time = np.repeat(np.arange(40), 5)
    plan = plan_of(time, [[(98, "train"), (102, "val")], [(40, "test"), (3, "purged"), (157, "train")]])
    report = check(panel_of(time, np.tile(np.arange(5), 40)), plan, suite=["split.same_timestamp"])
    assert [(f.fold, f.against, f.count) for f in report.findings] == [(0, "val", 1)]
    assert report.findings[0].examples[0].row == 98
