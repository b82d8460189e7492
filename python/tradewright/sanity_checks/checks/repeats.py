"""Checks for rows that repeat within one set of rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import MAX_EXAMPLES, CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.readings.series import series_of
from tradewright.sanity_checks.report import Finding, Severity

__all__ = ["ConflictingLabels", "RepeatedKeys", "StaleRows", "WithinDuplicates"]

Positions = NDArray[np.int64]

#: Rows from which the chance of a repeat is estimated.
SAMPLE = 20_000


@final
@dataclass(frozen=True)
class WithinDuplicates(Check):
    """dup.within: rows that equal another row in every feature. Counts such rows; rows without any value aside.

    Held against the share that chance gives if columns were independent. Where no feature takes more than 64 values,
    rows repeat honestly, and columns are seldom independent: then the finding is info at most.
    """

    info: float = 0.001
    warning: float = 0.05

    id: ClassVar[str] = "dup.within"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L1.4"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train = context.needs_features()
        rows, groups = known_groups(context)
        share = len(rows) / len(train)
        if share <= self.info:
            return []
        chance = chance_share(train)
        severity = severity_beyond(context, share - chance, self.info, self.warning)
        if severity is None:
            return []
        first = {int(group): int(row) for row, group in zip(rows[::-1], groups[::-1], strict=True)}
        later = [(int(r), int(g)) for r, g in zip(rows, groups, strict=True) if first[int(g)] != r][:MAX_EXAMPLES]
        return [
            context.finding(
                self,
                severity,
                message=f"{len(rows):,} of {len(train):,} rows equal another row in all {len(train.columns)} features; "
                f"chance explains {chance * len(train):,.0f}",
                value=share,
                threshold=chance + (self.warning if severity == "warning" else self.info),
                count=len(rows),
                examples=tuple(
                    train.example(row, other_source=train.name, other_row=first[group]) for row, group in later
                ),
                remedy="look for a file read twice, a join that multiplies rows, or features filled forward; repeated "
                "rows weigh more in the fit, and end on both sides of a split",
            )
        ]


@final
@dataclass(frozen=True)
class ConflictingLabels(Check):
    """dup.conflict: rows with the features of another row and another label. Counts such rows.

    No model can tell them apart. Held against the share of repeated rows that chance gives, as ``dup.within`` is.
    """

    warning: float = 0.01

    id: ClassVar[str] = "dup.conflict"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train = context.needs_features()
        if train.y is None:
            raise CannotRun("there are no labels: pass y_train")
        rows, groups = known_groups(context)
        y = train.y[rows]
        known = ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), dtype=bool)
        rows, groups, y = rows[known], groups[known], y[known]
        if not len(rows):
            return []
        _, place = np.unique(groups, return_inverse=True)
        order = np.argsort(place, kind="stable")
        heads = np.flatnonzero(np.diff(place[order], prepend=-1))
        differ = np.maximum.reduceat(y[order], heads) > np.minimum.reduceat(y[order], heads)
        torn = differ[place]
        count = int(torn.sum())
        if not count:
            return []
        share = count / len(train)
        chance = chance_share(train)
        severity = severity_beyond(context, share - chance, 0.0, self.warning) or "info"
        return [
            context.finding(
                self,
                severity,
                message=f"{count:,} of {len(train):,} rows have the features of another row and another label, in "
                f"{int(differ.sum()):,} groups; chance explains {chance * len(train):,.0f} rows with equal features",
                value=share,
                threshold=chance + self.warning,
                count=count,
                examples=train.examples(rows[torn]),
                remedy="find out which label is right, or which feature is missing that tells these rows apart",
            )
        ]


@final
@dataclass(frozen=True)
class RepeatedKeys(Check):
    """dup.key: more than one row of an asset at one time, within and across the sides. Counts the surplus rows."""

    id: ClassVar[str] = "dup.key"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L1.4"
    suites: ClassVar[tuple[str, ...]] = ("leakage", "quality")
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        sides = [side for side in (context.train, context.val) if side is not None and side.time is not None]
        if not sides:
            raise CannotRun("there are no times: pass time_train and time_val, or a DatetimeIndex")
        known = all(side.asset is not None for side in sides)
        times = np.concatenate([side.take(side.time) for side in sides if side.time is not None])
        keys = [np.ascontiguousarray(times)]
        if known:
            assets = [side.take(side.asset) for side in sides if side.asset is not None]
            keys.append(np.concatenate(assets).astype(np.int64))
        rows, first = _core.duplicate_rows(keys)
        surplus = rows != first
        count = int(surplus.sum())
        if not count:
            return []
        if not known:
            raise CannotRun(
                f"{count:,} rows share their time with an earlier row, and whose rows they are is not known: pass "
                "asset_train and asset_val"
            )
        examples = []
        for row, other in zip(rows[surplus][:MAX_EXAMPLES], first[surplus][:MAX_EXAMPLES], strict=True):
            (side, position), (other_side, other_position) = _place(sides, int(row)), _place(sides, int(other))
            examples.append(side.example(position, other_source=other_side.name, other_row=other_position))
        return [
            context.finding(
                self,
                "error",
                message=f"{count:,} rows have the asset and time of an earlier row, the first: {examples[0]}",
                value=count / len(times),
                threshold=0.0,
                count=count,
                examples=tuple(examples),
                remedy="keep one row per asset and time; look for files read twice, vendors merged, or revisions of "
                "one bar",
            )
        ]


@final
@dataclass(frozen=True)
class StaleRows(Check):
    """dup.stale: rows that equal the same asset's row before them in every feature. Counts them.

    Rows without any value are left out, and so is data in which no feature takes more than 64 values, where a row
    stays as it is for honest reasons. One pass over the first column, and over the others where all before agree.
    """

    warning: float = 0.05

    id: ClassVar[str] = "dup.stale"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train = context.needs_features()
        profile = context.profiles.of(train)
        if profile.few.all():
            raise CannotRun("every feature takes few values: rows stay the same for honest reasons")
        columns = [train.take(train.columns[profile.names[j]]) for j in np.argsort(-profile.distinct, kind="stable")]
        stale = _core.repeated_rows(columns, series_of(train).previous()).astype(np.int64)
        stale = stale[_has_value(columns, stale)]
        share = len(stale) / len(train)
        if share <= self.warning:
            return []
        return [
            context.finding(
                self,
                "warning",
                message=f"{len(stale):,} of {len(train):,} rows ({share:.0%}) equal the row before them in all "
                f"{len(columns)} features",
                value=share,
                threshold=self.warning,
                count=len(stale),
                examples=train.examples(train.positions()[stale]),
                remedy="drop the rows of days without trading instead of filling them forward; look for a feed that "
                "stood still",
            )
        ]


def _place(sides: list[Side], row: int) -> tuple[Side, int]:
    """The side and the caller's position of a row of all sides, one behind the other."""
    for side in sides:
        if row < len(side):
            return side, int(side.positions()[row])
        row -= len(side)
    raise IndexError(row)


