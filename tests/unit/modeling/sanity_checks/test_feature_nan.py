"""feature.nan: thresholds, and warm-up that is none of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import ModelSanityChecker
from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.readings.series import SideSeries


def findings(X, **rest):
    return ModelSanityChecker().check_feature_quality(X, suite=["feature.nan"], **rest).findings


def with_nan(share, n=1_000, at_end=True):
    column = np.ones(n)
    k = round(share * n)
    column[n - k :] = np.nan
    return column if at_end else column[::-1].copy()


@pytest.mark.parametrize(
    ("share", "severity"),
    [
        (0.05, None),
        (0.051, "info"),
        (0.2, "info"),
        (0.201, "warning"),
        (0.5, "warning"),
        (0.501, "error"),
        (1.0, "error"),
    ],
)
def test_thresholds(share, severity):
    found = findings(np.column_stack([with_nan(share), np.ones(1_000)]))
    assert [f.severity for f in found] == ([severity] if severity else [])
    if found:
        assert found[0].columns == ("x0",)
        assert found[0].count == round(share * 1_000)
        assert found[0].value == pytest.approx(share)
        assert len(found[0].examples) == 10


def test_leading_rows_are_warm_up():
    assert findings(with_nan(0.3, at_end=False)[:, None]) == ()
    late = findings(with_nan(0.6, at_end=False)[:, None])
    assert [f.severity for f in late] == ["error"]  # starts after more than half of the history: no warm-up


def test_warm_up_is_by_asset_in_time_order():
    n_assets, n_times = 4, 50
    asset = np.repeat(np.arange(n_assets), n_times)
    time = np.tile(np.arange(n_times), n_assets)
    column = np.where(time < 20, np.nan, 1.0)
    order = np.random.default_rng(0).permutation(len(column))
    keys = {"time_train": time[order], "asset_train": [f"A{a}" for a in asset[order]]}
    assert findings(column[order, None], **keys) == ()
    column[(asset == 2) & (time >= 20)] = np.nan  # an asset that has no value at all is no warm-up
    found = findings(column[order, None], **keys)
    assert [f.count for f in found] == [n_times]
    assert {e.asset for e in found[0].examples} == {"A2"}


def warmup_twin(missing, asset, time, limit):
    marked = np.zeros(len(missing), dtype=bool)
    for code in set(asset):
        rows = sorted(np.flatnonzero(asset == code), key=lambda row: (time[row], row))
        lead = 0
        while lead < len(rows) and missing[rows[lead]]:
            lead += 1
        if lead < len(rows) and lead <= limit * len(rows):
            marked[rows[:lead]] = True
    return marked


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 10)), min_size=1, max_size=40))
def test_warm_up_equals_the_twin(rows):
    missing, asset, time = (np.array(values) for values in zip(*rows, strict=True))
    side = Side("X_train", {"a": missing}, time=time, asset=asset)
    assert SideSeries.of(side).warmup(missing, 0.5).tolist() == warmup_twin(missing, asset, time, 0.5).tolist()


def test_thresholds_can_be_set():
    checker = ModelSanityChecker({"feature.nan": {"info": 0.5, "warning": 0.6, "error": 0.7}})
    report = checker.check_feature_quality(with_nan(0.55)[:, None], suite=["feature.nan"])
    assert [f.severity for f in report.findings] == ["info"]
    assert report.config["thresholds"]["feature.nan"]["warning"] == 0.6
