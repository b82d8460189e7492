"""Ranks of the features over a sample of rows, taken once and shared by the checks that need them."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import CannotRun, CheckContext, Side

__all__ = ["SAMPLE_ROWS", "RankSample", "chosen_rows", "rank_sample", "sampled_note"]

#: Above this many rows, statistics of ranks look at a sample of as many. The standard error of a rank correlation is
#: then at most 0.0022, far finer than any threshold here.
SAMPLE_ROWS = 200_000

_KNOWN: WeakKeyDictionary[Side, RankSample] = WeakKeyDictionary()


def chosen_rows(count: int, most: int = SAMPLE_ROWS) -> NDArray[np.int64] | None:
    """Return which of so many rows a statistic of ranks looks at, ascending, always the same; None for all of them."""
    if count <= most:
        return None
    chosen = np.random.default_rng(0).choice(count, most, replace=False, shuffle=False)
    return np.sort(chosen).astype(np.int64)


def sampled_note(rows: int, most: int = SAMPLE_ROWS) -> str:
    """Say in a finding that it is from a sample, where it is."""
    return f", on a seeded sample of {most:,} rows" if rows > most else ""


@dataclass(frozen=True, eq=False)
class RankSample:
    """Ranks of the columns of a side over the rows that have a label, at most :data:`SAMPLE_ROWS` of them.

    Parameters
    ----------
    names : tuple of str
        The columns.
    rows : ndarray of int64
        The source's row of each rank, ascending.
    ranks : ndarray of float32, shape (n_columns, n_rows)
        NaN where a cell is missing.
    of : int
        How many rows there were to choose from.
    """

    names: tuple[str, ...]
    rows: NDArray[np.int64]
    ranks: NDArray[np.float32]
    of: int


def rank_sample(context: CheckContext) -> RankSample:
    """Return the ranks of the train side's columns."""
    side = context.train
    found = _KNOWN.get(side)
    if found is None:
        found = _KNOWN[side] = _ranked(side)
    return found


def _ranked(side: Side) -> RankSample:
    if not side.columns:
        raise CannotRun("there are no features")
    rows = side.positions()
    if side.y is not None and side.y.dtype.kind == "f":
        known = np.isfinite(side.take(side.y))
        if not known.all() and known.any():
            rows = rows[known]
    count = len(rows)
    chosen = chosen_rows(count)
    if chosen is not None:
        rows = rows[chosen]
    whole = len(rows) == len(next(iter(side.columns.values())))
    ranks = _core.ranks(list(side.columns.values()), None if whole else np.ascontiguousarray(rows))
    return RankSample(tuple(side.columns), rows, ranks, count)
