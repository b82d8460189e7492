"""Quantiles of blocks against numpy's of the numbers themselves."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tradewright.sanity_checks.readings.block_order import BlockOrder


@given(
    st.integers(1, 700),
    st.integers(1, 40),
    st.sampled_from([3, 10**6]),
    st.integers(0, 2**32 - 1),
)
def test_quantiles_are_numpys(n, n_blocks, distinct, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, distinct, n) / 7
    blocks = rng.integers(0, n_blocks, n).astype(np.uint32)
    inside = rng.random(n_blocks) < rng.random()
    shares = [0.0, 0.25, 0.5, rng.random(), 1.0]
    found = BlockOrder.of(values, blocks, n_blocks).quantiles(inside, shares)
    mine = values[inside[blocks]]
    expected = np.quantile(mine, shares) if len(mine) else np.full(len(shares), np.nan)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_more_blocks_than_a_step_has_numbers():
    values, blocks = np.arange(5000.0)[::-1], np.arange(5000, dtype=np.uint32) % 1000
    order = BlockOrder.of(values, blocks, 1000)
    assert order.below.size <= 2 * 5000
    inside = np.arange(1000) < 3
    np.testing.assert_allclose(order.quantiles(inside, (0.1, 0.9)), np.quantile(values[inside[blocks]], [0.1, 0.9]))
