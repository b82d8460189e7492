"""Which rows share a group: ids of any kind, any order."""

from __future__ import annotations

import copy
import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import GroupIndex
from tradewright.errors import LossError
from tradewright.loss_functions import ICLoss, ProfitBasedLoss

DAYS = [dt.date(2024, 1, 3), dt.date(2024, 1, 2), dt.date(2024, 1, 3)]


@pytest.mark.parametrize(
    "groups",
    [
        [3, 2, 3],
        np.array([3, 2, 3], np.uint8),
        np.array([2**63 + 5, 2**63 + 1, 2**63 + 5], np.uint64),
        [3.0, 2.0, 3.0],
        [0.3, 0.2, 0.3],
        ["b", "a", "b"],
        [True, False, True],
        np.array(DAYS, dtype="datetime64[D]"),
        DAYS,
        [dt.datetime(2024, 1, 3), dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 3)],
        pd.to_datetime(pd.Series(DAYS)),
        pd.to_datetime(pd.Series(DAYS)).dt.tz_localize("America/New_York"),
        pd.Series(["b", "a", "b"], dtype="category"),
        pl.Series(DAYS),
        pl.Series(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=object),
        np.array([9, 3, 0, 2, 0, 3])[1::2],
        np.array([3, 2, 3], dtype=">i4"),
    ],
    ids=lambda groups: f"{type(groups).__name__}-{np.asarray(groups).dtype}",
)
def test_ids_of_any_kind(groups):
    if np.asarray(groups).tolist()[:1] == [3] and len(np.asarray(groups)) == 3 and np.asarray(groups)[1] == 2:
        assert GroupIndex(groups).group_ids.tolist() == [2, 3]
    index = GroupIndex(groups)
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    np.testing.assert_array_equal(index.group_numbers(), numbers)
    assert index.n_groups == len(index.group_ids) == numbers.max() + 1
    assert (index.group_ids[:-1] < index.group_ids[1:]).all()
    assert not index.has_assets
    assert index.asset_numbers() is None
    again = pickle.loads(pickle.dumps(index))
    assert again == index == copy.deepcopy(index)
    assert hash(again) == hash(index)
    np.testing.assert_array_equal(again.group_ids, index.group_ids)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.sampled_from("ABCDE")), unique=True, max_size=30), st.booleans())
def test_numbers_tell_groups_and_assets_apart(cells, ordered):
    cells = sorted(cells) if ordered else cells
    groups = np.array([cell[0] for cell in cells], dtype=int)
    assets = np.array([cell[1] for cell in cells], dtype="U1")
    index = GroupIndex(groups, assets)
    np.testing.assert_array_equal(index.group_ids[index.group_numbers()], groups)
    numbers = index.asset_numbers()
    assert len(set(zip(numbers.tolist(), assets.tolist(), strict=True))) == len(set(assets.tolist()))
    assert len(set(numbers.tolist())) == len(set(assets.tolist()))
    again = pickle.loads(pickle.dumps(index))
    assert again == index
    rng = np.random.default_rng(len(cells))
    if len(cells):
        y, s = rng.normal(size=len(cells)), rng.normal(size=len(cells))
        loss = ProfitBasedLoss(cost=0.1)
        assert loss(y, s, groups=again) == loss(y, s, groups=groups, assets=assets)


def test_frozen_and_sized():
    index = GroupIndex([1, 1, 2], ["A", "B", "A"])
    assert (len(index), index.rows, index.n_groups, index.has_assets) == (3, 3, 2, True)
    assert repr(index) == "GroupIndex(rows=3, groups=2, assets=True)"
    with pytest.raises(AttributeError):
        index.rows = 4
    assert index != GroupIndex([1, 1, 2])
    assert index != GroupIndex([1, 2, 2], ["A", "B", "A"])
    assert index != "index"
    assert GroupIndex(["a", "b"]) != GroupIndex(["a", "c"])


def test_an_index_survives_in_another_process_by_value():
    """The key by which torch finds an index is not part of its pickle."""
    index = GroupIndex([1, 1, 2])
    assert pickle.loads(pickle.dumps(index))._key != index._key


class TestBadInput:
    def test_missing_ids_name_their_row(self):
        for groups in (
            np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"),
            [1.0, np.nan],
            ["a", None],
            pd.Series(["a", pd.NA], dtype="string"),
        ):
            with pytest.raises(LossError, match="row 1: groups has no id"):
                GroupIndex(groups)
        with pytest.raises(LossError, match="row 0: assets has no id"):
            GroupIndex([1, 2], [None, "A"])

    def test_shapes(self):
        with pytest.raises(LossError, match="assets has 1 rows, groups has 2"):
            GroupIndex([1, 2], [1])
        with pytest.raises(LossError, match="pass one id per row"):
            GroupIndex(np.zeros((2, 2)))

    def test_ids_that_do_not_compare(self):
        with pytest.raises(LossError, match="do not compare"):
            GroupIndex(np.array([1, "a"], dtype=object))

    def test_an_asset_twice_on_a_date(self):
        dates = np.array(["2024-01-02", "2024-01-01", "2024-01-02"], dtype="datetime64[D]")
        with pytest.raises(LossError, match="row 2: asset A has another row on date 2024-01-02") as caught:
            GroupIndex(dates, ["A", "A", "A"])
        assert caught.value.fields["row"] == 2
        assert caught.value.fields["asset"] == "A"
        with pytest.raises(LossError, match="asset 7 has another row on date 5"):
            ICLoss()([1.0, 2.0], [1.0, 2.0], groups=[5, 5], assets=[7, 7])
