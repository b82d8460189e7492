"""A gallery of honest data that looks suspicious: no check may warn of it, but where a case says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from panels import HONEST, honest_market
from sabotage import KFOLD, checked, halves, per_asset, with_columns

import tradewright as tw


def alarms(report):
    return {(f.id, f.severity, f.columns) for f in report.at_least("warning")}


@pytest.fixture(scope="module")
def panel():
    return honest_market(11, n_times=500).panel()


@pytest.mark.parametrize("kind", HONEST)
@pytest.mark.parametrize("plan", [KFOLD, tw.WalkForward(n_splits=3, val_size=40, embargo=5)], ids=["kfold", "walk"])
def test_honest_panels_of_every_kind(kind, plan):
    panel = HONEST[kind](7).panel()
    report = tw.check(panel, plan.plan(panel))
    assert alarms(report) == set(), str(report)


def test_the_order_of_rows_changes_no_finding(panel):
    order = np.random.default_rng(0).permutation(len(panel))
    turned = panel.take(order)
    assert alarms(checked(turned)) == set()


def test_a_label_of_the_past_is_an_honest_feature(panel):
    """Bit-equal to a label, but one that has long been known."""
    report = checked(with_columns(panel, last_label=per_asset(panel, -5, panel.y)))
    assert alarms(report) == set(), str(report)


def test_a_scaler_fitted_on_train_is_honest(panel):
    train, val = halves(panel)
    scaled = {name: (v - np.nanmean(v)) / np.nanstd(v) for name, v in train.columns.items() if np.nanstd(v)}
    other = {
        name: (val.columns[name] - np.nanmean(train.columns[name])) / np.nanstd(train.columns[name]) for name in scaled
    }
    report = tw.ModelSanityChecker().run(replace(train, columns=scaled), None, replace(val, columns=other))
    assert "leak.global_scaling" in report.checks_run
    assert not [f for f in report.at_least("warning") if f.id == "leak.global_scaling"], str(report)


def test_scores_by_date_are_honest():
    """Mean 0 and spread 1 on every date, and so over all rows too."""
    market = honest_market(5)
    for name in ("volatility", "momentum", "persistent"):
        values = market.features[name]
        with np.errstate(invalid="ignore"):
            centred = values - values.mean(axis=1, keepdims=True)
            market = market.with_feature(f"{name}_score", centred / centred.std(axis=1, keepdims=True))
    report = checked(market.panel())
    assert not [f for f in report.at_least("warning") if f.id == "leak.global_scaling"], str(report)


def test_a_regime_of_volatility_is_no_change_of_unit(panel):
    train, val = halves(panel)
    wild = {name: values * 1.6 if name in ("reversal", "market") else values for name, values in val.columns.items()}
    report = tw.ModelSanityChecker().run(train, None, replace(val, columns=wild), val.y * 1.6)
    assert report.passed("error"), str(report)


def test_volatility_forecasts_the_size_of_returns_and_that_is_no_leak():
    market = honest_market(8, n_times=900)
    size = np.abs(market.returns)
    smooth = np.zeros_like(size)
    for t in range(1, len(size)):
        smooth[t] = 0.94 * smooth[t - 1] + 0.06 * size[t]
    market = market.with_feature("risk", smooth)
    market = replace(market, label=np.where(np.isnan(market.label), np.nan, np.abs(market.label)))
    report = checked(market.panel())
    assert not [f for f in report.at_least("warning") if f.id.startswith(("leak", "lookahead"))], str(report)


def test_a_ticker_that_changes_its_name_goes_on():
    """Two names, never on the same date: nothing repeats."""
    report = checked(honest_market(9).panel())
    assert "dup.entity" in report.checks_run
    assert alarms(report) == set(), str(report)


def test_columns_shared_by_all_assets_make_no_twins():
    """Rates and the market's return are equal for all assets; that alone is no reason to call them one."""
    market = honest_market(10)
    n_times, n_assets = market.shape
    rate = np.cumsum(np.random.default_rng(0).normal(size=(n_times, 1)), axis=0)
    for k in range(6):
        market = market.with_feature(f"rate_{k}", np.repeat(np.roll(rate, 40 * k, axis=0) * (k + 1), n_assets, axis=1))
    report = checked(market.panel(), suite=["dup.entity", "dup.cross_exact", "dup.within", "dup.stale"])
    assert alarms(report) == set(), str(report)


def test_few_values_repeat_by_chance():
    market = honest_market(12)
    few = {
        name: (np.nan_to_num(market.features[name]) > 0).astype(float)
        for name in ("reversal", "momentum", "persistent")
    }
    market = replace(market, features={**few, "rank": market.features["rank"]})
    report = checked(market.panel(), suite="leakage")
    assert not [f for f in report.at_least("warning") if f.id.startswith("dup")], str(report)
    assert "dup.cross_exact" in {f.id for f in report.findings}


def test_warm_up_gaps_are_honest(panel):
    rng = np.random.default_rng(0)
    slow = rng.normal(size=len(panel))
    slow[panel.time < np.quantile(panel.time, 0.2)] = np.nan
    report = checked(with_columns(panel, slow=slow))
    assert alarms(report) == set(), str(report)
