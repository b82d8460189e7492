"""Windows of rows: which rows they are made of, and what is kept to find them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tradewright.errors import DataError, DuplicateKeyError
from tradewright.models.neural import window_source
from tradewright.models.neural.window_source import WindowSource
from tradewright.models.neural.windows import WindowIndex


def twin(time, asset, window, row):
    """The rows of a window, the slow and obvious way: all rows of the asset so far, sorted by time, the latest."""
    mine = [other for other in range(len(time)) if asset[other] == asset[row] and time[other] <= time[row]]
    latest = sorted(mine, key=lambda other: time[other])[-window:]
    return latest if len(latest) == window else None


@st.composite
def ragged(draw):
    """Rows of a few assets, each at times of its own, in any order."""
    n_assets = draw(st.integers(1, 4))
    keys = [
        (time, asset)
        for asset in range(n_assets)
        for time in draw(st.lists(st.integers(-9, 9), unique=True, max_size=12))
    ]
    keys = draw(st.permutations(keys)) if draw(st.booleans()) else sorted(keys)
    time, asset = (np.array([key[part] for key in keys], dtype=np.int64) for part in (0, 1))
    rows = draw(st.lists(st.integers(0, len(keys) - 1), max_size=20)) if keys else []
    return time, asset, draw(st.integers(1, 5)), np.array(rows, dtype=np.int64)


@given(ragged())
def test_windows_are_the_latest_rows_of_the_asset(data):
    time, asset, window, rows = data
    index = WindowIndex(time, asset, window)
    expected = [twin(time, asset, window, row) for row in rows]
    complete = index.complete(rows)
    assert complete.tolist() == [found is not None for found in expected]
    plan = index.plan(rows[complete])
    windows = [plan.rows[start : start + window].tolist() for start in plan.starts]
    assert windows == [found for found in expected if found is not None]
    # each row once, and none in vain
    assert len(set(plan.rows.tolist())) == len(plan.rows)
    assert set(plan.rows.tolist()) == {row for found in windows for row in found}

    X = np.random.default_rng(0).normal(size=(len(time), 2)).astype(np.float32)
    source = WindowSource(torch.from_numpy(X[plan.rows]), torch.from_numpy(plan.starts), window)
    materialised = np.array([X[found] for found in windows], dtype=np.float32).reshape(-1, window, 2)
    assert len(source) == len(windows)
    assert np.array_equal(source.slice(0, len(source)).numpy(), materialised)
    backwards = torch.arange(len(windows) - 1, -1, -1)
    assert np.array_equal(source.take(backwards).numpy(), materialised[::-1])


@given(ragged())
def test_rows_in_order_are_by_asset_and_time(data):
    time, asset, window, rows = data
    index = WindowIndex(time, asset, window)
    sorted_rows = rows[index.in_order(rows)]
    keys = [(asset[row], time[row]) for row in sorted_rows]
    assert keys == sorted(keys)
    numbers = index.assets_of(rows)
    assert all(
        (numbers[i] == numbers[j]) == (asset[rows[i]] == asset[rows[j]]) for i in range(len(rows)) for j in range(i)
    )


@pytest.mark.parametrize(
    "convert",
    [
        lambda time, asset: (time.astype("datetime64[D]"), asset.astype(str)),
        lambda time, asset: (time.astype("datetime64[D]").astype(object), asset.astype(str).astype(object)),
        lambda time, asset: (time.astype(float), asset + 2**20),
        lambda time, asset: (np.char.mod("2024-%02d", time), asset.astype(float)),
        lambda time, asset: (time.tolist(), asset.astype(np.int32)),
    ],
)
def test_ids_of_any_kind(convert):
    rng = np.random.default_rng(3)
    keys = rng.permutation([(time, asset) for time in range(10, 30) for asset in range(3)])
    time, asset = keys[:, 0], keys[:, 1]
    rows = np.arange(len(time))
    expected = WindowIndex(time, asset, 4)
    found = WindowIndex(*convert(time, asset), 4)
    kept = rows[expected.complete(rows)]
    assert np.array_equal(found.complete(rows), expected.complete(rows))
    assert np.array_equal(
        found.plan(kept).rows[found.plan(kept).starts], expected.plan(kept).rows[expected.plan(kept).starts]
    )


def test_one_asset():
    index = WindowIndex(np.array([3, 1, 2]), None, 2)
    assert index.complete(np.array([0, 1, 2])).tolist() == [True, False, True]
    assert index.plan(np.array([0])).rows.tolist() == [2, 0]


@pytest.mark.parametrize("rows", [1000, 5000])
@pytest.mark.parametrize("window", [1, 250])
def test_eight_bytes_a_row_are_kept(rows, window):
    time, asset = np.divmod(np.arange(rows), 10)
    index = WindowIndex(time, asset, window)
    kept = [value for value in vars(index).values() if isinstance(value, np.ndarray)]
    assert index.nbytes == 8 * rows + 8 * 10
    assert sum(value.nbytes for value in kept) <= 8 * rows + 1000


class TestRefused:
    def test_two_rows_of_an_asset_at_one_time(self):
        with pytest.raises(DuplicateKeyError, match="rows 1 and 3 are both at 7 of asset b") as caught:
            WindowIndex([6, 7, 7, 7, 8], ["a", "b", "a", "b", "b"], 2)
        assert caught.value.fields == {"row": 3, "first_row": 1, "count": 1}
        assert WindowIndex([7, 7], ["a", "b"], 2).n_assets == 2

    def test_many_assets_that_are_not_told_apart(self):
        with pytest.raises(DuplicateKeyError, match="pass a Panel with asset="):
            WindowIndex([1, 1], None, 2)

    @pytest.mark.parametrize(
        ("time", "asset", "words"),
        [
            (np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"), None, "row 1 has no time"),
            ([1.0, float("nan")], None, "row 1 has no time"),
            ([1, 2], ["a", None], "row 1 has no asset"),
            ([1, 2], np.array(["a", float("nan")], dtype=object), "row 1 has no asset"),
            ([1, 2], np.array(["a", 1], dtype=object), "don't compare"),
        ],
    )
    def test_ids_that_say_nothing(self, time, asset, words):
        with pytest.raises(DataError, match=words):
            WindowIndex(time, asset, 2)


def test_scoring_takes_fewer_long_windows_at_a_time(monkeypatch):
    monkeypatch.setattr(window_source, "_STEPS", 100)
    values, starts = torch.zeros(500, 1), torch.zeros(3, dtype=torch.int64)
    assert [WindowSource(values, starts, window).scoring_rows for window in (1, 20, 400)] == [100, 5, 1]
