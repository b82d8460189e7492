"""drift.multivariate: silent on what time alone does, told by columns that only together changed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tradewright import ModelSanityChecker
from tradewright.sanity_checks.checks import drift_adversarial

ID = "drift.multivariate"
CUT, ROWS = 900, 1_200


def persistent(seed, rows=ROWS, rho=0.9, columns=4):
    """Features that follow themselves, under a volatility that wanders."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, columns))
    x = np.zeros_like(noise)
    for t in range(1, rows):
        x[t] = rho * x[t - 1] + noise[t]
    return x * (1 + 0.3 * np.sin(np.arange(rows) / 150))[:, None]


def turned(seed, rows=ROWS, cut=CUT):
    """Two columns that go together until the cut and against each other after it; each alone stays as it was."""
    x = persistent(seed, rows, rho=0.3)
    x[:, 1] = np.where(np.arange(rows) < cut, 0.8, -0.8) * x[:, 0] + 0.6 * x[:, 1]
    return x


def judged(x, cut=CUT, suite=(ID, "drift.univariate"), **keywords):
    columns = [f"f{j}" for j in range(x.shape[1])]
    sides = ({name: part[:, j] for j, name in enumerate(columns)} for part in (x[:cut], x[cut:]))
    train, val = sides
    return ModelSanityChecker(**keywords).run(train, None, val, None, suite=list(suite))


@pytest.mark.parametrize("rho", [0.0, 0.9, 1.0], ids=["noise", "persistent", "walks"])
@pytest.mark.parametrize("seed", range(3))
def test_honest_columns_are_left_alone(seed, rho):
    report = judged(persistent(seed, rho=rho), suite=[ID, "drift.univariate"])
    assert report.checks_run == ("drift.univariate", ID)
    assert report.findings == ()
    assert not report.sampled


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_that_no_column_shows_is_found_and_its_columns_named(seed):
    report = judged(turned(seed))
    (finding,) = report.findings  # drift.univariate, which looks at columns alone, sees nothing
    assert (finding.id, finding.severity, finding.count, finding.taxonomy) == (ID, "warning", ROWS, "L3.3")
    assert set(finding.columns[:2]) == {"f0", "f1"}
    assert finding.value > finding.threshold > 0.6
    assert "sample" not in finding.message
    assert judged(turned(seed), config={ID: {"above": 0.6}}).findings == ()


def test_the_same_shift_within_train_is_no_news():
    # Train has turned before, at the share of rows that validation has of all: a cut within it tells as much.
    x = turned(0, cut=675)
    x[CUT:, 1] = -x[CUT:, 1]
    assert judged(x, suite=[ID]).findings == ()


def test_even_sides_that_share_no_value_are_no_error():
    x = persistent(0, rho=0.3)
    x[CUT:] += 1_000
    (finding,) = judged(x, suite=[ID]).findings
    assert finding.severity == "warning"
    assert finding.value > 0.99


def test_a_sample_is_stated(monkeypatch):
    monkeypatch.setattr(drift_adversarial, "SAMPLE_ROWS", 1_000)
    report = judged(turned(0))
    (finding,) = report.findings
    assert report.sampled
    assert finding.count == 500 + 300
    assert "on a sample of 800 rows" in finding.message


def test_rows_are_taken_in_time_order():
    x, time = turned(1), np.arange(ROWS)
    mixed = np.random.default_rng(0).permutation(CUT)
    run = ModelSanityChecker().run
    keys = {"time_val": time[CUT:], "suite": [ID]}
    straight = run(x[:CUT], None, x[CUT:], None, time_train=time[:CUT], **keys)
    shuffled = run(x[:CUT][mixed], None, x[CUT:], None, time_train=time[:CUT][mixed], **keys)
    assert straight.findings[0].message == shuffled.findings[0].message


def test_it_runs_only_where_it_is_named():
    x = persistent(0, rows=400)
    for suite in ("all", "drift"):
        report = ModelSanityChecker().run(x[:300], None, x[300:], None, suite=suite)
        assert ID not in report.checks_run
        assert ID not in report.checks_skipped


def test_what_it_lacks_is_said(monkeypatch):
    x = persistent(0, rows=600)
    assert judged(x, cut=500, suite=[ID]).checks_skipped == {ID: "one side has fewer than 200 rows"}
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    assert "pip install scikit-learn" in judged(x, cut=300, suite=[ID]).checks_skipped[ID]
