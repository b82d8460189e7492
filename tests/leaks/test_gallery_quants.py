"""Leaks as a quant makes them, each beside its honest variant: the one is named, the other left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from panels import honest_market
from sabotage import KFOLD, per_asset, with_columns

import tradewright as tw
from tradewright.training.data import TrainingData
from tradewright.training.gate import check_leakage

SCALING = ["leak.global_scaling"]


@pytest.fixture(scope="module")
def panel():
    return honest_market(21, n_times=500).panel()


def severities(report, check):
    return {finding.severity for finding in report.findings if finding.id == check}


# --- scaled over all rows ---------------------------------------------------------------------------------------------


def scaled(panel, kept):
    """Features scaled over the kept rows alone."""
    columns = {}
    for name, values in panel.columns.items():
        mean, std = np.nanmean(values[kept]), np.nanstd(values[kept])
        columns[name] = (values - mean) / std
    return replace(panel, columns=columns)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.02])
def test_a_scaler_of_all_rows_is_found_after_rows_were_dropped(panel, share):
    times = np.unique(panel.time)
    kept = panel.time < times[len(times) - max(1, round(share * len(times)))]
    whole = scaled(panel, np.ones(len(panel), bool))
    whole = whole.take(kept) if share else whole
    report = tw.check(whole, KFOLD.plan(whole), suite=SCALING)
    assert severities(report, *SCALING) == ({"info"} if share else {"warning"}), str(report)
    if share:
        assert "of which some were dropped since" in report.findings[0].message


@pytest.mark.parametrize("seed", range(5))
def test_a_scaler_of_train_rows_is_left_alone(seed):
    panel = honest_market(40 + seed).panel()
    times = np.unique(panel.time)
    train = panel.time < times[round(0.7 * len(times))]
    honest = scaled(panel, train)
    report = tw.ModelSanityChecker().run(honest.take(train), None, honest.take(~train), suite=SCALING)
    assert report.findings == (), str(report)


def test_ranks_of_a_date_and_of_the_past_are_no_ranks_of_all_rows(panel):
    n_assets = len(panel.asset_names)
    rng = np.random.default_rng(0)
    by_date, trailing = {}, {}
    for k in range(3):
        values = rng.normal(size=len(panel))
        ranks = np.empty(len(panel))
        order = np.lexsort((values, panel.time))
        starts = np.searchsorted(panel.time[order], panel.time[order])
        ranks[order] = (np.arange(len(panel)) - starts) / n_assets
        by_date[f"by_date_{k}"] = ranks
        trailing[f"trailing_{k}"] = rng.random(len(panel))  # the place of a value among a year of its own
    for columns in (by_date, trailing):
        report = tw.check(with_columns(panel, **columns), KFOLD.plan(panel.times), suite=SCALING)
        assert report.findings == (), str(report)


# --- labels of others -------------------------------------------------------------------------------------------------


def neighbour(panel, shift):
    order = np.lexsort((panel.asset, panel.time))
    other = np.empty(len(panel))
    other[order] = np.roll(panel.y[order], 1)
    return per_asset(panel, shift, other)


@pytest.mark.parametrize("shift", [-3, 0, 1, 40])
def test_labels_of_another_asset_that_are_open_are_found(panel, shift):
    report = tw.check(
        with_columns(panel, other=neighbour(panel, shift)),
        KFOLD.plan(panel.times),
        suite=["leak.feature_is_future_value"],
    )
    (finding,) = report.findings
    assert (finding.severity, finding.columns) == ("error", ("other",))
    example = finding.examples[0]
    assert panel.y[example.other_row] == neighbour(panel, shift)[example.row]
    assert panel.asset[example.other_row] != panel.asset[example.row]


def test_a_shift_over_all_assets_is_counted(panel):
    """shift(-1) of rows by date: each row has the label of the next, and the last has none."""
    order = np.lexsort((panel.asset, panel.time))
    shifted = np.full(len(panel), np.nan)
    shifted[order[:-1]] = panel.y[order[1:]]
    report = tw.check(
        with_columns(panel, shifted=shifted), KFOLD.plan(panel.times), suite=["leak.feature_is_future_value"]
    )
    assert [(f.columns, f.count, f.value) for f in report.findings] == [(("shifted",), len(panel) - 1, 1.0)]


@pytest.mark.parametrize("shift", [-5, -6, -60])
def test_labels_of_another_asset_that_have_ended_are_legal(panel, shift):
    spoiled = with_columns(panel, other=neighbour(panel, shift))
    assert tw.check(spoiled, KFOLD.plan(panel.times), suite=["leak.feature_is_future_value"]).findings == ()


def test_classes_are_not_looked_up_by_value():
    panel = honest_market(22, binary=True).panel()
    spoiled = with_columns(panel, other=neighbour(panel, 1))
    assert tw.check(spoiled, KFOLD.plan(panel.times), suite=["leak.feature_is_future_value"]).findings == ()


# --- returns of one bar beside labels of five -------------------------------------------------------------------------


def test_the_next_return_is_an_error_only_where_returns_are_known(panel):
    spoiled = with_columns(panel, tomorrow=panel.returns)
    plan = KFOLD.plan(panel.times)
    known = tw.check(spoiled, plan, suite=["lookahead.lag_profile"])
    assert severities(known, "lookahead.lag_profile") == {"error"}
    assert "the return of its own row" in known.findings[0].message
    unknown = tw.check(replace(spoiled, returns=None), plan, suite=["lookahead.lag_profile"])
    assert severities(unknown, "lookahead.lag_profile") == {"warning"}
    past = with_columns(panel, today=per_asset(panel, -1, panel.returns))
    assert tw.check(past, plan, suite=["lookahead.lag_profile"]).findings == ()


# --- the split --------------------------------------------------------------------------------------------------------


def test_a_reversed_split_is_in_the_suite_of_leaks(panel):
    times = np.unique(panel.time)
    border = times[len(times) // 3]
    early, late = panel.take(panel.label_end < border), panel.take(panel.time >= border)
    X, V = (np.column_stack(list(part.columns.values())) for part in (late, early))
    report = tw.ModelSanityChecker().check_data_leakage(
        X,
        V,
        late.y,
        early.y,
        time_train=late.times,
        time_val=early.times,
        asset_train=late.asset,
        asset_val=early.asset,
    )
    (finding,) = (f for f in report.findings if f.id == "split.time_order")
    assert (finding.severity, finding.count) == ("error", len(late))


@pytest.mark.parametrize(
    "splitter", [KFOLD, tw.CombinatorialPurgedCV(4, 2, val_size=20), tw.WalkForward(3, val_size=30)]
)
def test_plans_pass_the_suite_of_leaks(panel, splitter):
    plan = splitter.plan(panel)
    report = tw.check(panel, plan, suite="leakage")
    assert "split.time_order" in report.checks_run
    assert report.passed("warning"), str(report)
    data = TrainingData.from_panel(panel, plan[0], None)
    assert check_leakage(data, "leakage", allow_leakage=False).refusal is None


def times_of(label_ends):
    """Train rows on both sides of the validation rows, with or without label ends."""
    train, val = np.r_[0:100, 160:300], np.arange(110, 150)
    times = {"time_train": train, "time_val": val}
    return {**times, "label_end_train": train + 3, "label_end_val": val + 3} if label_ends else times


@pytest.mark.parametrize("label_ends", [True, False])
def test_the_gate_lets_arrays_interleave_where_labels_are_held_against_each_other(label_ends):
    rng = np.random.default_rng(0)
    data = TrainingData.from_arrays(
        rng.normal(size=(240, 2)),
        rng.normal(size=240),
        rng.normal(size=(40, 2)),
        rng.normal(size=40),
        dtype=None,
        sample_weight=None,
        groups=None,
        assets=None,
        times=times_of(label_ends),
    )
    refusal = check_leakage(data, "leakage", allow_leakage=False).refusal
    assert (refusal is None) == label_ends
    if refusal is not None:
        assert "split.time_order (140)" in str(refusal)


# --- what stands still ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [21, 63, 252])
def test_figures_published_now_and_then_are_not_stale(every):
    rng = np.random.default_rng(every)
    n_times, n_assets = 1200, 8
    steps = (np.arange(n_times)[:, None] + rng.integers(every, size=n_assets)) // every
    values = np.take_along_axis(rng.normal(size=(steps.max() + 1, n_assets)), steps, axis=0)
    fixed = np.tile(rng.normal(size=40), (n_times, 1))
    keys = {"time_train": np.repeat(np.arange(n_times), n_assets), "asset_train": np.tile(np.arange(n_assets), n_times)}
    checker = tw.ModelSanityChecker()
    assert checker.run({"figure": values.reshape(-1)}, suite=["feature.stale"], **keys).findings == ()
    keys = {"time_train": np.repeat(np.arange(n_times), 40), "asset_train": np.tile(np.arange(40), n_times)}
    assert checker.run({"founded": fixed.reshape(-1)}, suite=["feature.stale"], **keys).findings == ()
    values[150:, 3] = values[150, 3]  # one of them is never published again
    keys = {"time_train": np.repeat(np.arange(n_times), n_assets), "asset_train": np.tile(np.arange(n_assets), n_times)}
    stopped = checker.run({"figure": values.reshape(-1)}, suite=["feature.stale"], **keys).findings
    assert [(f.id, f.examples[0].asset) for f in stopped] == ([("feature.stale", "3")] if every < 200 else [])


@pytest.mark.parametrize("n_assets", [3, 6, 40])
def test_attributes_of_assets_are_as_many_as_assets(n_assets):
    """Two attributes that never change agree on 500 dates, if they agree once."""
    size = np.arange(n_assets, dtype=float)
    columns = {
        "size": np.tile(size, 500),
        "age": np.tile(np.sqrt(size), 500),
        "noise": np.random.default_rng(0).normal(size=500 * n_assets),
    }
    keys = {"time_train": np.repeat(np.arange(500), n_assets), "asset_train": np.tile(np.arange(n_assets), 500)}
    found = tw.ModelSanityChecker().run(columns, suite=["feature.high_correlation"], **keys).findings
    assert [f.columns for f in found] == ([("size", "age")] if n_assets == 40 else [])
