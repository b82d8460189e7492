"""Checks of which rows, times and assets stand on both sides of a split, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ParameterError
from tradewright.panel.durations import add_duration
from tradewright.panel.times import format_time
from tradewright.sanity_checks.base import MAX_EXAMPLES, CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.checks.split import validation_blocks
from tradewright.sanity_checks.readings.side_times import (
    all_times,
    apart,
    count_times,
    distinct,
    hull,
    rows_between,
    shared_times,
)
from tradewright.sanity_checks.report import Finding

__all__ = ["Embargo", "EntityOverlap", "IndexOverlap", "SameTimestamp", "TimeOrder"]

Times = NDArray[np.int64]


@final
@dataclass(frozen=True)
class IndexOverlap(Check):
    """split.index_overlap: rows that stand on both sides. Counts validation rows.

    A row is told by its asset and time; by its time alone where assets are not known and no time repeats on a side. Under a plan,
    by its position too. O(n log n).
    """

    id: ClassVar[str] = "split.index_overlap"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L1.1"
    suites: ClassVar[tuple[str, ...]] = ("leakage", "split")
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.train
        if train.rows is not None and val.rows is not None:
            if val.blocks is not None and not (train.in_blocks & val.in_blocks).any():
                return []
            shared, which = train.rows.mask()[val.positions()], "position"
        else:
            train, val = context.needs_times()
            if apart(train, val):
                return []
            shared, which = self._shared(train, val)
        rows = np.flatnonzero(shared)
        if not len(rows):
            return []
        positions = val.positions()[rows]
        return [
            context.finding(
                self,
                "error",
                message=f"{len(rows):,} of {len(val):,} validation rows are train rows too, by {which}, the first is "
                f"row {positions[0]}",
                value=len(rows) / len(val),
                threshold=0.0,
                count=len(rows),
                examples=val.examples(positions),
                remedy="split so that no row is on both sides",
            )
        ]

    @staticmethod
    def _shared(train: Side, val: Side) -> tuple[NDArray[np.bool_], str]:
        before, after = (side.take(side.needs_time()) for side in (train, val))
        if train.asset is None or val.asset is None:
            if any(count_times(side) < len(side) for side in (train, val)):
                raise CannotRun("rows share a time, and nothing says whose they are: pass asset_train and asset_val")
            return np.isin(after, before), "time"
        times = distinct(before)
        place = np.searchsorted(times, after)
        there = place < len(times)
        there[there] = times[place[there]] == after[there]
        assets = int(max(train.asset.max(initial=0), val.asset.max(initial=0))) + 1
        keys = np.searchsorted(times, before) * assets + train.take(train.asset)
        found: NDArray[np.bool_] = there & np.isin(place * assets + val.take(val.asset), keys)
        return found, "asset and time"


@final
@dataclass(frozen=True)
class TimeOrder(Check):
    """split.time_order: train rows at or after the first validation row. Counts train rows. O(n).

    Purged k-fold and combinatorial plans lie so on purpose, and pass: ``split.label_overlap`` says whether they were
    purged. Beside arrays ``interleaved=True`` says that rows lie so.
    """

    id: ClassVar[str] = "split.time_order"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L3.1"
    suites: ClassVar[tuple[str, ...]] = ("leakage", "split")
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, val = context.needs_times()
        first = hull(val)[0]
        if context.declared.interleaved or hull(train)[1] < first:
            return []
        before = train.take(train.needs_time())
        rows = np.flatnonzero(before >= first)
        if not len(rows):
            return []
        positions = train.positions()[rows]
        return [
            context.finding(
                self,
                "error",
                message=f"{len(rows):,} of {len(before):,} train rows are at or after the first validation row "
                f"({format_time(first, train.time_unit)})",
                value=len(rows) / len(before),
                threshold=0.0,
                count=len(rows),
                examples=train.examples(positions),
                remedy="train on the past (WalkForward, PurgedSplit), or say interleaved=True of a purged k-fold",
            )
        ]


@final
@dataclass(frozen=True)
class SameTimestamp(Check):
    """split.same_timestamp: times that have rows on both sides, as where a cut by rows falls inside a date. Counts times.

    The rows of one time share the market, and most of what moves them. O(n log n).
    """

    id: ClassVar[str] = "split.same_timestamp"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L3.2"
    suites: ClassVar[tuple[str, ...]] = ("leakage", "split")
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, val = context.needs_times()
        shared = shared_times(train, val)
        if not len(shared):
            return []
        after = val.take(val.needs_time())
        examples = [int(np.argmax(after == time)) for time in shared[:MAX_EXAMPLES]]
        few = ", ".join(format_time(time, val.time_unit) for time in shared[:3])
        return [
            context.finding(
                self,
                "error",
                message=f"{len(shared):,} times have train and validation rows: {few}{' …' if len(shared) > 3 else ''}",
                value=len(shared) / count_times(val),
                threshold=0.0,
                count=len(shared),
                examples=val.examples(val.positions()[examples]),
                remedy="cut between times, not between rows: every splitter here does",
            )
        ]


@final
@dataclass(frozen=True)
class Embargo(Check):
    """split.embargo: train rows so soon after validation rows that their features look back into them. Counts train rows.

    Needs ``lookback``: how far back the longest feature looks, in timestamps or as a duration. A row counts that lies behind a
    validation block by no more than that. O(n log m).
    """

    id: ClassVar[str] = "split.embargo"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L3.2"
    suites: ClassVar[tuple[str, ...]] = ("split",)
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, val = context.needs_times()
        if hull(train)[1] <= hull(val)[0]:
            return []  # nothing is trained on after a validation row
        lookback = context.declared.lookback
        if lookback is None:
            raise CannotRun("how far features look back is not known: pass lookback=")
        lasts = _last_times(train, val)
        reach = _later(lasts, lookback, all_times(train, val), train.time_unit)
        total, train = len(train), rows_between(train, lasts, reach)
        before = train.take(train.needs_time())
        block = np.searchsorted(lasts, before, side="left") - 1  # the last block that ended before the row
        near = (block >= 0) & (before <= reach[np.maximum(block, 0)])
        rows = np.flatnonzero(near)
        if not len(rows):
            return []
        positions = train.positions()[rows]
        return [
            context.finding(
                self,
                "warning",
                message=f"{len(rows):,} train rows follow a validation block by no more than {lookback!r}, so that their "
                f"features look back into it, the first in row {positions[0]}",
                value=len(rows) / total,
                threshold=0.0,
                count=len(rows),
                examples=train.examples(positions),
                remedy="lay an embargo of that length behind each test block: embargo= of the splitters",
            )
        ]


def _last_times(train: Side, val: Side) -> Times:
    """The last time of each contiguous block of validation rows, ascending."""
    return np.sort(validation_blocks(train, replace(val, label_end=val.time))[1])


def _later(times: Times, lookback: Any, axis: Times, unit: str) -> Times:
    """Each time moved by a count of timestamps or by a duration."""
    if isinstance(lookback, int | np.integer):
        return axis[np.minimum(np.searchsorted(axis, times) + int(lookback), len(axis) - 1)]
    try:
        return add_duration(times, lookback, unit=unit, name="lookback")
    except ParameterError as error:
        raise CannotRun(f"lookback={lookback!r}: {error}") from error


@final
@dataclass(frozen=True)
class EntityOverlap(Check):
    """split.entity_overlap: assets with rows on both sides. Counts assets. Not run by default: walking forward it is normal.

    Name it to run it, where a model is to be judged on assets it has never seen: ``suite=["split.entity_overlap"]``.
    """

    id: ClassVar[str] = "split.entity_overlap"
    severity: ClassVar[Literal["info", "warning", "error"]] = "info"
    taxonomy: ClassVar[str | None] = "L3.2"
    suites: ClassVar[tuple[str, ...]] = ()
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True
    by_default: ClassVar[bool] = False

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.train
        if train.asset is None or val.asset is None:
            raise CannotRun("there are no assets: pass asset_train and asset_val")
        ours, theirs = np.unique(train.take(train.asset)), np.unique(val.take(val.asset))
        shared = np.intersect1d(ours, theirs)
        if not len(shared):
            return []
        name = [train.asset_names[code] if train.asset_names else str(code) for code in shared[:3].tolist()]
        return [
            context.finding(
                self,
                "info",
                message=f"{len(shared):,} of {len(theirs):,} validation assets are train assets too: "
                f"{', '.join(name)}{' …' if len(shared) > 3 else ''}",
                value=len(shared) / len(theirs),
                threshold=0.0,
                count=len(shared),
                remedy="to judge a model on assets it has not seen, split by assets",
            )
        ]
