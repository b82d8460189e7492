"""Which rows, times and assets stand on both sides, and in which order: exact counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import CombinatorialPurgedCV, ModelSanityChecker, Panel, PurgedKFold, WalkForward, check
from tradewright.errors import ParameterError

SPLIT = ["split.index_overlap", "split.time_order", "split.same_timestamp", "split.embargo", "split.entity_overlap"]
rows = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3)), min_size=1, max_size=25)


def run(train, val, **keywords):
    (t, a), (v, b) = np.array(train).T, np.array(val).T
    X = np.zeros((len(t), 1))
    names = np.array(["A", "B", "C", "D"])
    return ModelSanityChecker().run(
        X,
        None,
        np.ones((len(v), 1)),
        time_train=t,
        time_val=v,
        asset_train=names[a],
        asset_val=names[b],
        suite=SPLIT,
        **keywords,
    )


@settings(max_examples=150, deadline=None)
@given(rows, rows, st.integers(0, 4))
def test_counts_are_those_of_every_pair(train, val, lookback):
    report = run(train, val, lookback=lookback)
    count = {finding.id: finding.count for finding in report.findings}
    assert count.get("split.index_overlap", 0) == sum(row in train for row in val)
    first = min(t for t, _ in val)
    assert count.get("split.time_order", 0) == sum(t >= first for t, _ in train)
    times = {t for t, _ in train} & {t for t, _ in val}
    assert count.get("split.same_timestamp", 0) == len(times)
    assert count.get("split.entity_overlap", 0) == len({a for _, a in train} & {a for _, a in val})
    axis = sorted({t for t, _ in train} | {t for t, _ in val})
    ahead = [(max((v for v, _ in val if v < t), default=None), t) for t, _ in train]
    # Between a row and the last validation row before it lie fewer than `lookback` timestamps.
    near = sum(v is not None and axis.index(t) - axis.index(v) <= lookback for v, t in ahead)
    assert count.get("split.embargo", 0) <= near
    if not times:  # else a train row inside a block may follow one of its rows, which is no end of it
        assert count.get("split.embargo", 0) == near


def panel_of(n=120, assets=3):
    rng = np.random.default_rng(0)
    time = np.repeat(np.arange(n), assets)
    X, y = rng.normal(size=(len(time), 2)), rng.normal(size=len(time))
    return Panel.from_arrays(X, y, time=time, asset=np.tile(["A", "B", "C"][:assets], n), horizon=2)


def test_plans_lie_as_they_should():
    panel = panel_of()
    for splitter in (PurgedKFold(4, embargo=6), CombinatorialPurgedCV(4, 2, embargo=6), WalkForward(3)):
        report = check(panel, splitter.plan(panel), suite="split", lookback=6)
        assert report.findings == (), str(report)
        assert not report.checks_skipped
    # An embargo counts from the last label's end, two dates behind the last row: dates 5 and 6 are left.
    report = check(panel, PurgedKFold(4, embargo=2).plan(panel), suite="split", lookback=6)
    assert {(f.id, f.severity, f.fold, f.count) for f in report.findings} == {
        ("split.embargo", "warning", fold, 2 * 3) for fold in range(3)
    }
    assert "split.entity_overlap" not in report.checks_run
    named = check(panel, WalkForward(3).plan(panel), suite=["split.entity_overlap"])
    assert [(f.severity, f.count) for f in named.findings] == [("info", 3)] * 3


def test_interleaved_rows_are_declared():
    train, val = [(t, 0) for t in (*range(5), *range(10, 15))], [(t, 0) for t in range(5, 10)]
    assert "split.time_order" in {f.id for f in run(train, val).findings}
    report = run(train, val, interleaved=True)
    assert "split.time_order" not in {f.id for f in report.findings}
    assert report.config["interleaved"] is True
    assert report.checks_skipped["split.embargo"].endswith("pass lookback=")


@pytest.mark.parametrize(
    "declared",
    [{"profile": "prices"}, {"nowcasting": ["y"]}, {"raw": ["close"]}, {"lookback": -1}, {"lookback": True}],
)
def test_what_cannot_be_declared_is_refused(declared):
    with pytest.raises(ParameterError):
        run([(0, 0)], [(1, 0)], **declared)


def test_times_alone_tell_rows_only_where_none_repeats():
    X = np.zeros((4, 1))
    overlap = ["split.index_overlap"]
    checker = ModelSanityChecker()
    twice = checker.run(X, None, X + 1, time_train=[0, 0, 1, 1], time_val=[1, 1, 2, 2], suite=overlap)
    assert "pass asset_train and asset_val" in twice.checks_skipped["split.index_overlap"]
    once = checker.run(X, None, X + 1, time_train=[0, 1, 2, 3], time_val=[3, 4, 5, 6], suite=overlap)
    assert [(f.count, f.examples[0].row) for f in once.findings] == [(1, 0)]
