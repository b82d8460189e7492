"""The Rust scans against obvious twins in plain Python."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import _core
from tradewright.errors import DataError

FLOATS = [0.0, -0.0, 1.0, 2.0**53, math.nan, math.inf, 0.5]
INTEGERS = [0, 1, -1, 2**53 + 1, 2**53]
DTYPES = ["f8", "f4", "i8", "u8", "i1", "?"]


def rows_of(columns):
    """Rows as tuples that are equal when the rows are: Python compares ints and floats exactly."""
    lists = [[None if value != value else value for value in column.tolist()] for column in columns]
    return list(zip(*lists, strict=True))


def cross_twin(train, val):
    first = {}
    for index, row in enumerate(rows_of(train)):
        first.setdefault(row, index)
    found = [(index, first[row]) for index, row in enumerate(rows_of(val)) if row in first]
    return [v for v, _ in found], [t for _, t in found]


def within_twin(columns):
    rows = rows_of(columns)
    first, counts = {}, {}
    for index, row in enumerate(rows):
        first.setdefault(row, index)
        counts[row] = counts.get(row, 0) + 1
    twins = [index for index, row in enumerate(rows) if counts[row] > 1]
    return twins, [first[rows[index]] for index in twins]


def column(dtype, codes):
    if dtype.startswith("f"):
        return np.array([FLOATS[code % len(FLOATS)] for code in codes], dtype=dtype)
    if dtype == "i8":
        return np.array([INTEGERS[code % len(INTEGERS)] for code in codes], dtype=dtype)
    if dtype == "u8":
        return np.array([[0, 1, 2**64 - 1, 2**53][code % 4] for code in codes], dtype=dtype)
    return np.array([code % 2 for code in codes], dtype=dtype)


@st.composite
def frame_pairs(draw):
    width = draw(st.integers(1, 3))
    sides = []
    for _ in range(2):
        n = draw(st.integers(0, 40))
        codes = draw(st.lists(st.lists(st.integers(0, 20), min_size=n, max_size=n), min_size=width, max_size=width))
        sides.append([column(draw(st.sampled_from(DTYPES)), c) for c in codes])
    return sides


def as_lists(pair):
    return [array.tolist() for array in pair]


@settings(max_examples=200, deadline=None)
@given(frame_pairs())
def test_mixed_columns_equal_the_twin(sides):
    train, val = sides
    assert as_lists(_core.cross_duplicates(train, val)) == list(cross_twin(train, val))
    assert as_lists(_core.duplicate_rows(train)) == list(within_twin(train))


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(0, 60), st.integers(1, 5), st.sampled_from(["f8", "f4"])
)
def test_every_layout_gives_one_answer(seed, n_train, n_val, width, dtype):
    rng = np.random.default_rng(seed)
    train, val = (rng.choice(FLOATS, (n, width)).astype(dtype) for n in (n_train, n_val))
    expected = list(cross_twin(list(train.T), list(val.T)))
    frozen = train.copy()
    frozen.flags.writeable = False
    spaced = np.repeat(np.repeat(train, 2, axis=1), 3, axis=0)[::3, ::2]
    for source in (train, np.asfortranarray(train), frozen, list(train.T), spaced):
        assert as_lists(_core.cross_duplicates(source, val)) == expected
        assert as_lists(_core.cross_duplicates(source, np.asfortranarray(val))) == expected


def test_read_only_columns_of_polars_are_read_in_place():
    frame = pl.DataFrame({"a": [1.0, 2.0, None], "b": [1, 2, 3]})
    columns = [frame["b"].to_numpy(), frame["a"].fill_null(math.nan).to_numpy()]
    assert not columns[0].flags.writeable
    assert as_lists(_core.cross_duplicates(columns, columns)) == [[0, 1, 2], [0, 1, 2]]


def big_frames():
    rng = np.random.default_rng(3)
    train, val = rng.normal(size=(120_000, 6)), rng.normal(size=(50_000, 6))
    train[:, 3] = rng.integers(0, 4, 120_000)
    val[::1_000] = train[5 : 5 + 50 * 2_000 : 2_000]
    train[71_000:71_010] = train[0]
    val[777] = train[0]
    return train, val


def test_the_same_rows_at_any_thread_count():
    train, val = big_frames()
    before = _core.num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            for a, b in ((train, val), (np.asfortranarray(train), np.asfortranarray(val))):
                results.append([*as_lists(_core.cross_duplicates(a, b)), *as_lists(_core.duplicate_rows(a))])
    finally:
        _core.set_num_threads(before)
    assert all(result == results[0] for result in results)
    val_rows, train_rows, twins, first = results[0]
    assert set(range(0, 50_000, 1_000)) <= set(val_rows)
    assert len(val_rows) == 51
    assert train_rows[val_rows.index(777)] == 0
    assert twins == [0, *range(71_000, 71_010)]
    assert first == [0] * 11


MEMORY = """
import resource, sys
import numpy as np
from tradewright import _core
order = sys.argv[1]
rng = np.random.default_rng(0)
train = np.empty((400_000, 80), order=order); val = np.empty((100_000, 80), order=order)
for matrix in (train, val):
    for start in range(0, len(matrix), 10_000):
        matrix[start : start + 10_000] = rng.random((10_000, 80))
val[:100] = train[-100:]
small = (np.ones((70_000, 2)), np.ones((1_000, 2)))
_core.cross_duplicates(*small); _core.fingerprint_columns(small[0], ["a", "b"])  # the pool has started
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
assert len(_core.cross_duplicates(train, val)[0]) == 100
_core.fingerprint_columns(train, [f"c{j}" for j in range(80)])
profiler = _core.ColumnProfiler()
profiler.update(train); profiler.finish()
print((peak() - before) / (train.nbytes + val.nbytes))
"""


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read through getrusage")
def test_nothing_is_copied(order):
    done = subprocess.run([sys.executable, "-c", MEMORY, order], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.05


def test_bad_calls_say_what_is_wrong():
    with pytest.raises(DataError, match="one frame has 2 columns, the other 1") as error:
        _core.cross_duplicates([np.zeros(3)], [np.zeros(3), np.zeros(3)])
    assert error.value.code == "data.column_count_mismatch"
    with pytest.raises(DataError, match="column 1 has 2 rows, column 0 has 3"):
        _core.duplicate_rows([np.zeros(3), np.zeros(2)])
    with pytest.raises(DataError, match="dtype object cannot be scanned"):
        _core.duplicate_rows([np.array(["a"], dtype=object)])
