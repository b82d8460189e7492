"""feature.*, leak.global_scaling and lookahead.asof: what fires, what must not, and what is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tradewright import CombinatorialPurgedCV, ModelSanityChecker, Panel, PurgedKFold, _core, check
from tradewright.errors import DataError
from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.readings.block_order import BlockOrder
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.profiles import PanelProfiles

N = 2_000
rng = np.random.default_rng(0)
NOISE = rng.normal(size=N)


def run(check_id, columns, config=None, **rest):
    frame = pd.DataFrame({"honest": NOISE[: len(next(iter(columns.values())))], **columns})
    report = ModelSanityChecker(config).run(frame, suite=[check_id], **rest)
    assert report.checks_run == (check_id,)
    assert all("honest" not in f.columns for f in report.findings if f.id != "feature.scale")
    return [(f.severity, f.count, f.columns) for f in report.findings]


def changed(rows, value, base=NOISE):
    column = base.copy()
    column[rows] = value
    return column


def test_infinite_cells_are_counted():
    assert run(
        "feature.inf", {"a": changed([3, 9], np.inf), "b": changed([1], -np.inf), "n": changed([1], np.nan)}
    ) == [
        ("error", 2, ("a",)),
        ("error", 1, ("b",)),
    ]


def test_constant_columns():
    found = run(
        "feature.constant",
        {"a": np.full(N, 3.0), "b": np.full(N, np.nan), "c": changed([5], 0.0), "d": np.zeros(N, bool)},
    )
    assert found == [("error", N, ("a",)), ("error", N, ("b",)), ("error", N, ("d",))]


@pytest.mark.parametrize(("others", "fires"), [(0, False), (1, True), (2, True), (3, False)])
def test_quasi_constant_columns(others, fires):
    column = np.zeros(N)
    column[:others] = NOISE[:others]
    found = run("feature.quasi_constant", {"a": column})
    assert found == ([("warning", N - others, ("a",))] if fires else [])


def test_a_quasi_constant_column_with_many_other_values_is_recounted():
    column = np.full(200_000, 7.0)
    rows = np.random.default_rng(1).choice(200_000, 150, replace=False)
    column[rows] = np.random.default_rng(2).normal(size=150)
    report = ModelSanityChecker().run({"a": column}, suite=["feature.quasi_constant"])
    assert [(f.count, len(f.examples)) for f in report.findings] == [(200_000 - 150, 10)]
    assert {e.row for e in report.findings[0].examples} <= set(rows.tolist())


def test_equal_columns_are_one_finding():
    whole = np.round(NOISE * 5)
    found = run(
        "feature.duplicate_column", {"a": whole, "b": whole.astype(int), "c": changed([7], 99.0, whole), "d": whole}
    )
    assert found == [("error", N, ("a", "b", "d"))]
    missing = changed([4, 8], np.nan)
    assert run("feature.duplicate_column", {"a": missing, "b": missing.copy()}) == [("error", N, ("a", "b"))]


def test_row_numbers_and_dates_are_id_like():
    walk = np.cumsum(NOISE)
    found = run("feature.id_like", {"number": np.arange(N) * 3 + 5, "walk": walk, "back": -np.arange(float(N))})
    assert [columns for _, _, columns in found] == [("number",), ("back",)]


def test_on_a_panel_a_date_is_id_like_and_a_running_total_is_not():
    dates, assets = 200, 10
    time, asset = np.repeat(np.arange(dates), assets), np.tile(np.arange(assets), dates)
    volume = np.cumsum(np.random.default_rng(0).uniform(1, 9, (dates, assets)), axis=0).reshape(-1)
    order = np.random.default_rng(1).permutation(N)
    for rows in (np.arange(N), np.lexsort((time, asset)), order):
        keys = {"time_train": time[rows], "asset_train": asset[rows].astype(str)}
        found = run("feature.id_like", {"date": 20_000.0 + time[rows], "volume": volume[rows]}, **keys)
        assert [columns for _, _, columns in found] == [("date",)]


def test_a_feed_that_stopped_is_stale_and_a_laggard_is_not():
    dates, assets = 400, 5
    keys = {"time_train": np.repeat(np.arange(dates), assets), "asset_train": np.tile(list("ABCDE"), dates)}
    cube = np.random.default_rng(0).normal(size=(dates, assets))
    ranks = cube.argsort(axis=1).argsort(axis=1)
    cube[100:160, 2] = cube[99, 2]
    resting = np.where(np.random.default_rng(1).random((dates, assets)) < 0.95, 0.0, cube)
    found = run(
        "feature.stale", {"feed": cube.reshape(-1), "rank": ranks.reshape(-1), "resting": resting.reshape(-1)}, **keys
    )
    assert found == [("warning", 61, ("feed",))]


def test_sentinels_are_told_from_honest_numbers():
    found = run(
        "feature.sentinel",
        {
            "a": changed([1, 2, 3], -999.0),
            "b": changed([1], -999.0),
            "c": np.arange(N) % 1000,
            "d": changed(np.arange(0, N, 5), 0.0),
            "e": changed([4, 5], 1e9),
        },
    )
    assert found == [("info", 3, ("a",)), ("info", 2, ("e",)), ("info", N // 5, ("d",))]


def test_scales_far_apart():
    assert run("feature.scale", {"a": NOISE * 1e5}) == []
    assert run("feature.scale", {"a": NOISE * 1e7}) == [("warning", 2, ("honest", "a"))]
    far = (NOISE + 3e5).astype("f4")
    assert run("feature.scale", {"a": far, "b": NOISE + 3e5}) == [("warning", 1, ("a",))]


# --- leak.global_scaling


def scaled(kind, columns=3):
    data = np.random.default_rng(3).normal(size=(N, columns)) + np.linspace(0, 1, N)[:, None]
    seen = {"all": data, "train": data[:1500]}[kind.split()[0]]
    if kind.endswith("range"):
        return (data - seen.min(axis=0)) / (seen.max(axis=0) - seen.min(axis=0))
    return (data - seen.mean(axis=0)) / seen.std(axis=0, ddof=1 if kind.endswith("ddof") else 0)


@pytest.mark.parametrize("kind", ["all", "all ddof", "all range", "train", "train range"])
def test_scaling_over_all_rows_is_found(kind):
    data = scaled(kind)
    found = ModelSanityChecker().run(data[:1500], None, data[1500:], suite=["leak.global_scaling"]).findings
    assert [(f.severity, f.count, f.taxonomy) for f in found] == ([("warning", N, "L1.2")] if "all" in kind else [])
    panel = Panel.from_arrays(data, np.zeros(N), time=np.arange(N), label_end=np.arange(N))
    plan = PurgedKFold(n_splits=4, val_size=50).plan(panel)
    report = check(panel, plan, suite=["leak.global_scaling"])
    if "train" not in kind:
        assert {f.fold for f in report.findings} >= {0, 3}
    else:
        assert report.findings == ()


def test_a_z_score_within_dates_is_honest():
    cube = np.random.default_rng(0).normal(size=(100, 20, 4))
    cube = (cube - cube.mean(axis=1, keepdims=True)) / cube.std(axis=1, keepdims=True)
    flat = cube.reshape(-1, 4)
    assert ModelSanityChecker().run(flat[:1500], None, flat[1500:], suite=["leak.global_scaling"]).findings == ()


# --- lookahead.asof


def test_features_known_too_late_are_counted():
    days = np.datetime64("2024-01-01") + np.arange(100)
    known = days.astype("datetime64[ns]") - np.timedelta64(1, "h")
    rest = {"time_train": days, "suite": ["lookahead.asof"]}
    X = NOISE[:100, None]
    assert ModelSanityChecker().run(X, available_at_train=known, **rest).findings == ()
    known[[7, 50]] += np.timedelta64(2, "h")
    (finding,) = ModelSanityChecker().run(X, available_at_train=known, **rest).findings
    assert (finding.severity, finding.count, finding.taxonomy) == ("error", 2, "L3.1")
    assert [e.row for e in finding.examples] == [7, 50]
    assert "available_at_train" in ModelSanityChecker().run(X, **rest).checks_skipped["lookahead.asof"]
    with pytest.raises(DataError, match="available_at"):
        ModelSanityChecker().run(X, available_at_train=known[:5], **rest)


# --- many folds


def test_folds_cost_no_further_scans(monkeypatch):
    """45 folds read the panel as often as one does, whatever is found."""
    panel = Panel.from_arrays(
        np.random.default_rng(0).normal(size=(600, 4)), NOISE[:600], time=np.arange(600), horizon=3
    )
    plan = CombinatorialPurgedCV(n_groups=10, n_test_groups=2).plan(panel)
    assert len(plan) == 45
    reads = []

    def counted(name, scan):
        def wrapper(*args, **rest):
            reads.append(name)
            return scan(*args, **rest)

        return wrapper

    scans = ("duplicate_rows", "cross_duplicates", "repeated_rows", "ColumnProfiler", "BlockSamples", "drifts")
    for name in (*scans, "autocorrelations", "missing_by_class", "ranks"):
        monkeypatch.setattr(_core, name, counted(name, getattr(_core, name)))
    monkeypatch.setattr(BlockOrder, "of", counted("BlockOrder", BlockOrder.of))
    counts = []
    for folds in ([0], None):
        reads.clear()
        check(panel, plan, folds=folds)
        counts.append(sorted(reads))
    assert counts[0] == counts[1]
    assert counts[0].count("ColumnProfiler") == 1
    assert counts[0].count("BlockSamples") == 1  # of the features
    assert counts[0].count("BlockOrder") == 1  # of the labels


def test_moments_of_a_fold_are_those_of_its_rows():
    X = np.random.default_rng(0).normal(size=(300, 3))
    X[::7, 1] = np.nan
    for time in (np.arange(300), np.random.default_rng(1).permutation(300)):
        panel = Panel.from_arrays(X, np.zeros(300), time=time, horizon=2)
        plan = CombinatorialPurgedCV(n_groups=6, n_test_groups=2).plan(panel)
        side = Side("panel", dict(panel.columns), time=panel.time, blocks=FoldBlocks.of(plan))
        profiles = PanelProfiles(side)
        for fold in plan.folds:
            rows = fold.train.indices()
            own = profiles.moments(replace(side, rows=fold.train))
            expected = panel.matrix()[rows]
            np.testing.assert_allclose(own.mean, np.nanmean(expected, axis=0))
            np.testing.assert_allclose(own.std(), np.nanstd(expected, axis=0))
            assert own.nan.tolist() == np.isnan(expected).sum(axis=0).tolist()
            assert profiles.missing(replace(side, rows=fold.train)).tolist() == own.nan.tolist()
            assert own.rows.tolist() == [len(rows)] * 3
