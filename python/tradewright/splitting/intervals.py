"""Labels as intervals of any two sets of rows: which of them overlap, which come too near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.splitting.layout import Axis, is_duration, is_nothing, resolve_count

__all__ = ["Labels", "moved_apart", "overlaps_any", "within_embargo"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labels:
    """Times and label ends of some rows, and which labels can meet at all.

    Parameters
    ----------
    time, end : ndarray of int64, shape (n,)
        Both ends of each label.
    kin : ndarray of int, shape (n,), or None
        Labels meet only those of the same kin (asset); None: all may meet.
    """

    time: Ints
    end: Ints
    kin: NDArray[Any] | None

    @classmethod
    def of(cls, panel: Any, *, by_asset: bool) -> Labels:
        """The labels of a panel; one without a label end is its instant."""
        return cls(
            panel.time, panel.time if panel.label_end is None else panel.label_end, panel.asset if by_asset else None
        )

    def take(self, rows: Ints) -> Labels:
        """The labels of some rows."""
        return Labels(self.time[rows], self.end[rows], None if self.kin is None else self.kin[rows])


def overlaps_any(labels: Labels, others: Labels, *, closed: str) -> NDArray[np.bool_]:
    """Whether each label overlaps any of the others; the same as comparing all pairs, in O(n log n).

    Of the others that begin soon enough the one that ends last decides. With ``closed="left"`` intervals are half-open,
    but a label of no length is the instant it stands at, which overlaps every label that holds it.
    """
    if not len(labels.time) or not len(others.time):
        return np.zeros(len(labels.time), dtype=bool)
    start, stop, begin, finish = _apart(labels, others)
    points = np.sort(begin[begin == finish])
    order = np.argsort(begin, kind="stable")
    begin, latest = begin[order], np.maximum.accumulate(finish[order])
    if closed == "both":
        reached = np.searchsorted(begin, stop, side="right")
        touched: NDArray[np.bool_] = (reached > 0) & (latest[np.maximum(reached, 1) - 1] >= start)
        return touched
    # [a, b) and [c, d) meet when c < b and a < d; an instant a and [c, d) when c <= a < d.
    instant = start == stop
    reached = np.searchsorted(begin, stop, side="left")
    reached[instant] = np.searchsorted(begin, start[instant], side="right")
    found = (reached > 0) & (latest[np.maximum(reached, 1) - 1] > start)
    # An instant among the others is met by labels of some length that hold it, also where they begin.
    held = np.searchsorted(points, stop, side="left") > np.searchsorted(points, start, side="left")
    result: NDArray[np.bool_] = found | held
    return result


def within_embargo(
    labels: Labels, tested: Labels, axis: Axis, embargo: Any, *, side: Literal["after", "before"]
) -> NDArray[np.bool_]:
    """Whether each label is within the embargo of the tested ones.

    After: those with a time behind a block of tested timestamps, up to its latest label end and the embargo beyond it.
    Before: those whose label ends within the embargo before a block.
    """
    if is_nothing(embargo, name="embargo") or not len(labels.time) or not len(tested.time):
        return np.zeros(len(labels.time), dtype=bool)
    blocks = _blocks(tested, axis)
    if side == "after":
        limits = _shifted(axis, blocks.latest, embargo, sign=1)
        zone = Labels(blocks.stop + 1, np.maximum(limits, blocks.stop), blocks.kin)
        zone = zone.take(np.flatnonzero(limits > blocks.stop))
        return overlaps_any(Labels(labels.time, labels.time, labels.kin), zone, closed="both")
    zone = Labels(_shifted(axis, blocks.first, embargo, sign=-1), blocks.first, blocks.kin)
    return overlaps_any(Labels(labels.end, labels.end, labels.kin), zone, closed="both")


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Blocks of tested timestamps, of each kin apart: first time and latest label end, and where the block stops."""

    first: Ints
    latest: Ints
    stop: Ints
    kin: NDArray[Any] | None


def _blocks(tested: Labels, axis: Axis) -> _Blocks:
    """A block ends where a timestamp of the data is not tested."""
    number = axis.core.locate(np.ascontiguousarray(tested.time), False)
    distinct = np.unique(number)
    block = np.cumsum(np.r_[0, np.diff(distinct) > 1])[np.searchsorted(distinct, number)]
    stops = np.full(int(block.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(stops, block, tested.time)
    kin = np.zeros(len(block), dtype=np.int64) if tested.kin is None else tested.kin.astype(np.int64)
    key = block * (int(kin.max()) + 1) + kin
    _, head, inverse = np.unique(key, return_index=True, return_inverse=True)
    first = np.full(len(head), np.iinfo(np.int64).max)
    latest = np.full(len(head), np.iinfo(np.int64).min)
    np.minimum.at(first, inverse, tested.time)
    np.maximum.at(latest, inverse, tested.end)
    return _Blocks(first, latest, stops[block[head]], None if tested.kin is None else kin[head])


def _shifted(axis: Axis, instants: Ints, embargo: Any, *, sign: Any) -> Ints:
    """Where the embargo of some blocks ends: a count is of distinct timestamps of the data."""
    if is_duration(embargo):
        return axis.shift(instants, embargo, sign=sign, name="embargo")
    count = resolve_count(embargo, axis.count, name="embargo")
    near = axis.core.locate(np.ascontiguousarray(instants), sign > 0)
    place = near + count - 1 if sign > 0 else near - count
    return axis.core.time_at(np.clip(place, 0, axis.count - 1))


def _apart(labels: Labels, others: Labels) -> tuple[Ints, ...]:
    """Both ends of all labels; those of different kin are moved apart, so that they cannot meet."""
    edges = (labels.time, labels.end, others.time, others.end)
    if labels.kin is None or others.kin is None:
        return edges
    return moved_apart(edges, (labels.kin, labels.kin, others.kin, others.kin))


def moved_apart(edges: tuple[Ints, ...], kin: tuple[NDArray[Any], ...]) -> tuple[Ints, ...]:
    """Instants as ranks, those of each kin behind all of the kin before: the order within a kin stays."""
    distinct, rank = np.unique(np.concatenate(edges), return_inverse=True)
    pieces = np.split(rank.reshape(-1), np.cumsum([len(edge) for edge in edges])[:-1])
    width = len(distinct) + 1
    return tuple(piece + code.astype(np.int64) * width for piece, code in zip(pieces, kin, strict=True))
