"""A good numpy version of purged splits: searchsorted and a running maximum, ranges out. The peer to beat.

Closed labels, embargo by counts of distinct timestamps, sorted times. Tested equal to the pairwise oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

PACKAGE = "numpy"
NAME = "numpy_reference"
CASES = ("kfold", "cpcv", "walk_forward")


@dataclass
class Timeline:
    time: np.ndarray
    end: np.ndarray
    starts: np.ndarray | None  # first row of each timestamp; None where each row has its own
    reach: np.ndarray | None  # running maximum of label ends; None where they are monotone

    @property
    def count(self) -> int:
        return len(self.time) if self.starts is None else len(self.starts)

    def first_row(self, timestamp: int) -> int:
        if timestamp >= self.count:
            return len(self.time)
        return timestamp if self.starts is None else int(self.starts[timestamp])


def timeline(time: np.ndarray, end: np.ndarray) -> Timeline:
    later, earlier = time[1:], time[:-1]
    if (later < earlier).any():
        raise ValueError("times are not sorted")
    if (end < time).any():
        raise ValueError("a label ends before its row")
    new = later != earlier
    starts = None if new.all() else np.concatenate(([0], np.flatnonzero(new) + 1))
    reach = None if (end[1:] >= end[:-1]).all() else np.maximum.accumulate(end)
    return Timeline(time, end, starts, reach)


def _before(line: Timeline, start: int) -> np.ndarray:
    """Ranges before row ``start`` whose labels do not reach it."""
    first = line.time[start]
    clean = int(np.searchsorted(line.end if line.reach is None else line.reach, first, side="left"))
    clean = min(clean, start)
    if line.reach is None:
        return np.array([[0, clean]])
    keep = np.flatnonzero(line.end[clean:start] < first) + clean
    cuts = np.flatnonzero(np.diff(keep) != 1)
    lefts, rights = np.r_[keep[:1], keep[cuts + 1]], np.r_[keep[cuts] + 1, keep[-1:] + 1]
    return np.vstack([[[0, clean]], np.column_stack([lefts, rights])])


def _after(line: Timeline, last: int, embargo: int) -> int:
    """The first row that may train again behind labels that end at ``last``."""
    after = int(np.searchsorted(line.time, last, side="right"))
    if not embargo:
        return after
    stamps = after if line.starts is None else int(np.searchsorted(line.starts, after))
    return line.first_row(stamps + embargo)


def _cuts(line: Timeline, parts: int) -> list[int]:
    """Where ``numpy.array_split`` cuts the timestamps."""
    return [0, *np.cumsum([len(part) for part in np.array_split(np.empty(line.count, "i1"), parts)]).tolist()]


def kfold(line: Timeline, folds: int, embargo: int) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """(train ranges, test range) of each fold."""
    cuts, plans = _cuts(line, folds), []
    for a, b in pairwise(cuts):
        start, stop = line.first_row(a), line.first_row(b)
        last = line.end[start:stop].max()
        after = _after(line, last, embargo)
        plans.append((np.vstack([_before(line, start), [[max(after, stop), len(line.time)]]]), (start, stop)))
    return plans


def combinatorial(line: Timeline, groups: int, tested: int, embargo: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train ranges, test ranges) of every choice of test groups.

    All choices at once: what a group forbids depends on the group alone, and a running maximum over the chosen ones
    merges those that touch. Between two chosen groups train goes from the row that the earlier allow to the clean rows
    before the later.
    """
    rows = np.array([line.first_row(cut) for cut in _cuts(line, groups)])
    starts, stops = rows[:-1], rows[1:]
    latest = line.end[stops - 1] if line.reach is None else np.maximum.reduceat(line.end, starts)
    after = np.maximum(stops, [_after(line, last, embargo) for last in latest])
    before = [_before(line, start) for start in starts.tolist()]
    clean = np.array([ranges[0, 1] for ranges in before])

    chosen = np.array(list(combinations(range(groups), tested)))
    left = np.pad(np.maximum.accumulate(after[chosen], axis=1), ((0, 0), (1, 0)))
    right = np.pad(clean[chosen], ((0, 0), (0, 1)), constant_values=len(line.time))
    gaps = np.stack([left, np.maximum(left, right)], axis=2)
    tests = np.stack([starts[chosen], stops[chosen]], axis=2)
    if line.reach is None:
        return list(zip(gaps, tests, strict=True))
    return [
        (np.vstack([gap, *_remainders(gap[:, 0], numbers, before)]), test)
        for gap, numbers, test in zip(gaps, chosen.tolist(), tests, strict=True)
    ]


def _remainders(lefts: np.ndarray, chosen: list[int], before: list[np.ndarray]) -> list[np.ndarray]:
    """Rows behind the clean ones whose labels still end before each chosen group, from where train may begin."""
    return [
        np.maximum(before[number][1:], left)[before[number][1:, 1] > left]
        for left, number in zip(lefts.tolist(), chosen, strict=False)
    ]


def walk_forward(line: Timeline, folds: int) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """Expanding train sets, tests that end with the data."""
    size = line.count // (folds + 1)
    plans = []
    for fold in range(folds):
        a = line.count - (folds - fold) * size
        start, stop = line.first_row(a), line.first_row(a + size)
        plans.append((_before(line, start), (start, stop)))
    return plans


def arrays(plans: list[Any], dtype: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Index arrays of every fold."""
    return [(_filled(train, dtype), _filled(np.reshape(test, (-1, 2)), dtype)) for train, test in plans]


def _filled(ranges: np.ndarray, dtype: str) -> np.ndarray:
    parts = [np.arange(a, b, dtype=dtype) for a, b in ranges.tolist() if b > a]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def plan(case: str, time: np.ndarray, end: np.ndarray) -> Any:
    line = timeline(time, end)
    if case == "cpcv":
        return combinatorial(line, 10, 2, 100)
    return kfold(line, 5, 100) if case == "kfold" else walk_forward(line, 5)


def ready(case: str, time: np.ndarray, end: np.ndarray) -> Any:
    """A call that plans from a timeline that is ready."""
    line = timeline(time, end)
    return lambda: combinatorial(line, 10, 2, 100) if case == "cpcv" else kfold(line, 45, 100)


def index_arrays(case: str, time: np.ndarray, end: np.ndarray, dtype: str) -> int:
    return sum(len(train) + len(test) for train, test in arrays(plan(case, time, end), dtype))


def given(time: np.ndarray, end: np.ndarray) -> Any:
    """What it takes, from datetimes: integers."""
    return time.view("i8"), end.view("i8"), int((time[1:] - time[:-1]).max().astype("i8"))


def splits(case: str, columns: Any, embargo: np.timedelta64) -> list[Any]:
    time, end, bar = columns
    line, count = timeline(time, end), int(embargo.astype("m8[ns]").astype("i8") // bar)
    if case == "walk_forward":
        return arrays(walk_forward(line, 5), "int64")
    return arrays(kfold(line, 5, count) if case == "kfold" else combinatorial(line, 10, 2, count), "int64")


def argsort(columns: Any) -> Any:
    """One stable argsort of the times: the least that rows in any order cost."""
    return np.argsort(columns[0], kind="stable")
