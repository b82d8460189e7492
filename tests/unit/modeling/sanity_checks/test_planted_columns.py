"""Columns that leak, drift or repeat, planted in honest markets: each is found and counted, its honest twin is not."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tradewright import ModelSanityChecker, PurgedKFold, WalkForward, check

sys.path.insert(0, str(Path(__file__).parents[3] / "support"))
from markets import HORIZON, lagged, market, panel_of

SEEDS = range(10)
world = cache(market)
ROWS, ASSETS = 500 - HORIZON, 8


def with_column(seed, name, values, **keywords):
    features, label, _ = world(seed)
    panel = panel_of({"honest": features["persistent"], name: values}, label)
    return ModelSanityChecker().run(panel, **keywords)


def found(report, check_id):
    return [(f.severity, f.columns) for f in report.findings if f.id == check_id]


@pytest.mark.parametrize("seed", SEEDS)
def test_honest_columns_are_left_alone(seed):
    features, label, _ = world(seed)
    if seed % 3 == 0:
        label = np.where(np.isnan(label), np.nan, label > 0)
    order = np.random.default_rng(seed).permutation(label.size) if seed % 2 else None
    panel = panel_of(features, label, order=order)
    splitter = WalkForward(n_splits=3, val_size=60) if seed % 2 else PurgedKFold(n_splits=4, embargo=5)
    report = check(panel, splitter.plan(panel), raw=["price"])
    # One of them numbers the dates, which is another check's to say.
    own = [f for f in report.at_least("warning") if (f.id, f.columns) != ("feature.id_like", ("clock",))]
    assert own == [], str(report)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_future_label_is_found_with_the_exact_count(seed):
    _, label, _ = world(seed)
    report = with_column(seed, "leak", lagged(label, -1))
    assert found(report, "leak.feature_is_future_value") == [("error", ("leak",))]
    finding = next(f for f in report.findings if f.id == "leak.feature_is_future_value")
    assert (finding.count, finding.value, finding.taxonomy) == ((ROWS - 1) * ASSETS, 1.0, "L2")
    assert "equals the label of 1 row later" in finding.message
    assert found(report, "lookahead.lag_profile") == [("error", ("leak",))]
    # A label that is known at the row's time is no leak, one that is not is one.
    assert found(with_column(seed, "x", lagged(label, HORIZON)), "leak.feature_is_future_value") == []
    early = with_column(seed, "x", lagged(label, HORIZON - 1))
    assert found(early, "leak.feature_is_future_value") == [("error", ("x",))]
    allowed = with_column(seed, "leak", lagged(label, -1), nowcasting=["leak"])
    assert allowed.passed("warning"), str(allowed)


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_in_disguise(seed):
    _, label, _ = world(seed)
    rng = np.random.default_rng(seed + 1_000)
    noise = rng.normal(size=label.shape) * np.nanstd(label)
    assert found(with_column(seed, "copy", label + 0.05 * noise), "leak.target_proxy") == [("error", ("copy",))]
    assert found(with_column(seed, "hint", label + 0.5 * noise), "leak.target_proxy") == [("warning", ("hint",))]
    squares = with_column(seed, "square", label**2)
    assert found(squares, "leak.target_proxy") in ([("error", ("square",))], [("warning", ("square",))])
    weak = label + 3 * noise  # a correlation of 0.32
    assert found(with_column(seed, "weak", weak), "leak.target_proxy") == []
    panel = panel_of({"honest": noise, "weak": label + 1.5 * noise}, label)
    strict = ModelSanityChecker().check_look_ahead(panel, None, profile="returns")
    assert found(strict, "leak.target_proxy") == [("warning", ("weak",))]
    classes = np.where(np.isnan(label), np.nan, label > 0)
    binary = ModelSanityChecker().check_look_ahead(panel_of({"honest": noise, "score": label}, classes), None)
    assert found(binary, "leak.target_proxy") == [("error", ("score",))]
    assert "|2 AUC − 1| = 1.000" in next(f for f in binary.findings if f.id == "leak.target_proxy").message


@pytest.mark.parametrize("seed", SEEDS)
def test_the_next_returns_are_found_by_their_lags(seed):
    _, _, returns = world(seed)
    ahead = lagged(returns, -1) + lagged(returns, -2)
    report = with_column(seed, "next", ahead)
    assert found(report, "lookahead.lag_profile") == [("warning", ("next",))]
    walk = np.cumsum(np.nan_to_num(ahead), axis=0)  # it wanders like a price, and is taken by its changes
    report = with_column(seed, "tomorrow", walk)
    assert found(report, "lookahead.lag_profile") == [("warning", ("tomorrow",))]
    assert "by its changes" in next(f for f in report.findings if f.id == "lookahead.lag_profile").message


@pytest.mark.parametrize("seed", SEEDS)
def test_raw_columns_of_the_future(seed):
    features, label, _ = world(seed)
    columns = {
        "price": features["price"],
        "next_price": lagged(features["price"], -1),
        "last": lagged(features["price"], 1),
    }
    panel = panel_of(columns, label)
    report = ModelSanityChecker().run(panel, raw=["price"])
    assert found(report, "leak.feature_is_future_value") == [("error", ("next_price",))]
    assert found(ModelSanityChecker().run(panel), "leak.feature_is_future_value") == []


@pytest.mark.parametrize("seed", SEEDS)
def test_gaps_that_know_the_label(seed):
    features, label, _ = world(seed)
    rng = np.random.default_rng(seed)
    edge = np.nanquantile(label, 0.8)
    chance = np.where(label >= edge, 0.7, 0.1)
    hidden = np.where(rng.random(label.shape) < chance, np.nan, features["persistent"])
    report = with_column(seed, "x", hidden)
    assert found(report, "leak.missingness") == [("warning", ("x",))]
    finding = next(f for f in report.findings if f.id == "leak.missingness")
    assert finding.count == int(np.isnan(hidden[:ROWS]).sum())
    gone = np.where(label >= edge, np.nan, features["persistent"])
    assert found(with_column(seed, "x", gone), "leak.missingness") == [("error", ("x",))]
    outage = features["persistent"].copy()
    outage[100:220] = np.nan
    assert found(with_column(seed, "x", outage), "leak.missingness") == []


@pytest.mark.parametrize("seed", SEEDS)
def test_units_that_change_and_sources_that_fail(seed):
    features, label, _ = world(seed)
    panel = panel_of({"honest": features["persistent"], "x": features["reversal"], "price": features["price"]}, label)
    train, val = panel.take(np.arange(0, 350 * ASSETS)), panel.take(np.arange(356 * ASSETS, ROWS * ASSETS))
    run = ModelSanityChecker().run

    def changed(name, change):
        columns = {key: values.copy() for key, values in val.columns.items()}
        columns[name] = change(columns[name])
        keys = {
            "time_val": val.times,
            "asset_val": np.array(panel.asset_names)[val.asset],
            "label_end_val": val.label_ends,
        }
        return run(train, None, columns, val.y, suite="drift", **keys)

    assert changed("x", lambda x: x).passed("warning")
    percent = changed("x", lambda x: 100 * x)
    assert found(percent, "drift.univariate") == [("error", ("x",))]
    assert next(f for f in percent.findings if f.id == "drift.univariate").count == len(val)
    cents = changed("price", lambda x: 100 * x)
    assert found(cents, "drift.univariate") == [("error", ("price",))]
    halted = changed("x", lambda x: np.where(np.arange(len(x)) % 3 == 2, np.nan, x))
    assert found(halted, "drift.nan_rate") == [("warning", ("x",))]
    assert next(f for f in halted.findings if f.id == "drift.nan_rate").count == sum(
        row % 3 == 2 for row in range(ASSETS, len(val))
    )
    keys = {"time_val": val.times, "asset_val": np.array(panel.asset_names)[val.asset]}
    scaled = run(train, None, dict(val.columns), 1_000 * val.y, suite="drift", **keys)
    assert found(scaled, "target.shift") == [("error", ())]


@pytest.mark.parametrize("seed", SEEDS)
def test_twins_of_features(seed):
    features, label, _ = world(seed)
    rng = np.random.default_rng(seed)
    twin = features["persistent"] * 3 + 0.01 * rng.normal(size=label.shape)
    near = features["persistent"] + 0.2 * rng.normal(size=label.shape)
    panel = panel_of({"a": features["persistent"], "walk": features["macro"], "b": twin, "near": near}, label)
    report = ModelSanityChecker().check_feature_quality(panel)
    assert found(report, "feature.high_correlation") == [("warning", ("a", "b", "near"))]
    finding = next(f for f in report.findings if f.id == "feature.high_correlation")
    assert finding.count == 3
    assert "redundant" in finding.message
