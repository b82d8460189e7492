"""Rows that repeat: nearly, within, by key, with other labels, under two names, from day to day."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import ModelSanityChecker, Panel, PurgedKFold, check
from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.checks.twin_assets import equal_dates
from tradewright.sanity_checks.readings.series import SideSeries
from tradewright.sanity_checks.readings.twins import ArrayTwins, grid_of


def run(check_id, *args, **rest):
    report = ModelSanityChecker(rest.pop("config", None)).run(*args, suite=[check_id], **rest)
    assert check_id in {*report.checks_run, *report.checks_skipped}
    return report


def frames(seed=0, n=2_000, m=500, k=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) * 10.0 ** np.arange(k), rng.normal(size=(m, k)) * 10.0 ** np.arange(k)


# --- dup.cross_near


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_detour_through_float32_is_seen_through(order):
    train, val = frames()
    val[[3, 77, 400]] = train[[1_500, 2, 9]].astype("f4")
    val[8] = train[8]  # exactly equal: another check's
    found = run("dup.cross_near", np.array(train, order=order), None, np.array(val, order=order)).findings
    assert [(f.severity, f.count) for f in found] == [("warning", 3)]
    assert [(e.row, e.other_row) for e in found[0].examples] == [(3, 1_500), (77, 2), (400, 9)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-13, 1e-11, 1e-9]))
def test_near_rows_are_near_and_those_of_one_column_are_found(seed, noise):
    rng = np.random.default_rng(seed)
    train = rng.normal(size=(300, 1))
    val = train[:100] + rng.uniform(-noise, noise, (100, 1))
    sides = Side("X_train", {"a": train[:, 0]}), Side("X_val", {"a": val[:, 0]})
    rows, others = ArrayTwins().near(*sides, 1e-6)
    exact = np.flatnonzero((val == train[:100]).all(axis=1))
    assert sorted({*rows.tolist(), *exact.tolist()}) == list(range(100))
    step = grid_of([train[:, 0]], 1e-6)[1]
    assert (abs(train[others] - val[rows]) <= step * (1 + 1e-6)).all()


def test_larger_noise_and_honest_rows_are_left_alone():
    train, val = frames()
    val[:100] = train[:100] * (1 + 1e-3)
    assert run("dup.cross_near", train, None, val).findings == ()
    whole = np.arange(300).reshape(100, 3)
    assert run("dup.cross_near", whole, None, whole + 1).findings == ()


def test_folds_of_a_panel_find_near_rows_as_arrays_do():
    train, _ = frames(1, n=90)
    train[70:80] = train[10:20].astype("f4")
    panel = Panel.from_arrays(train, np.zeros(90), time=np.arange(90))
    plan = PurgedKFold(n_splits=3).plan(panel)
    found = {f.fold: f.count for f in check(panel, plan, suite=["dup.cross_near"]).findings}
    assert found == {0: 10, 2: 10}


# --- dup.within, dup.conflict


def test_repeated_rows_beyond_chance():
    train, _ = frames()
    train[100:120] = train[:20]
    report = run("dup.within", train)
    assert [(f.severity, f.count) for f in report.findings] == [("info", 40)]
    assert [(e.row, e.other_row) for e in report.findings[0].examples[:2]] == [(100, 0), (101, 1)]
    train[200:300] = train[300:400]
    assert [(f.severity, f.count) for f in run("dup.within", train).findings] == [("warning", 240)]


def test_few_values_repeat_honestly():
    rng = np.random.default_rng(0)
    few = rng.integers(0, 2, (2_000, 4)).astype(float)
    few[:, 1] = few[:, 0]  # columns that are not independent
    assert {f.severity for f in run("dup.within", few).findings} <= {"info"}
    y = rng.normal(size=2_000)
    assert {f.severity for f in run("dup.conflict", few, y).findings} == {"info"}
    assert {f.severity for f in run("dup.stale", few).findings} == set()
    middling = rng.integers(0, 40, (4_000, 2)).astype(float) + rng.integers(0, 2, (4_000, 2)) / 7
    assert {f.severity for f in run("dup.within", middling).findings} <= {"info"}


def test_rows_without_values_are_warm_up():
    train, _ = frames()
    train[:300] = np.nan
    for check_id in ("dup.within", "dup.stale", "dup.conflict"):
        assert run(check_id, train, np.arange(2_000.0)).findings == ()


def test_conflicting_labels_are_counted():
    train, _ = frames()
    train[100:140] = train[:40]
    y = np.arange(2_000.0)
    y[100:110] = y[:10]  # these agree
    y[110] = np.nan
    report = run("dup.conflict", train, y)
    assert [(f.severity, f.count) for f in report.findings] == [("warning", 58)]
    assert "no labels" in run("dup.conflict", train).checks_skipped["dup.conflict"]


# --- dup.key


def test_surplus_rows_of_a_key_are_counted_across_sides():
    train, val = frames()
    asset, time = np.array(["a", "b"] * 1_000), np.repeat(np.arange(1_000), 2)
    keys = {"time_train": time, "asset_train": asset, "time_val": np.arange(1_000, 1_500), "asset_val": ["a"] * 500}
    assert run("dup.key", train, None, val, **keys).findings == ()
    time[[10, 12]] = 3
    keys["time_val"][7] = 0
    (finding,) = run("dup.key", train, None, val, **keys).findings
    assert (finding.severity, finding.count) == ("error", 3)
    assert [(e.source, e.row, e.other_source, e.other_row) for e in finding.examples] == [
        ("X_train", 10, "X_train", 6),
        ("X_train", 12, "X_train", 6),
        ("X_val", 7, "X_train", 0),
    ]


def test_times_alone_prove_nothing_where_assets_may_be_many():
    train, _ = frames()
    assert run("dup.key", train, time_train=np.arange(2_000)).findings == ()
    skipped = run("dup.key", train, time_train=np.arange(2_000) // 2).checks_skipped["dup.key"]
    assert "1,000 rows share their time" in skipped
    assert "asset_train" in skipped


# --- dup.entity


def panel_of_assets(seed=0, dates=100, assets=6):
    rng = np.random.default_rng(seed)
    cube = rng.normal(size=(dates, assets, 3))
    cube[:, :, 2] = cube[:, :1, 2]  # the market, the same for all
    keys = {
        "time_train": np.repeat(np.arange(dates), assets),
        "asset_train": np.tile([f"A{j}" for j in range(assets)], dates),
    }
    return cube, keys


def test_one_asset_under_two_names():
    cube, keys = panel_of_assets()
    assert run("dup.entity", cube.reshape(-1, 3), **keys).findings == ()
    cube[:, 4] = cube[:, 1]
    cube[::25, 4, 0] += 1.0  # 96 of 100 dates
    (finding,) = run("dup.entity", cube.reshape(-1, 3), **keys).findings
    assert (finding.severity, finding.count, finding.value) == ("warning", 1, 0.96)
    assert "A1 and A4 on 96 of 100 dates" in finding.message
    assert finding.examples[0].asset == "A1"
    cube[::10, 4, 0] += 1.0
    assert run("dup.entity", cube.reshape(-1, 3), **keys).findings == ()


def test_three_share_classes_are_three_pairs():
    cube, keys = panel_of_assets(1)
    cube[:, 3] = cube[:, 2] = cube[:, 0]
    assert [f.count for f in run("dup.entity", cube.reshape(-1, 3), **keys).findings] == [3]


def test_features_of_the_market_alone_tell_no_assets_apart():
    cube, keys = panel_of_assets()
    skipped = run("dup.entity", cube[:, :, 2:].reshape(-1, 1), **keys).checks_skipped["dup.entity"]
    assert "do not tell assets apart" in skipped


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 5)), max_size=40, unique=True))
def test_pairs_equal_the_twin(rows):
    groups, time, asset = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    counts = {}
    for g, t, a in rows:
        for other in [b for g2, t2, b in rows if (g2, t2) == (g, t) and b > a]:
            counts[a, other] = counts.get((a, other), 0) + 1
    pairs, equal = equal_dates(groups, time, asset)
    assert {(int(a), int(b)): int(n) for (a, b), n in zip(pairs, equal, strict=True)} == counts


# --- dup.stale


def test_rows_filled_forward_are_counted_by_asset():
    cube, keys = panel_of_assets()
    assert run("dup.stale", cube.reshape(-1, 3), **keys).findings == ()
    for day in (10, 11, 50, 70, 71, 72):
        cube[day] = cube[day - 1]
    order = np.random.default_rng(0).permutation(600)
    shuffled = {name: values[order] for name, values in keys.items()}
    for matrix, named in ((cube.reshape(-1, 3), keys), (cube.reshape(-1, 3)[order], shuffled)):
        (finding,) = run("dup.stale", matrix, **named).findings
        assert (finding.severity, finding.count) == ("warning", 36)
        assert finding.examples[0].row is not None


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=30), st.booleans(), st.booleans())
def test_predecessors_equal_the_twin(rows, with_time, with_asset):
    asset, time = (np.array(values) for values in zip(*rows, strict=True))
    side = Side("X_train", {"a": asset}, time=time if with_time else None, asset=asset if with_asset else None)
    walk = sorted(range(len(rows)), key=lambda r: ((asset[r] if with_asset else 0), time[r] if with_time else 0, r))
    expected = [2**32 - 1] * len(rows)
    for before, row in itertools.pairwise(walk):
        if not with_asset or asset[before] == asset[row]:
            expected[row] = before
    assert SideSeries.of(side).previous().tolist() == expected
