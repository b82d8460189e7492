"""A good numpy version of purged splits: searchsorted and a running maximum, ranges out. The peer to beat.

Closed labels, embargo by counts of distinct timestamps, sorted times. Tested equal to the pairwise oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

NAME = "numpy_reference"


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


def kfold(line: Timeline, folds: int, embargo: int) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """(train ranges, test range) of each fold."""
    cuts = [0, *np.cumsum([len(part) for part in np.array_split(np.empty(line.count, "i1"), folds)]).tolist()]
    plans = []
    for a, b in pairwise(cuts):
        start, stop = line.first_row(a), line.first_row(b)
        last = line.end[start:stop].max()
        after = int(np.searchsorted(line.time, last, side="right"))
        if embargo:
            stamps = after if line.starts is None else int(np.searchsorted(line.starts, after))
            after = line.first_row(stamps + embargo)
        plans.append((np.vstack([_before(line, start), [[max(after, stop), len(line.time)]]]), (start, stop)))
    return plans


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
    filled = []
    for train, (start, stop) in plans:
        parts = [np.arange(a, b, dtype=dtype) for a, b in train.tolist() if b > a]
        filled.append((np.concatenate(parts), np.arange(start, stop, dtype=dtype)))
    return filled


def plan(case: str, time: np.ndarray, end: np.ndarray) -> Any:
    line = timeline(time, end)
    return kfold(line, 5, 100) if case == "kfold" else walk_forward(line, 5)


def index_arrays(case: str, time: np.ndarray, end: np.ndarray, dtype: str) -> int:
    return sum(len(train) + len(test) for train, test in arrays(plan(case, time, end), dtype))