def _has_value(columns: list[NDArray[np.generic]], rows: Positions) -> NDArray[np.bool_]:
    """Whether each of some rows has a value in any column."""
    found = np.zeros(len(rows), dtype=bool)
    for column in columns:
        if found.all():
            break
        values = column[rows]
        found |= ~np.isnan(values) if values.dtype.kind == "f" else True
    return found


def known_groups(context: CheckContext, *, single: bool = False) -> tuple[Positions, Positions]:
    """Positions of the rows that equal another row, and their groups; without rows that hold no value at all.

    With ``single`` values are compared in single precision.
    """
    train = context.train
    rows, groups = context.twins.single(train) if single else context.twins.groups(train)
    names, place = np.unique(groups, return_inverse=True)
    real = _has_value(list(train.columns.values()), names)[place] if len(rows) else np.empty(0, dtype=bool)
    return rows[real], groups[real]


def chance_share(side: Side) -> float:
    """The share of rows that equal another row if the columns were independent.

    Two rows agree in a column with the chance that two cells of it, drawn at random, are equal; in all with the product.
    """
    n = len(side)
    both = 1.0
    for values in side.columns.values():
        column = side.take(values)
        cells = np.sort(column[:: max(1, n // SAMPLE)])
        if cells.dtype.kind == "f":  # every NaN is one value; they are sorted to the end
            cells = np.nan_to_num(cells, nan=np.inf)
        counts = np.diff(np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1], [True]])))
        both *= float((counts * (counts - 1)).sum()) / max(len(cells) * (len(cells) - 1), 1)
        if both == 0.0:
            return 0.0
    return 1.0 - exp(-(n - 1) * both)


def severity_beyond(context: CheckContext, excess: float, info: float, warning: float) -> Severity | None:
    """How bad it is that more rows repeat than chance explains; at most info where every feature has few values."""
    few = bool(context.profiles.of(context.train).few.all())
    if excess > warning:
        return "info" if few else "warning"
    return "info" if excess > info else None
