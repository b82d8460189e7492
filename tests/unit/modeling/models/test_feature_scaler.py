"""FeatureScaler against its obvious numpy twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tradewright.errors import DataError
from tradewright.models.neural import feature_scaler
from tradewright.models.neural.batch_source import ScaledSource
from tradewright.models.neural.feature_scaler import FeatureScaler

VALUES = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6))


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=VALUES), st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_equals_the_plain_formula(X, block):
    before = feature_scaler._BLOCK_VALUES
    feature_scaler._BLOCK_VALUES = block
    try:
        scaler = FeatureScaler.fit(X, missing_indicator=True)
        out = scaler.transform(X)
    finally:
        feature_scaler._BLOCK_VALUES = before
    for j in range(X.shape[1]):
        known = X[~np.isnan(X[:, j]), j]
        mean = known.mean() if len(known) else 0.0
        assert scaler.mean[j] == pytest.approx(mean, rel=1e-9, abs=1e-9)
        spread = known.std() if len(known) else 0.0
        if spread > 1e-6 * (1 + abs(mean)):
            np.testing.assert_allclose(out[:, j], np.nan_to_num((X[:, j] - mean) / spread), rtol=1e-4, atol=1e-4)
    assert scaler.indicated.tolist() == np.flatnonzero(np.isnan(X).any(axis=0)).tolist()
    assert np.array_equal(out[:, X.shape[1] :], np.isnan(X)[:, scaler.indicated])
    assert np.isfinite(out).all()
    assert out.dtype == np.float32


def test_constant_and_empty_columns_become_zero():
    X = np.column_stack([np.full(1000, 0.1), np.full(1000, 1.7e9 + 1 / 3), np.full(1000, np.nan), np.zeros(1000)])
    out = FeatureScaler.fit(X).transform(X)
    assert np.abs(out).max() < 1e-6
    assert FeatureScaler.fit(X).transform(np.ones((1, 4)))[0, 2:].tolist() == [1.0, 1.0]


def test_neighbouring_float32_values_are_scaled_in_float64():
    X = np.array([[16777216.0], [16777218.0]], dtype=np.float32)
    assert not FeatureScaler.fit(X).is_single
    assert FeatureScaler.fit(X).transform(X).tolist() == [[-1.0], [1.0]]


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=12), elements=st.integers(-99, 99)),
    st.sampled_from([1e-30, 1e-3, 1.0, 1e7, 1e30]),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_float32_features_lose_nothing(X, unit, gaps):
    X *= np.float32(unit)
    if gaps:
        X[1] = np.nan
    scaler = FeatureScaler.fit(X, missing_indicator=True)
    exact = np.nan_to_num((X.astype(np.float64) - scaler.mean) / scaler.scale)
    np.testing.assert_allclose(scaler.transform(X)[:, : X.shape[1]], exact, rtol=5e-7, atol=5e-7)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("indicated", [False, True])
def test_batches_scaled_one_by_one_are_parts_of_the_whole(gaps, indicated):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(203, 5)) * [1, 1e6, 1e-6, 0, 1e30] + [0, 1.7e9, 0, 3, 0]).astype(np.float32)
    if gaps:
        X[rng.random(X.shape) < 0.1] = np.nan
    before = X.copy()
    X.flags.writeable = False
    scaler = FeatureScaler.fit(X, missing_indicator=indicated)
    assert scaler.is_single
    mean, scale = (torch.from_numpy(values.astype(np.float32)) for values in (scaler.mean, scaler.scale))
    source = ScaledSource(torch.from_dlpack(X), mean, scale, torch.from_numpy(scaler.indicated), scaler.look(X))
    whole, rows = scaler.transform(X), torch.randperm(203)[:77]
    assert np.array_equal(source.take(rows).numpy(), whole[rows])
    assert np.array_equal(source.slice(3, 150).numpy(), whole[3:150])
    assert np.array_equal(X, before, equal_nan=True)  # the caller's, untouched


def test_infinite_values_are_refused_in_fit_and_transform():
    X = np.ones((3, 2))
    scaler = FeatureScaler.fit(X)
    X[2, 1] = -np.inf
    for act in (FeatureScaler.fit, scaler.transform, scaler.look):
        with pytest.raises(DataError, match="row 2, feature 1"):
            act(X)
