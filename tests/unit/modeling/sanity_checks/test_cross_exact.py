"""dup.cross_exact: what is counted, and how bad it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import ModelSanityChecker, Panel, PurgedKFold, SplitPlan, check
from tradewright.sanity_checks.checks.duplicates import chance_limit


def only(report):
    findings = [f for f in report.findings if f.id == "dup.cross_exact"]
    assert len(findings) == 1
    return findings[0]


def run(train, val, **rest):
    return ModelSanityChecker().run(train, None, val, suite="leakage", **rest)


def test_copied_rows_are_an_error_with_their_rows():
    rng = np.random.default_rng(0)
    train, val = rng.normal(size=(500, 4)), rng.normal(size=(100, 4))
    val[[3, 50, 99]] = train[[400, 7, 8]]
    finding = only(run(train, val))
    assert (finding.severity, finding.count, finding.taxonomy) == ("error", 3, "L1.4")
    pairs = [(e.source, e.row, e.other_source, e.other_row) for e in finding.examples]
    assert pairs == [("X_val", 3, "X_train", 400), ("X_val", 50, "X_train", 7), ("X_val", 99, "X_train", 8)]


def test_low_cardinality_rows_repeat_by_chance():
    rng = np.random.default_rng(1)
    finding = only(run(rng.integers(0, 3, (900, 3)), rng.integers(0, 3, (200, 3))))
    assert finding.severity == "info"
    assert finding.count == 200


def test_more_than_chance_is_an_error():
    rng = np.random.default_rng(2)
    train, val = rng.integers(0, 1_000, (2_000, 2)), rng.integers(0, 1_000, (500, 2))
    val[:150] = train[:150]
    finding = only(run(train, val))
    assert finding.severity == "error"
    assert 150 <= finding.count <= 155


def test_one_hit_in_small_data_is_a_warning():
    rng = np.random.default_rng(3)
    train, val = rng.normal(size=(100, 2)), rng.normal(size=(100, 2))
    val[5] = train[6]
    assert only(run(train, val)).severity == "warning"


def test_one_observation_on_both_sides_is_an_error_whatever_chance_says():
    rng = np.random.default_rng(4)
    train, val = rng.integers(0, 2, (300, 2)), rng.integers(0, 2, (100, 2))
    times = {"time_train": np.arange(300), "time_val": np.arange(299, 399)}
    train[299] = val[0] = [7, 7]
    finding = only(run(train, val, **times))
    assert finding.severity == "error"
    assert "1 are the same time" in finding.message
    assert only(run(train, val, time_train=np.arange(300), time_val=np.arange(300, 400))).severity == "info"


def test_one_observation_on_both_sides_is_found_behind_earlier_twins():
    """The first train row with the features is another one: every train row of the time must be looked at."""
    X = np.tile([[0.0], [1.0]], (50, 1))
    val, times = np.zeros((10, 1)), {"time_train": np.arange(100), "time_val": np.arange(20, 40, 2)}
    finding = only(run(X, val, **times))
    assert finding.severity == "error"
    assert "10 are the same time" in finding.message
    assert [(e.row, e.other_row) for e in finding.examples] == [(i, 20 + 2 * i) for i in range(10)]
    times["time_val"] = np.arange(21, 41, 2)  # these times are in train, with other features
    assert only(run(X, val, **times)).severity == "info"


observations = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("AB"), st.integers(0, 2)), min_size=1, max_size=15)


@settings(max_examples=200, deadline=None)
@given(observations, observations, st.booleans())
def test_same_observations_equal_every_pair(train, val, with_assets):
    values = np.array([0.0, 1.0, np.nan])
    sides = []
    for name, rows in (("train", train), ("val", val)):
        time, asset, x = (np.array(column) for column in zip(*rows, strict=True))
        sides.append((values[x][:, None], {f"time_{name}": time} | ({f"asset_{name}": asset} if with_assets else {})))
    (X, keys), (X_val, keys_val) = sides
    report = ModelSanityChecker().run(X, None, X_val, suite=["dup.cross_exact"], **keys, **keys_val)
    parts = (0, 1, 2) if with_assets else (0, 2)
    known = {tuple(row[i] for i in parts) for row in train}
    count = sum(tuple(row[i] for i in parts) in known for row in val)
    if count:
        assert only(report).severity == "error"
        assert f"{count} are the same {'asset and time' if with_assets else 'time'}" in only(report).message
        assert all(
            tuple(train[e.other_row][i] for i in parts) == tuple(val[e.row][i] for i in parts)
            for e in only(report).examples[:count]
        )
    else:
        assert "are the same" not in "".join(finding.message for finding in report.findings)


def test_warm_up_rows_of_nan_are_honest():
    rng = np.random.default_rng(5)
    train, val = rng.normal(size=(500, 3)), rng.normal(size=(100, 3))
    train[:20], val[:2] = np.nan, np.nan
    finding = only(run(train, val))
    assert (finding.severity, finding.count) == ("info", 2)


def test_agreement_of_labels_is_told():
    rng = np.random.default_rng(6)
    train, val = rng.normal(size=(500, 3)), rng.normal(size=(100, 3))
    val[:4] = train[:4]
    y_train, y_val = rng.normal(size=500), rng.normal(size=100)
    y_val[:3] = y_train[:3]
    report = ModelSanityChecker().check_data_leakage(train, val, y_train, y_val)
    assert "3 with the same label" in only(report).message


@given(st.integers(1, 1_000), st.integers(1, 2_000), st.integers(0, 500), st.integers(500, 5_000))
def test_chance_limit_is_never_below_the_expectation(count, n_val, twins, n_train):
    expected, limit = chance_limit(min(count, n_val), n_val, twins, n_train, 4.0)
    assert limit >= expected == pytest.approx(n_val * twins / n_train)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_folds_of_a_panel_equal_separate_arrays(seed, shuffle):
    """Rows are grouped once for all folds; each fold must say what a search of its own would."""
    rng = np.random.default_rng(seed)
    n = 80
    X = rng.choice([0.0, -0.0, 1.0, np.nan], (n, 3))
    time = rng.permutation(n) if shuffle else np.arange(n)
    panel = Panel.from_arrays(X, rng.normal(size=n), time=time)
    plan = PurgedKFold(n_splits=4, val_size=5).plan(panel)
    assert isinstance(plan, SplitPlan)
    report = check(panel, plan, suite=["dup.cross_exact"])
    found = {(f.fold, f.against): f for f in report.findings}
    for number, fold in enumerate(plan.folds):
        train = fold.train.indices()
        for part in ("val", "test"):
            rows = getattr(fold, part).indices()
            alone = run(X[train], X[rows], time_train=panel.time[train], time_val=panel.time[rows]).findings
            alone = [f for f in alone if f.id == "dup.cross_exact"]
            assert len(alone) == ((number, part) in found)
            if alone:
                ours = found[number, part]
                assert (ours.count, ours.severity, ours.value) == (alone[0].count, alone[0].severity, alone[0].value)
                assert ours.threshold == alone[0].threshold
                assert [e.row for e in ours.examples] == [int(rows[e.row]) for e in alone[0].examples]
                assert [e.other_row for e in ours.examples] == [int(train[e.other_row]) for e in alone[0].examples]
