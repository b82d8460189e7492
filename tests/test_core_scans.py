"""Every scan of the core answers Ctrl-C, reads arrays as they lie in memory, and refuses what it can't read.

The flag of `request_stop` is up before a long call: it is seen after 50 ms, and the scan must end at its next block.
The work is large only on paper (one column named thousands of times, zeros never written to), and to its end it would
take a core more processor time than is allowed; what else the machine does plays no part in that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tradewright import _core, errors

ROWS = 2_000_000
ALLOWED = 3.0  # seconds of processor time; some tenths are usual, the whole would take five to thirty

COLUMN = np.random.default_rng(0).standard_normal(ROWS)
ZEROS = np.zeros(ROWS)

Columns = list[np.ndarray]


def grid(columns: Columns) -> tuple[np.ndarray, np.ndarray, float]:
    return np.zeros(len(columns)), np.ones(len(columns)), 0.0


def starts(columns: Columns) -> np.ndarray:
    """Two assets of half the rows each."""
    return np.unique([0, len(columns[0]) // 2])


def row_before(columns: Columns) -> np.ndarray:
    """Of the first row one that is out of range: it has none."""
    return np.arange(len(columns[0]), dtype=np.uint32) - np.uint32(1)


def profile(columns: Columns) -> Any:
    profiler = _core.ColumnProfiler()
    profiler.update(columns)
    return list(profiler.finish().values())


def associations(columns: Columns) -> Any:
    rows = len(columns[0])
    ranks = np.zeros((len(columns), rows), dtype=np.float32)
    return _core.associations(ranks, np.zeros(rows, np.float32), np.zeros(rows, np.float32))


#: How each is called, and how many columns are a long way to go.
SCANS: dict[str, tuple[Callable[[Columns], Any], int]] = {
    "cross_duplicates": (lambda c: _core.cross_duplicates(c, c), 5_000),
    "cross_duplicates single": (lambda c: _core.cross_duplicates(c, c, single=True), 3_000),
    "cross_duplicates grid": (lambda c: _core.cross_duplicates(c, c, grid=grid(c)), 3_000),
    "duplicate_rows": (_core.duplicate_rows, 30_000),
    "repeated_rows": (lambda c: _core.repeated_rows([ZEROS[: len(c[0])], *c[1:]], row_before(c)), 10_000),
    "fingerprint_columns": (lambda c: _core.fingerprint_columns(c, [str(j) for j in range(len(c))]), 10_000),
    "ColumnProfiler": (profile, 10_000),
    "lag_profile": (lambda c: _core.lag_profile(c, [False] * len(c), c[0], None, starts(c), -10, 10), 1_000),
    "future_values": (lambda c: _core.future_values(c, c, None, starts(c), np.arange(1, 11)), 5_000),
    "autocorrelations": (lambda c: _core.autocorrelations(c, None, starts(c)), 2_000),
    "ranks": (_core.ranks, 150),
    "associations": (associations, 800),
    "correlations": (_core.correlations, 1_500),
    "drifts": (lambda c: _core.drifts(c, c), 300),
    "missing_by_class": (lambda c: _core.missing_by_class(c, np.zeros(len(c[0]), np.uint8), 2), 10_000),
}


@pytest.fixture
def one_thread():
    before = _core.num_threads()
    _core.set_num_threads(1)
    yield
    _core.set_num_threads(before)


@pytest.fixture
def stop():
    _core.request_stop(True)
    yield
    _core.request_stop(False)


@pytest.mark.parametrize("name", SCANS)
def test_a_long_scan_stops_when_asked(name: str, one_thread: None, stop: None):
    scan, many = SCANS[name]
    # Rows that repeat the one before are compared column by column only as long as they do.
    columns = [ZEROS if name == "repeated_rows" else COLUMN] * many
    started = time.process_time()
    with pytest.raises(KeyboardInterrupt):
        scan(columns)
    assert time.process_time() - started < ALLOWED
    _core.request_stop(False)
    scan(columns[:2])


def every_third(rows: int) -> np.ndarray:
    return COLUMN[: 3 * rows : 3]


def read_only(rows: int) -> np.ndarray:
    column = COLUMN[:rows].copy()
    column.flags.writeable = False
    return column


@pytest.mark.parametrize("rows", [1, 2, 70_000])
@pytest.mark.parametrize("make", [every_third, read_only])
@pytest.mark.parametrize("name", SCANS)
def test_how_an_array_lies_in_memory_changes_nothing(name: str, make: Callable[[int], np.ndarray], rows: int):
    scan, _ = SCANS[name]
    column = make(rows)
    plain = np.ascontiguousarray(column).copy()
    np.testing.assert_equal(scan([column, column]), scan([plain, plain]))


@pytest.mark.parametrize("name", SCANS)
def test_what_can_not_be_scanned_is_refused(name: str):
    """An exception with a way out, not a panic, and the next call is as good as ever."""
    scan, _ = SCANS[name]
    fine = [COLUMN[:100], COLUMN[100:200]]
    expected = scan(fine)
    if name != "associations":  # takes a matrix of its own, not columns
        for odd in (fine[1][::-1], np.broadcast_to(np.float64(0.5), 100)):
            with pytest.raises(errors.DataError, match=r"pass numpy\.ascontiguousarray"):
                scan([fine[0], odd])
        with pytest.raises(errors.TradewrightError) as caught:
            scan([fine[0], fine[1][:50]])
        assert not isinstance(caught.value, errors.InternalError)
    np.testing.assert_equal(scan(fine), expected)
