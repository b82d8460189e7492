"""Checks of how train and validation rows stand in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tradewright.panel.times import format_time
from tradewright.sanity_checks.base import MAX_EXAMPLES, CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.side_times import rows_between
from tradewright.sanity_checks.report import Finding
from tradewright.splitting.intervals import moved_apart

__all__ = ["LabelOverlap"]

Times = NDArray[np.int64]

#: The longest label of the panel that the blocks of a plan are of.
_LONGEST: WeakKeyDictionary[FoldBlocks, int | None] = WeakKeyDictionary()
#: The hulls of its blocks; as instants, and with labels.
_HULLS: WeakKeyDictionary[FoldBlocks, dict[bool, tuple[Times, Times]]] = WeakKeyDictionary()


@final
@dataclass(frozen=True)
class LabelOverlap(Check):
    """split.label_overlap: train rows whose label [time, label_end] meets a validation block. Counts train rows.

    Each contiguous block of validation rows is looked at on its own: its hull reaches from its first time to the
    latest of its label ends. Over all assets, since a common factor carries the label of one name to the others; for a
    plan made with ``purge_scope="asset"`` over each asset on its own.
    Where label ends are not known, a row stands for the instant of its time: a train row that meets a block even so
    is a finding, and the count a lower bound. That none does proves nothing, and the check is skipped, unless
    ``horizon=0`` declares that labels end at their own time. O(n log m) and three int64 a train row.
    """

    id: ClassVar[str] = "split.label_overlap"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L3.2"
    suites: ClassVar[tuple[str, ...]] = ("leakage", "split")
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, val = context.needs_times()
        unknown = [] if context.horizon == 0 else [side for side in (train, val) if side.label_end is None]
        starts, ends = validation_blocks(train, val)
        total, train = len(train), within_reach(train, starts, ends)
        assert train.time is not None
        time = train.take(train.time)
        until = time if train.label_end is None else train.take(train.label_end)
        intervals = (time, until, starts, ends)
        if context.purge_scope == "asset":
            intervals = _within_assets(train, val, time, until, starts)
        meets = meets_a_block(*intervals, closed=context.closed)
        rows = np.flatnonzero(meets)
        if not len(rows):
            if unknown:
                raise CannotRun(_ends_unknown(unknown))
            return []
        positions = train.positions()[rows]
        blocks = "the validation block" if len(starts) == 1 else f"one of {len(starts):,} validation blocks"
        shared = train.label_end is None and val.label_end is None
        subject = "share the time" if shared else "have a label that overlaps the labels"
        bound = "; label ends are not known on every side: there may be more" if unknown else ""
        shown = " … ".join(format_time(edge[rows[0]], train.time_unit) for edge in (time, until))
        return [
            context.finding(
                self,
                "error",
                message=f"{len(rows):,} of {total:,} train rows {subject} of {blocks}, "
                f"the first in row {positions[0]} ({shown}){bound}",
                value=len(rows) / total,
                threshold=0.0,
                count=len(rows),
                examples=tuple(train.example(int(position)) for position in positions[:MAX_EXAMPLES]),
                remedy="purge them: WalkForward and PurgedKFold do so when the panel knows label_end or horizon",
            )
        ]


def _ends_unknown(sides: list[Side]) -> str:
    """Say where label ends are missing, and what to do."""
    names = " and ".join(dict.fromkeys(side.name for side in sides))
    return (
        f"no label ends known in {names}: pass label_end= or horizon= to the panel, or label_end_train and "
        "label_end_val beside arrays (horizon=0 where a label ends at its own time). No train row shares a time with "
        "a validation block, yet labels may overlap"
    )


def _within_assets(
    train: Side, val: Side, time: Times, until: Times, starts: Times
) -> tuple[Times, Times, Times, Times]:
    """The same intervals for each asset on its own: a block's hull is that of the asset's rows in it."""
    if train.asset is None or val.asset is None:
        raise CannotRun("the plan purges within assets, and there are none: pass asset_train and asset_val")
    assert val.time is not None
    own = train.take(train.asset).astype(np.int64)
    rows, begin = val.take(val.asset).astype(np.int64), val.take(val.time)
    finish = begin if val.label_end is None else val.take(val.label_end)
    block = np.searchsorted(starts, begin, side="right") - 1
    order = np.lexsort((block, rows))
    heads = np.flatnonzero(np.r_[True, (np.diff(rows[order]) != 0) | (np.diff(block[order]) != 0)])
    firsts, lasts = np.minimum.reduceat(begin[order], heads), np.maximum.reduceat(finish[order], heads)
    kin = rows[order][heads]
    time, until, firsts, lasts = moved_apart((time, until, firsts, lasts), (own, own, kin, kin))
    return time, until, firsts, lasts  # ascending: by asset, then by block


def within_reach(train: Side, starts: Times, ends: Times) -> Side:
    """The train rows whose label can meet a block: those no further before it than the longest label is.

    So a fold of many costs what it looks at. All train rows where they are no ranges of time order, or where labels
    never end.
    """
    reach = _longest_label(train)
    if reach is None:
        return train
    lowest = np.iinfo(np.int64).min
    return rows_between(train, np.maximum(starts, lowest + reach) - reach, ends)


def _longest_label(side: Side) -> int | None:
    """How long the longest label of the source is; None where one is open, or times are too far apart to tell."""
    if side.label_end is None:
        return 0
    if side.blocks is not None and side.blocks in _LONGEST:
        return _LONGEST[side.blocks]
    lengths = side.label_end - side.needs_time()
    # An open label, or a difference that wrapped around.
    unknown = int(lengths.max(initial=0)) > 2**61 or int(lengths.min(initial=0)) < 0
    longest = None if unknown else int(lengths.max(initial=0))
    if side.blocks is not None:
        _LONGEST[side.blocks] = longest
    return longest


def validation_blocks(train: Side, val: Side) -> tuple[Times, Times]:
    """Return first time and latest label end of each contiguous block of validation rows, by first time.

    A plan knows its blocks. Otherwise a block ends where a train row stands between two validation rows in time.
    """
    assert val.time is not None
    assert train.time is not None
    ends_of = val.time if val.label_end is None else val.label_end
    if val.rows is not None and hasattr(val.rows, "ranges"):
        if val.blocks is not None:
            firsts, lasts = _block_hulls(val)
            spans = np.searchsorted(val.blocks.borders, val.rows.ranges).tolist()
            starts = np.array([firsts[begin:end].min() for begin, end in spans], dtype=np.int64)
            by_start = np.argsort(starts, kind="stable")
            return starts[by_start], np.array([lasts[begin:end].max() for begin, end in spans])[by_start]
        order = val.rows.order
        hulls = []
        for start, stop in val.rows.ranges:
            rows = slice(start, stop) if order is None else order[start:stop]
            hulls.append((val.time[rows].min(), ends_of[rows].max()))
        starts, ends = np.array(hulls, dtype=np.int64).reshape(-1, 2).T
        by_start = np.argsort(starts, kind="stable")
        return starts[by_start], ends[by_start]
    time, until = val.take(val.time), val.take(ends_of)
    order = np.argsort(time, kind="stable")
    time, until = time[order], until[order]
    others = np.sort(train.take(train.time))
    # How many train rows lie strictly before the next validation time, yet after this one?
    between = np.searchsorted(others, time[1:], side="left") - np.searchsorted(others, time[:-1], side="right")
    heads = np.concatenate([[0], np.flatnonzero(between > 0) + 1])
    return time[heads], np.maximum.reduceat(until, heads)


def _block_hulls(side: Side) -> tuple[Times, Times]:
    """First time and latest label end of each block of the plan, found once; of instants the latest time."""
    assert side.blocks is not None
    ends = side.needs_time() if side.label_end is None else side.label_end
    known, instants = _HULLS.setdefault(side.blocks, {}), ends is side.time
    if instants not in known:
        heads, order = side.blocks.borders[:-1], side.blocks.order
        begin, until = (values if order is None else values[order] for values in (side.needs_time(), ends))
        known[instants] = np.minimum.reduceat(begin, heads), np.maximum.reduceat(until, heads)
    return known[instants]


def meets_a_block(time: Times, until: Times, starts: Times, ends: Times, *, closed: str) -> NDArray[np.bool_]:
    """Whether each interval [time, until] meets one of the blocks [start, end]; blocks sorted by start.

    With ``closed="left"`` ends are open, but an instant (a zero-length interval) within the other counts.
    """
    latest = np.maximum.accumulate(ends)
    if closed == "both":
        reached = np.searchsorted(starts, until, side="right")
        found: NDArray[np.bool_] = (reached > 0) & (latest[np.maximum(reached, 1) - 1] >= time)
        return found
    reached = np.searchsorted(starts, until, side="left")
    instants = time == until
    if instants.any():
        reached[instants] = np.searchsorted(starts, until[instants], side="right")
    meets: NDArray[np.bool_] = (reached > 0) & (latest[np.maximum(reached, 1) - 1] > time)
    # A block that is one instant is met by what begins there.
    meets |= np.isin(time, starts[starts == ends])
    return meets
