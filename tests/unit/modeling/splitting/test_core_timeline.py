"""The core's timelines and layouts, called as the splitters call them, against the pairwise oracle and plain Python."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import _core
from tradewright.errors import DataError, ParameterError
from tradewright.testing.splitting import OracleFold, oracle_roles

ROLES = ("train", "val", "test", "purged", "embargoed", "unused")
NEVER = np.iinfo(np.int64).max
NO_END = np.iinfo(np.int64).min


@st.composite
def panels(draw):
    """Times with ties and gaps, labels in no order, asset codes with gaps, rows in any order."""
    steps = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from([0, 1, 4])), min_size=12))
    time = np.cumsum([gap for gap, _, _ in steps])
    end = time + np.array([0 if length < 3 else length for _, length, _ in steps])
    asset = np.array([code for _, _, code in steps], dtype=np.int32)
    rows = np.array(draw(st.permutations(range(len(steps))))) if draw(st.booleans()) else np.arange(len(steps))
    return time[rows], end[rows] if draw(st.booleans()) else None, asset[rows]


def roles_of(timeline, segments, fold):
    order = timeline.order()
    roles = [""] * timeline.rows
    for _, role, start, stop in segments[segments[:, 0] == fold].tolist():
        for place in range(start, stop):
            roles[place if order is None else int(order[place])] = ROLES[role]
    return roles


@settings(max_examples=150, deadline=None)
@given(
    panel=panels(),
    cuts=st.lists(st.integers(0, 40), min_size=4, max_size=4),
    val_size=st.integers(0, 4),
    embargo=st.integers(0, 6),
    by_duration=st.booleans(),
    side=st.sampled_from(["after", "before"]),
    closed=st.sampled_from(["both", "left"]),
)
def test_roles_within_assets_equal_the_oracle(panel, cuts, val_size, embargo, by_duration, side, closed):
    time, end, asset = panel
    distinct = np.unique(time)
    first, mid, last, stop = np.sort(np.array(cuts) % (len(distinct) + 1)).tolist()
    tests = [(a, b) for a, b in ((first, mid), (last, stop)) if a < b]
    if not tests:
        return
    timeline = _core.Timeline(time, end, asset)
    blocks = np.array([[0, a, b] for a, b in tests], dtype=np.int64)
    limits = None
    if by_duration:
        firsts, lasts = timeline.hulls_by_asset(np.ascontiguousarray(blocks[:, 1:]))
        limits = lasts + embargo if side == "after" else firsts - embargo
    segments, _, _ = timeline.plan(
        blocks,
        np.array([[0, len(distinct)]]),
        np.array([val_size]),
        embargo_after=side == "after",
        embargo=embargo,
        embargo_instants=limits if embargo else None,
        closed_left=closed == "left",
        on_empty="keep",
        by_asset=True,
    )
    start, behind = tests[0]
    room = [*tests, (len(distinct), 0)][1][0]
    before, after = distinct[max(start - val_size, 0) : start], distinct[behind : min(behind + val_size, room)]
    val = before if start else after
    fold = OracleFold(
        [(int(distinct[a]), int(distinct[b - 1])) for a, b in tests],
        (int(val[0]), int(val[-1])) if len(val) else None,
    )
    expected = oracle_roles(
        time,
        end,
        fold,
        embargo=embargo,
        embargo_is_duration=by_duration,
        side=side,
        closed=closed,
        asset=asset,
    )
    assert roles_of(timeline, segments, 0) == expected


@settings(max_examples=60, deadline=None)
@given(panel=panels(), cuts=st.lists(st.integers(0, 40), min_size=2, max_size=2))
def test_hulls_by_asset_are_those_of_the_assets_rows(panel, cuts):
    time, end, asset = panel
    distinct = np.unique(time)
    start, stop = np.sort(np.array(cuts) % (len(distinct) + 1)).tolist()
    timeline = _core.Timeline(time, end, asset)
    firsts, lasts = timeline.hulls_by_asset(np.array([[start, stop]]))
    assert firsts.shape == lasts.shape == (1, asset.max() + 1)
    ends = time if end is None else end
    inside = np.isin(time, distinct[start:stop])
    for code in range(asset.max() + 1):
        mine = inside & (asset == code)
        assert firsts[0, code] == (time[mine].min() if mine.any() else NEVER)
        assert lasts[0, code] == (ends[mine].max() if mine.any() else NO_END)


def test_asset_of_a_place_is_read_in_time_order():
    timeline = _core.Timeline(np.array([30, 10, 20]), None, np.array([7, 0, 2], dtype=np.int32))
    assert timeline.asset_at(np.array([0, 1, 2])).tolist() == [0, 2, 7]
    with pytest.raises(DataError, match=r"outside of 0\.\.3"):
        timeline.asset_at(np.array([3]))


def test_assets_are_borrowed_and_checked():
    time = np.arange(4)
    bare = _core.Timeline(time)
    with pytest.raises(ParameterError, match=r"purge_scope='asset'.*pass asset="):
        bare.hulls_by_asset(np.array([[0, 1]]))
    with pytest.raises(ParameterError, match="purge_scope"):
        bare.plan(np.array([[0, 0, 1]]), np.array([[0, 4]]), np.array([0]), embargo_after=True, by_asset=True)
    with pytest.raises(DataError, match="row 2: the asset code is -1") as caught:
        _core.Timeline(time, None, np.array([0, 1, -1, 0], dtype=np.int32))
    assert (caught.value.code, caught.value.fields["row"]) == ("data.asset_code", 2)
    with pytest.raises(DataError, match="asset has 3 rows, expected 4"):
        _core.Timeline(time, None, np.zeros(3, dtype=np.int32))
    codes = np.zeros(4, dtype=np.int32)
    timeline = _core.Timeline(time, None, codes)
    codes[0] = 9
    assert timeline.asset_at(np.array([0])).tolist() == [9]


@settings(max_examples=60, deadline=None)
@given(groups=st.integers(2, 8), data=st.data(), more=st.integers(0, 9))
def test_combinatorial_blocks_and_paths_follow_itertools(groups, data, more):
    chosen = data.draw(st.integers(1, groups - 1))
    timestamps = groups + more
    parts = np.array_split(np.arange(timestamps), groups)
    combinations = list(itertools.combinations(range(groups), chosen))
    expected = []
    for split, choice in enumerate(combinations):
        tested = np.concatenate([parts[group] for group in choice])
        runs = np.split(tested, np.flatnonzero(np.diff(tested) != 1) + 1)
        expected.extend([split, int(run[0]), int(run[-1]) + 1] for run in runs)
    assert _core.combinatorial_blocks(timestamps, groups, chosen).tolist() == expected
    paths = _core.combinatorial_paths(groups, chosen)
    assert paths.shape == (math.comb(groups, chosen) * chosen // groups, groups)
    for group in range(groups):
        assert paths[:, group].tolist() == [split for split, choice in enumerate(combinations) if group in choice]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((5, 6, 2), "n_groups=6.*from 2 to 5"),
        ((9, 1, 1), "n_groups=1"),
        ((9, 4, 4), "n_test_groups=4.*from 1 to 3"),
        ((9, 4, 0), "n_test_groups=0"),
        ((10**6, 60, 30), "make 118264581564861424 splits"),
        ((10**6, 1000, 500), "more splits than can be counted"),
    ],
)
def test_combinatorial_layouts_that_cannot_be_are_refused(arguments, told):
    with pytest.raises(ParameterError, match=told):
        _core.combinatorial_blocks(*arguments)


@pytest.mark.parametrize("borders", [[0, 3], [1, 0], [-1, 2]])
def test_borders_of_sets_are_checked(borders):
    ranges = np.array([[0, 2], [3, 5]])
    with pytest.raises(DataError, match="borders must ascend from 0 to 2, the number of ranges"):
        _core.range_positions(ranges, 6, None, False, np.array(borders))
    assert _core.range_positions(ranges, 6, None, False, np.array([0, 1, 1, 2])).tolist() == [0, 1, 3, 4]
    assert _core.range_positions(ranges, 6, None, False, np.array([], dtype=np.int64)).tolist() == []
