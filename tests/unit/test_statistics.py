"""Forecast statistics against scipy and hand-made books."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import tradewright as tw
from tradewright.statistics import portfolio_returns, rank_ic, sharpe_ratio


@given(st.integers(0, 10_000))
def test_rank_ic_is_the_mean_of_spearmans(seed):
    random = np.random.default_rng(seed)
    dates = random.integers(0, 5, 60)
    actual, forecast = random.integers(0, 6, 60), random.normal(size=60).round(1)
    by_date = []
    for date in np.unique(dates):
        chosen = dates == date
        if len(np.unique(actual[chosen])) > 1 and len(np.unique(forecast[chosen])) > 1:
            by_date.append(scipy.stats.spearmanr(actual[chosen], forecast[chosen]).statistic)
    found = rank_ic(actual, forecast, dates)
    assert found.n_dates == len(by_date)
    assert found.mean == pytest.approx(np.mean(by_date))
    assert found.std == pytest.approx(np.std(by_date, ddof=1))


@given(st.integers(0, 10_000), st.floats(0, 0.01))
def test_portfolio_returns_equal_a_slow_book(seed, cost):
    random = np.random.default_rng(seed)
    pairs = [(d, a) for d in range(6) for a in range(3) if random.random() < 0.7] or [(0, 0)]
    random.shuffle(pairs)
    dates, assets = np.array(pairs).T
    position, returns = random.choice([-1.0, 0.0, 1.0], len(pairs)), random.normal(size=len(pairs))
    held, expected = dict.fromkeys(range(3), 0.0), []
    for date in sorted(set(dates.tolist())):
        now = dict.fromkeys(range(3), 0.0) | {assets[i]: position[i] for i in np.flatnonzero(dates == date)}
        gross = sum(position[i] * returns[i] for i in np.flatnonzero(dates == date))
        paid = cost * sum(abs(now[a] - held[a]) for a in range(3))
        expected.append((gross - paid) / (dates == date).sum())
        held = now
    np.testing.assert_allclose(portfolio_returns(position, returns, dates, assets, cost=cost), expected, atol=1e-12)


def test_bad_input_is_named():
    with pytest.raises(tw.DataError, match="returns is NaN at row 1"):
        sharpe_ratio([0.1, np.nan])
    with pytest.raises(tw.DataError, match="at least two"):
        sharpe_ratio([0.1])
    with pytest.raises(tw.DataError, match="pair is repeated"):
        portfolio_returns([1, 1], [0, 0], [0, 0], [0, 0])
    with pytest.raises(tw.DataError, match=r"y_pred has shape \(1,\), y_true has \(2,\)"):
        rank_ic([1, 2], [1], [0, 0])
    with pytest.raises(tw.ParameterError, match="cost=-1"):
        portfolio_returns([1], [0], [0], [0], cost=-1)
    for equal in ([0.1, 0.1], [0.1] * 3, [0.001] * 10):
        assert np.isnan(sharpe_ratio(equal))
