"""Which rows a step is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tradewright.loss_functions import GroupIndex
from tradewright.models.neural.batch_order import AllRows, DateBatches, RowBatches, permuted


def drawn(order, seed=0, epochs=1):
    generator = torch.Generator().manual_seed(seed)
    steps = [order.draw(generator) for _ in range(epochs)]
    return [[np.arange(r.start, r.stop) if isinstance(r, slice) else r.numpy() for r in epoch] for epoch in steps]


@given(n=st.integers(1, 200), step=st.integers(1, 50), shuffle=st.sampled_from(["full", "block", False]))
def test_every_row_is_in_one_step(n, step, shuffle):
    (steps,) = drawn(RowBatches(n, step, shuffle))
    assert np.array_equal(np.sort(np.concatenate(steps)), np.arange(n))
    assert [len(rows) for rows in steps[:-1]] == [step] * (len(steps) - 1)
    assert 0 < len(steps[-1]) <= step


@given(n=st.integers(1, 300), block=st.integers(1, 80), seed=st.integers(0, 5))
def test_a_block_shuffle_stays_in_few_places(n, block, seed):
    order = permuted(n, "block", block, torch.Generator().manual_seed(seed)).numpy()
    assert np.array_equal(np.sort(order), np.arange(n))
    # stretches one after the other: none is returned to
    jumps = np.abs(np.diff(order)) >= block
    assert jumps.sum() <= n / block + 2


def test_orders_differ_from_epoch_to_epoch_and_repeat_with_the_seed():
    for shuffle in ("full", "block"):
        first, second = drawn(RowBatches(3000, 16, shuffle), epochs=2)
        assert not np.array_equal(first[0], second[0])
        again = drawn(RowBatches(3000, 16, shuffle), epochs=2)[0]
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not np.array_equal(np.sort(first[0]), first[0])


def test_without_shuffle_steps_are_slices_and_draw_nothing():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert RowBatches(10, 4, False).draw(generator) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert AllRows(10).draw(generator) == [slice(0, 10)]
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("shuffle", ["full", "block", False])
@pytest.mark.parametrize("step", [1, 20, 10_000])
def test_dates_stay_whole(shuffle, step):
    rng = np.random.default_rng(0)
    dates = rng.permutation(np.repeat(np.arange(40), rng.integers(1, 6, 40)))
    (steps,) = drawn(DateBatches(GroupIndex(dates), step, shuffle))
    assert np.array_equal(np.sort(np.concatenate(steps)), np.arange(len(dates)))
    assert sum(len(set(dates[rows])) for rows in steps) == 40
    if shuffle is False:
        assert np.array_equal(dates[np.concatenate(steps)], np.sort(dates))
