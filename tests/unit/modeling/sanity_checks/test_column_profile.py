"""The column profile against plain numpy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import _core
from tradewright.errors import DataError, ParameterError
from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.readings.profiles import MANY, ColumnProfile

FLOATS = [0.0, -0.0, 1.0, np.nan, -np.nan, np.inf, -np.inf, 5e-324, -2.5, 1e9, 7.25, 3.0]
DTYPES = ["f8", "f4", "i8", "u8", "i4", "i1", "?"]


def column(dtype, codes):
    if dtype.startswith("f"):
        return np.array([FLOATS[code % len(FLOATS)] for code in codes], dtype=dtype)
    if dtype == "i8":
        return np.array([[0, 2**63 - 1, -(2**63), 5][code % 4] for code in codes], dtype=dtype)
    if dtype == "u8":
        return np.array([[0, 2**64 - 1, 2**63][code % 3] for code in codes], dtype=dtype)
    return np.array([code % 3 for code in codes]).astype(dtype)


def steps(values):
    before, now = values[:-1], values[1:]
    return int((now > before).sum()), int((now < before).sum()), int((now == before).sum())


def runs(values):
    longest = run = 0
    for at in range(len(values)):
        run = run + 1 if at and values[at] == values[at - 1] else 1
        longest = max(longest, run)
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    return longest, int(np.argmin(np.append(missing, False)))


def assert_equals_twin(profile, j, values, asset, time):
    number = values.astype(float)
    finite = number[np.isfinite(number)]
    total = profile.total
    assert total.nan[j] == np.isnan(number).sum()
    assert total.infinite[j] == np.isinf(number).sum()
    assert total.zeros[j] == (number == 0).sum()
    assert (total.min[j], total.max[j]) == (finite.min(initial=np.inf), finite.max(initial=-np.inf))
    if len(finite):
        size = max(abs(finite).max(), 1e-300)
        assert total.mean[j] == pytest.approx(finite.mean(), rel=1e-9, abs=1e-12 * size)
        assert total.std()[j] == pytest.approx(finite.std(), rel=1e-6, abs=1e-7 * size)
    assert (profile.row_rises[j], profile.row_falls[j], profile.row_equal[j]) == steps(values)
    own = np.zeros(3, int)
    for code in np.unique(asset):
        rows = sorted(np.flatnonzero(asset == code), key=lambda row: (time[row], row))
        own += steps(values[rows])
        assert (profile.longest[j, code], profile.lead[j, code]) == runs(values[rows])
        assert profile.asset_rows[code] == len(rows)
    assert (profile.own_rises[j], profile.own_falls[j], profile.own_equal[j]) == tuple(own)
    distinct = len(np.unique(values[values == values]))
    assert profile.distinct[j] == min(distinct, MANY)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_profile_equals_the_twin(data):
    n, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 3))
    codes = st.lists(st.integers(0, 30), min_size=n, max_size=n)
    columns = {f"c{j}": column(data.draw(st.sampled_from(DTYPES)), data.draw(codes)) for j in range(width)}
    asset = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    time = np.array(data.draw(st.lists(st.integers(0, 20), min_size=n, max_size=n)))
    profile = ColumnProfile.of(Side("X_train", columns, time=time, asset=asset))
    for j, values in enumerate(columns.values()):
        assert_equals_twin(profile, j, values, asset, time)


def facts_of(source, **rest):
    profiler = _core.ColumnProfiler(None if "assets" not in rest else 5)
    profiler.update(source, **rest)
    return {name: values.tobytes() for name, values in profiler.finish().items()}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 1500), st.integers(1, 4), st.sampled_from(["f8", "f4"]), st.booleans())
def test_every_layout_gives_the_same_bits(seed, n, width, dtype, with_assets):
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((n, width)) < 0.5, rng.choice(FLOATS, (n, width)), rng.normal(size=(n, width)))
    matrix = matrix.astype(dtype)
    frozen = matrix.copy()
    frozen.flags.writeable = False
    spaced = np.repeat(np.repeat(matrix, 2, axis=1), 3, axis=0)[::3, ::2]
    rest = {"assets": rng.integers(0, 5, n).astype(np.int32)} if with_assets else {}
    expected = facts_of(matrix, **rest)
    for source in (np.asfortranarray(matrix), frozen, list(matrix.T), spaced):
        assert facts_of(source, **rest) == expected
    assert facts_of(matrix, order=np.arange(n, dtype=np.uint32), **rest) == expected


def test_same_bits_at_any_thread_count():
    rng = np.random.default_rng(0)
    matrix, before = rng.normal(size=(150_000, 4)), _core.num_threads()
    assets = rng.integers(0, 5, len(matrix)).astype(np.int32)
    try:
        found = []
        for threads in (1, 2, 5):
            _core.set_num_threads(threads)
            found += [facts_of(matrix, assets=assets), facts_of(np.asfortranarray(matrix), assets=assets)]
    finally:
        _core.set_num_threads(before)
    assert all(facts == found[0] for facts in found)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 400), max_size=4))
def test_batches_and_merged_parts_equal_one_read(seed, cuts):
    rng = np.random.default_rng(seed)
    n = 400
    matrix = np.column_stack([rng.choice(FLOATS, n), rng.normal(size=n), rng.integers(0, 3, n)])
    assets = rng.integers(0, 5, n).astype(np.int32)
    parts = np.repeat([0, 1], n // 2).astype(np.uint32)
    whole = _core.ColumnProfiler(5, 2)
    whole.update(matrix, assets, parts)
    batches, merged = _core.ColumnProfiler(5, 2), _core.ColumnProfiler(5, 2)
    borders = sorted({0, n, *cuts})
    for start, stop in itertools.pairwise(borders):
        piece = (matrix[start:stop], assets[start:stop], parts[start:stop])
        batches.update(*piece)
        part = _core.ColumnProfiler(5, 2)
        part.update(*piece)
        merged.merge(part)
    expected = whole.finish()
    for facts in (batches.finish(), merged.finish()):
        for name, values in facts.items():
            if name.startswith("top"):  # of many values the candidates depend on how rows are cut
                assert values[[0, 2]].tolist() == expected[name][[0, 2]].tolist()
            elif name != "hash":  # of columns that were read together
                np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-9, err_msg=name)
    for part in (0, 1):
        own = matrix[parts == part]
        assert expected["part_nan"][:, part].tolist() == np.isnan(own).sum(axis=0).tolist()


def test_a_frequent_value_is_found_among_many():
    rng = np.random.default_rng(1)
    values = np.where(rng.random(200_000) < 0.9995, 2.5, rng.normal(size=200_000))
    profile = ColumnProfile.of(Side("X_train", {"a": values, "b": rng.normal(size=200_000)}))
    assert profile.distinct.tolist() == [MANY, MANY]
    assert profile.top_value[0] == 2.5
    assert 0.9 * 200_000 < profile.top_count[0] <= (values == 2.5).sum()


def test_equal_columns_have_equal_hashes_whatever_their_type():
    values = np.array([0.0, -0.0, 3.0, 7.0] * 300)
    other = values.copy()
    other[[2, 1111]] = other[[1111, 2]]
    profile = ColumnProfile.of(
        Side("X_train", {"a": values, "b": values.astype("i2"), "c": abs(values).astype("f4"), "d": other})
    )
    assert len(set(profile.hash[:3].tolist())) == 1
    assert (profile.hash[3] == profile.hash[0]) == (other == values).all()


def test_bad_calls_say_what_is_wrong():
    profiler = _core.ColumnProfiler(2)
    with pytest.raises(DataError, match="row 1: the asset code is 2: number assets from 0, below 2"):
        profiler.update(np.zeros((3, 1)), np.array([0, 2, 1], dtype=np.int32))
    with pytest.raises(ParameterError, match="pass assets with every batch"):
        profiler.update(np.zeros((3, 1)))
    with pytest.raises(DataError, match="assets has 2 rows, expected 3"):
        profiler.update(np.zeros((3, 1)), np.zeros(2, dtype=np.int32))
    with pytest.raises(ParameterError, match="merge profiles of the same frame"):
        profiler.merge(_core.ColumnProfiler())
    assert profiler.rows == 0
    assert profiler.finish()["mean"].shape == (0,)
