"""The kernels between columns against numpy and scipy, on ragged data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tradewright import _core

CELLS = st.sampled_from([np.nan, -2.0, -1.0, 0.0, -0.0, 1.0, 2.5, 3.0, 7.0, 1e9, -1e140])
PROFILE = settings(max_examples=60, deadline=None)


def table(rows, columns):
    return st.lists(st.lists(CELLS, min_size=columns, max_size=columns), min_size=1, max_size=rows).map(np.array)


def layouts(X):
    yield np.ascontiguousarray(X)
    yield np.asfortranarray(X)
    yield [np.ascontiguousarray(X[:, j]) for j in range(X.shape[1])]


@PROFILE
@given(table(40, 3))
def test_ranks_are_scipys_in_any_layout(X):
    expected = np.full(X.T.shape, np.nan)
    for j, column in enumerate(X.T):
        known = ~np.isnan(column)
        expected[j, known] = stats.rankdata(column[known])
    for given_ in layouts(X):
        np.testing.assert_array_equal(_core.ranks(given_), expected.astype(np.float32))
    rows = np.arange(len(X))[::-2].copy()
    np.testing.assert_array_equal(_core.ranks(X, rows), _core.ranks(np.ascontiguousarray(X[rows])))


@PROFILE
@given(table(40, 2), st.integers(2, 8), st.randoms(use_true_random=False))
def test_associations_are_those_of_the_ranks(X, bins, random):
    x, y = X[:, 0], np.array([random.choice([-2.0, -1.0, 0.5, 3.0]) for _ in X])
    positive = y > 0
    ranks, abs_ranks = _core.ranks([y, np.abs(y)])
    x_ranks = _core.ranks([x])
    known, spearman, auc, ratio, ratio_abs, filled = _core.associations(x_ranks, ranks, abs_ranks, positive, bins)[0]
    rows = ~np.isnan(x)
    assert known == rows.sum()
    if known:
        if len(np.unique(x[rows])) > 1 and len(np.unique(y[rows])) > 1:
            assert spearman == pytest.approx(np.corrcoef(x_ranks[0][rows], ranks[rows])[0, 1], abs=1e-9)
        else:
            assert np.isnan(spearman)
        high, low = x[rows & positive], x[rows & ~positive]
        if len(high) and len(low):
            wins = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
            assert auc == pytest.approx(wins, abs=1e-9)
        which = np.minimum(((x_ranks[0][rows] - 0.5) * bins / known).astype(int), bins - 1)
        assert filled == len(np.unique(which))
        for value, target in ((ratio, ranks[rows]), (ratio_abs, abs_ranks[rows])):
            total = ((target - target.mean()) ** 2).sum()
            if total > 0:
                means = np.array([target[which == b].mean() for b in which])
                assert value == pytest.approx(((means - target.mean()) ** 2).sum() / total, abs=1e-5)


def z_scores(values):
    known = np.abs(values) < 1e150
    numbers = values[known]
    out = np.full(len(values), np.nan)
    if len(numbers) > 1 and len(np.unique(numbers)) > 1:
        out[known] = (numbers - numbers.mean()) / numbers.std()
    return out


def profile_twin(x, y, starts, lags):
    """Shift by shift, asset by asset."""
    out = np.full(len(lags), np.nan)
    stops = [*starts[1:], len(x)]
    for i, lag in enumerate(lags):
        products = []
        for start, stop in zip(starts, stops, strict=True):
            a, b = z_scores(x[start:stop]), z_scores(y[start:stop])
            if abs(lag) < len(a):
                products += [a[: len(a) - lag] * b[lag:] if lag >= 0 else a[-lag:] * b[:lag]]
        products = np.concatenate([*products, []])
        products = products[~np.isnan(products)]
        out[i] = products.mean() if len(products) else np.nan
    return out


@PROFILE
@given(table(60, 3), st.lists(st.integers(1, 59), max_size=4), st.integers(-12, 4), st.integers(1, 20))
def test_lag_profiles_are_shifted_products(X, cuts, first, count):
    starts = np.unique([0, *(cut for cut in cuts if cut < len(X))]).astype(np.int64)
    y, columns = X[:, 2].copy(), X[:, :2]
    lags = np.arange(first, first + count)
    expected = np.array([profile_twin(x, y, starts, lags) for x in columns.T])
    for given_ in layouts(columns):
        found, pairs = _core.lag_profile(given_, [False, False], y, None, starts, first, first + count - 1)
        np.testing.assert_allclose(found, expected, atol=1e-7)
        assert ((pairs == 0) == np.isnan(expected)).all()
    order = np.random.default_rng(len(X)).permutation(len(X))
    back = np.argsort(order)
    moved, _ = _core.lag_profile(
        columns[order].copy(), [False, False], y[order], back, starts, first, first + count - 1
    )
    np.testing.assert_allclose(moved, expected, atol=1e-7)
    own = _core.autocorrelations([y], None, starts)[0]
    np.testing.assert_allclose(own, profile_twin(y, y, starts, [1])[0], atol=1e-6)


@PROFILE
@given(table(50, 4))
def test_correlations_are_those_of_the_common_rows(X):
    expected = np.full((4, 4), np.nan)
    for p in range(4):
        for q in range(4):
            both = ~np.isnan(X[:, p]) & ~np.isnan(X[:, q])
            a, b = X[both, p], X[both, q]
            if len(a) > 1 and len(np.unique(a)) > 1 and len(np.unique(b)) > 1:
                a, b = a - a.mean(), b - b.mean()
                expected[p, q] = (a @ b) / (np.sqrt(a @ a) * np.sqrt(b @ b))
    huge = np.abs(X).max(initial=0, where=~np.isnan(X)) > 1e6
    for given_ in layouts(X):
        found = _core.correlations(given_)
        if not huge:  # where a missing cell takes away the one number of 1e9, what is left is its rounding
            np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_array_equal(found, found.T)


@PROFILE
@given(table(40, 1), table(40, 1))
def test_drifts_are_the_plain_formulas(A, B):
    row = _core.drifts([A[:, 0].copy()], [B[:, 0].copy()])[0]
    a, b = (X[~np.isnan(X[:, 0]), 0] for X in (A, B))
    assert row[2] == len(a)
    assert row[8] == len(b)
    if len(a) and len(b):
        # scipy's ks_2samp comes with a p-value, whose computation warns on few or equal values.
        both = np.concatenate([a, b])
        below_a, below_b = (np.searchsorted(np.sort(side), both, side="right") / len(side) for side in (a, b))
        assert row[0] == pytest.approx(np.abs(below_a - below_b).max(), abs=1e-12)
        np.testing.assert_allclose(row[3:8], np.quantile(a, [0, 0.25, 0.5, 0.75, 1]))
        np.testing.assert_allclose(row[9:14], np.quantile(b, [0, 0.25, 0.5, 0.75, 1]))
    else:
        assert np.isnan(row[0])


@PROFILE
@given(table(200, 2), st.integers(1, 4))
def test_missing_cells_are_counted_by_class(X, count):
    classes = np.arange(len(X)).astype(np.uint8) % 5
    expected = [[int((np.isnan(x) & (classes == c)).sum()) for c in range(count)] for x in X.T]
    for given_ in layouts(X):
        assert _core.missing_by_class(given_, classes, count).tolist() == expected


@PROFILE
@given(table(40, 2), st.integers(-3, 3), st.booleans())
def test_future_values_are_counted(X, lag, single):
    x, y = X[:, 0].copy(), X[:, 1].copy()
    keep = np.arange(len(X)) + lag
    inside = (keep >= 0) & (keep < len(X))
    x[inside] = y[keep[inside]]
    with np.errstate(over="ignore"):
        column = x.astype(np.float32) if single else x
    found = _core.future_values([column], [y], None, np.zeros(1, np.int64), np.array([lag]))
    later = y[keep[inside]]
    known = int((~np.isnan(later)).sum())
    assert [row[3:5] for row in found.tolist()] == ([[known, known]] if known else [])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_at_any_thread_count(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70_000, 20)).astype(dtype)
    X[::7, 3] = np.nan
    y, starts = rng.normal(size=70_000), np.array([0, 100, 40_000])
    before, seen = _core.num_threads(), set()
    try:
        for threads in (1, 3):
            _core.set_num_threads(threads)
            parts = [
                _core.ranks(X),
                _core.correlations(X),
                _core.lag_profile(X, [False] * 20, y, None, starts, -9, 9)[0],
                _core.autocorrelations(X, None, starts),
                _core.drifts(X, X[::-2].copy()),
            ]
            seen.add(b"".join(part.tobytes() for part in parts))
    finally:
        _core.set_num_threads(before)
    assert len(seen) == 1


def test_nonsense_is_refused():
    X, starts = np.zeros((4, 2)), np.zeros(1, np.int64)
    from tradewright.errors import DataError, ParameterError

    with pytest.raises(ParameterError, match="rows=4"):
        _core.ranks(X, np.array([4]))
    with pytest.raises(ParameterError, match="starts"):
        _core.autocorrelations(X, None, np.array([1]))
    with pytest.raises(ParameterError, match="lags"):
        _core.lag_profile(X, [False, False], X[:, 0].copy(), None, starts, 3, 1)
    with pytest.raises(DataError, match="classes has 3 rows"):
        _core.missing_by_class(X, np.zeros(3, np.uint8), 1)
    with pytest.raises(DataError, match="columns"):
        _core.drifts(X, X[:, :1].copy())
