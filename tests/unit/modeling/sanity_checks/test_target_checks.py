"""Checks of labels: what they find, with which count, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from tradewright import ModelSanityChecker


def found(report):
    return {(f.id, f.severity): f.count for f in report.findings}


def target(y, **keywords):
    return found(ModelSanityChecker().check_target_distribution(y, **keywords))


@pytest.mark.parametrize("seed", range(10))
def test_honest_labels_are_left_alone(seed):
    rng = np.random.default_rng(seed)
    returns = rng.standard_t(3, size=1_200) * np.where(np.arange(1_200) // 100 % 2, 0.02, 0.008)
    overlapping = np.convolve(returns, np.ones(5))[4:1_200]
    assert target(returns, horizon=1) == {}
    assert target(overlapping, horizon=5) == {}
    assert target((overlapping > 0).astype(int), horizon=5) == {}
    assert target(np.sign(returns) * (np.abs(returns) > 0.01), horizon=1) == {}


def test_too_few_labels():
    rng = np.random.default_rng(0)
    assert target(rng.normal(size=19)) == {("target.too_few", "error"): 19}
    assert target(rng.normal(size=40)) == {("target.too_few", "warning"): 40}
    smooth = np.convolve(rng.normal(size=239), np.ones(40))[39:239]
    assert target(smooth, horizon=40) == {("target.too_few", "warning"): 200}
    run = ModelSanityChecker().run
    wide = run(rng.normal(size=(300, 31)), rng.normal(size=300), suite=["target.too_few"])
    assert found(wide) == {("target.too_few", "warning"): 300}
    assert "300 labels for 31 features" in wide.findings[0].message
    assert found(run(rng.normal(size=(300, 29)), rng.normal(size=300), suite=["target.too_few"])) == {}


@pytest.mark.parametrize(
    ("rare", "horizon", "severity"),
    [(99, 1, None), (60, 1, "warning"), (60, 5, "error"), (49, 1, "error"), (6, 1, "error")],
)
def test_a_rare_class(rare, horizon, severity):
    y = np.zeros(1_980, dtype=int)
    y[:: len(y) // rare][:rare] = 1
    y[np.flatnonzero(y)[rare:]] = 0
    assert y.sum() == rare
    suite = ["target.imbalance"]
    report = ModelSanityChecker().run(None, y, horizon=horizon, suite=suite)
    assert found(report) == ({("target.imbalance", severity): rare} if severity else {})
    if severity:
        assert [e.row for e in report.findings[0].examples[:3]] == np.flatnonzero(y)[:3].tolist()


def test_outliers_are_counted_and_classes_have_none():
    rng = np.random.default_rng(0)
    y = rng.standard_t(3, size=2_000) * 0.01
    y[[7, 1_500]] = [3.0, -9.0]
    report = ModelSanityChecker().check_target_distribution(y, horizon=1)
    assert found(report) == {("target.outlier", "warning"): 2}
    assert [e.row for e in report.findings[0].examples] == [1_500, 7]
    assert target(np.r_[np.zeros(1_000), np.ones(1_000)].astype(int)[rng.permutation(2_000)]) == {}
    assert target(np.r_[np.zeros(1_900), rng.normal(size=100)][rng.permutation(2_000)], suite=["target.outlier"]) == {}


def test_labels_that_overlap_undeclared():
    rng = np.random.default_rng(0)
    y = np.convolve(rng.normal(size=2_009), np.ones(10))[9:2_009]
    report = ModelSanityChecker().check_target_distribution(y, horizon=1)
    assert found(report) == {("target.autocorr", "warning"): 2_000}
    assert "as labels over about 10 bars do" in report.findings[0].message
    assert "declared" in report.findings[0].message
    assert target(y, horizon=10) == {}
    assert target(y, time_train=np.arange(2_000), label_end_train=np.arange(10, 2_010)) == {}
    walk = np.cumsum(rng.normal(size=2_000))
    assert ("target.autocorr", "warning") in target(walk)


@pytest.mark.parametrize("seed", range(10))
def test_base_rates_that_shift(seed):
    rng = np.random.default_rng(seed)
    run = ModelSanityChecker().run
    before, fair, other = (rng.random(800) < 0.5, rng.random(200) < 0.5, rng.random(200) < 0.75)
    assert found(run(None, before, None, fair, suite="drift")) == {}
    assert found(run(None, before, None, other, suite="drift")) == {("target.shift", "warning"): 200}
    absent = run(None, before, None, np.ones(200, bool), suite="drift")
    assert found(absent) == {("target.shift", "error"): int((~before).sum())}
    assert "none in the validation rows" in absent.findings[0].message
    unseen = run(None, rng.integers(0, 2, 800), None, rng.integers(0, 3, 200), suite="drift")
    assert ("target.shift", "error") in found(unseen)
    # Persistent labels: a block of one regime is worth few rows.
    slow = np.repeat(rng.random(20) < 0.5, 50)
    assert found(run(None, slow[:800], None, slow[800:], suite="drift")) == {}


@pytest.mark.parametrize("by", ["date", "asset"])
@pytest.mark.parametrize("inside", [False, True])
def test_labels_that_have_not_resolved_stand_at_the_end_of_each_asset(by, inside):
    days, assets = 60, 3
    y = np.random.default_rng(0).normal(size=(days, assets))
    y[-5:] = np.nan
    y[10, 1] = np.nan if inside else y[10, 1]
    time, asset = np.repeat(np.arange(days), assets), np.tile(np.arange(assets), days)
    order = np.lexsort((asset, time) if by == "date" else (time, asset))
    report = ModelSanityChecker().run(
        None, y.reshape(-1)[order], time_train=time[order], asset_train=asset[order], suite=["target.invalid"]
    )
    (finding,) = report.findings
    assert finding.count == 15 + inside
    assert (
        "all at the end of their assets, where labels have not resolved yet: drop them" in finding.message
    ) != inside
