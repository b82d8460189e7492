"""A gallery of leaky data, each leak found and counted, and of honest data, on which nothing may fire."""

from __future__ import annotations

import numpy as np
import pytest

from tradewright import Panel, PurgedKFold, WalkForward, check, datasets

HORIZON = 5


def honest_frame(seed, n_times=300, n_assets=6):
    """Persistent features, overlapping labels, volatility regimes, warm-up NaN, discrete and per-date features."""
    rng = np.random.default_rng(seed)
    shape = (n_times, n_assets)
    volatility = np.where((np.arange(n_times) // 60) % 2, 0.02, 0.008)[:, None]
    returns = (0.5 * rng.normal(size=(n_times, 1)) + rng.normal(size=shape)) * volatility
    prices = np.cumsum(returns, axis=0)
    label = np.full(shape, np.nan)
    label[:-HORIZON] = prices[HORIZON:] - prices[:-HORIZON]
    momentum = np.full(shape, np.nan)
    momentum[20:] = prices[20:] - prices[:-20]
    persistent = np.zeros(shape)
    for t in range(1, n_times):
        persistent[t] = 0.97 * persistent[t - 1] + rng.normal(size=n_assets)
    ranks = returns.argsort(axis=1).argsort(axis=1)
    features = {
        "reversal": -returns,
        "momentum": momentum,
        "persistent": persistent,
        "rank": ranks,
        "is_up": returns > 0,
        "market": np.repeat(returns.mean(axis=1, keepdims=True), n_assets, axis=1),
    }
    return {name: values.reshape(-1) for name, values in features.items()}, label.reshape(-1), shape


def panel_of(features, label, shape, *, horizon=HORIZON, order=None):
    time = np.repeat(np.datetime64("2020-01-01") + np.arange(shape[0]), shape[1])
    asset = np.tile([f"A{j}" for j in range(shape[1])], shape[0])
    rows = np.arange(len(label)) if order is None else order
    X = np.column_stack([features[name] for name in features]).astype(float)
    return Panel.from_arrays(
        X[rows], label[rows], time=time[rows], asset=asset[rows], horizon=horizon, feature_names=list(features)
    )


PLANS = {
    "kfold": PurgedKFold(n_splits=5, embargo=3, val_size=12),
    "walk": WalkForward(n_splits=4, val_size=15, embargo=2),
}


#: What a panel cannot tell.
UNKNOWN = {"lookahead.asof", "split.embargo"}


def found(report):
    return {(f.id, f.severity) for f in report.at_least("warning")}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seed", range(6))
def test_honest_panels_are_left_alone(seed, plan):
    features, label, shape = honest_frame(seed)
    order = np.random.default_rng(seed).permutation(len(label)) if seed % 3 == 0 else None
    panel = panel_of(features, label, shape, order=order)
    report = check(panel, PLANS[plan].plan(panel))
    assert found(report) == set(), str(report)
    assert set(report.checks_skipped) <= UNKNOWN


@pytest.mark.parametrize("seed", range(6))
def test_honest_discrete_panels_repeat_by_chance(seed):
    """Every feature has a few values: rows repeat in every fold, and that is no leak."""
    features, label, shape = honest_frame(seed)
    few = {name: np.nan_to_num(features[name]) > 0 for name in ("reversal", "momentum", "persistent")}
    panel = panel_of({**few, "rank": features["rank"]}, label, shape)
    report = check(panel, PLANS["kfold"].plan(panel))
    assert found(report) == set(), str(report)
    assert "dup.cross_exact" in {f.id for f in report.findings}


def test_the_sample_market_data_is_honest():
    panel = datasets.sp500_panel(horizon=5)
    for splitter in (PurgedKFold(n_splits=5, embargo=5, val_size=60), WalkForward(n_splits=8, embargo=5, val_size=120)):
        report = check(panel, splitter.plan(panel))
        assert report.at_least("warning") == ()
        assert set(report.checks_skipped) <= UNKNOWN


def test_leak_overlapping_labels():
    """The plan was made without label ends: the last rows before each test know its prices."""
    panel = panel_of(*honest_frame(0))
    unpurged = PurgedKFold(n_splits=5).plan(panel.times)
    report = check(panel, unpurged)
    assert found(report) == {("split.label_overlap", "error")}
    counts = {f.fold: f.count for f in report.findings if f.id == "split.label_overlap"}
    # 5 dates × 6 assets before each test, and as many after it, reached by its last labels.
    side = HORIZON * 6
    assert counts == {0: side, 1: 2 * side, 2: 2 * side, 3: 2 * side, 4: side}
    assert all(f.taxonomy == "L3.2" for f in report.at_least("error"))


def test_leak_copied_rows():
    """Late rows were copied over early ones, as a wrong join does."""
    features, label, shape = honest_frame(1)
    panel = panel_of(features, label, shape)
    # Made from the times alone, so that it does not know which data it is for.
    plan = WalkForward(n_splits=4).plan(panel.times, label_end=panel.label_ends)
    test = plan.folds[3].test.indices()[:25]
    early = plan.folds[3].train.indices()[200:225]
    for values in features.values():
        values[early] = values[test]
    leaky = panel_of(features, label, shape)
    report = check(leaky, plan)
    # The copies kept their labels, which is told too.
    assert found(report) == {("dup.cross_exact", "error"), ("dup.conflict", "warning")}
    finding = next(f for f in report.findings if f.id == "dup.cross_exact" and f.fold == 3)
    assert finding.count == 25
    assert [e.row for e in finding.examples] == test[:10].tolist()
    assert [e.other_row for e in finding.examples] == early[:10].tolist()


def test_leak_shuffled_split():
    """Rows of one date on both sides: labels overlap nearly everywhere."""
    features, label, shape = honest_frame(2)
    panel = panel_of(features, label, shape)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(panel))
    train, val = panel.take(np.sort(rows[:1200])), panel.take(np.sort(rows[1200:]))
    from tradewright import ModelSanityChecker

    report = ModelSanityChecker().run(train, None, val)
    assert ("split.label_overlap", "error") in found(report)
    assert next(f for f in report.findings if f.id == "split.label_overlap").count == 1200


def test_broken_constant_target():
    features, label, shape = honest_frame(3)
    panel = panel_of(features, np.zeros_like(label), shape)
    report = check(panel, PLANS["walk"].plan(panel))
    assert found(report) == {("target.constant", "error")}
    assert report.findings[0].count == len(panel)


def test_broken_unresolved_target():
    features, label, shape = honest_frame(4)
    label[600:603] = np.nan
    panel = panel_of(features, label, shape)
    report = check(panel, PLANS["walk"].plan(panel))
    assert found(report) == {("target.invalid", "error")}
    assert [e.row for e in report.findings[0].examples] == [600, 601, 602]


@pytest.mark.parametrize(("share", "severity"), [(0.3, "warning"), (0.7, "error")])
def test_broken_feature_mostly_missing(share, severity):
    features, label, shape = honest_frame(5)
    gaps = np.random.default_rng(0).random(len(label)) < share
    features["reversal"] = np.where(gaps, np.nan, features["reversal"])
    panel = panel_of(features, label, shape)
    report = check(panel, PLANS["kfold"].plan(panel))
    assert found(report) == {("feature.nan", severity)}
    finding = report.at_least("warning")[0]
    assert finding.columns == ("reversal",)
    assert 0.9 * share < finding.value < 1.1 * share
