"""Checks for rows that stand on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import MAX_EXAMPLES, CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.report import Finding, Severity

__all__ = ["CrossDuplicates", "NearDuplicates"]

Positions = NDArray[np.int64]


@final
@dataclass(frozen=True)
class CrossDuplicates(Check):
    """dup.cross_exact: validation rows whose features equal a train row's, every one of them. Counts validation rows.

    Found by a 64-bit hash of the row and verified value by value; −0.0 equals 0.0, NaN equals NaN. Low-cardinality
    features repeat honestly, so the count is held against chance: the share of train rows that have a twin within
    train, plus ``sigmas`` standard errors of the two shares. At or below that the finding is info; above it, error.
    Without any twin within train the rule of three bounds what chance may give, and a count within it is a warning.
    A validation row of which any train row is a copy down to asset and time (time alone where assets are not known) is
    one observation used twice: always an error, and listed first among the examples. Labels, assets and times are
    otherwise compared with the first train row that has the features.
    """

    sigmas: float = 4.0

    id: ClassVar[str] = "dup.cross_exact"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L1.4"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "pair"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.train
        if not train.columns:
            raise CannotRun("there are no features")
        val_rows, first = context.twins.cross(train, val)
        count = len(val_rows)
        if not count:
            return []
        twins = context.twins.within(train)
        expected, limit = chance_limit(count, len(val), twins, len(train), self.sigmas)
        one_observation, copies = same_observations(train, val, val_rows)
        train_rows = first.copy()
        train_rows[one_observation] = copies
        same_key = len(copies)
        severity: Severity = "error" if same_key or count > limit else ("info" if twins else "warning")
        facts = []
        if same_key:
            key = "time" if train.asset is None or val.asset is None else "asset and time"
            facts.append(f"{same_key:,} are the same {key}")
        agreements = ", ".join(f"{n:,} with the same {what}" for what, n in agreement(train, val, first, val_rows))
        if agreements:
            facts.append(f"held against the first train row of those features, {agreements}")
        facts.append(
            f"chance explains {expected:,.0f} (up to {limit:,.1f}): {twins:,} train rows have a twin within train"
        )
        shown = np.concatenate([one_observation, np.delete(np.arange(count), one_observation)])[:MAX_EXAMPLES]
        examples = tuple(
            val.example(int(v), other_source=train.name, other_row=int(t))
            for v, t in zip(val_rows[shown], train_rows[shown], strict=True)
        )
        return [
            context.finding(
                self,
                severity,
                message=f"{count:,} of {len(val):,} validation rows equal a train row in all {len(train.columns)} "
                f"features; {'; '.join(facts)}",
                value=count / len(val),
                threshold=limit / len(val),
                count=count,
                examples=examples,
                remedy="remove the repeated rows from train before fitting, and look for where rows are copied: joins, "
                "oversampling before the split, a file read twice",
            )
        ]


@final
@dataclass(frozen=True)
class NearDuplicates(Check):
    """dup.cross_near: validation rows that equal a train row but for rounding, in every feature. Counts them.

    Features are compared on two grids, offset by half a step of ``epsilon`` interquartile ranges, and as float32: rows
    that share a cell in all columns are no further apart than a step in any, and the float32 values of a row that took
    a detour through single precision are the same. Rows that are exactly equal are ``dup.cross_exact``'s. A twin that
    is off by a share s of a step straddles a border of one grid with a chance of about k·s over k columns, of both with
    its square. Held against chance as ``dup.cross_exact`` is: within it info, else warning.
    """

    epsilon: float = 1e-6
    sigmas: float = 4.0

    id: ClassVar[str] = "dup.cross_near"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L1.4"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "pair"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.needs_features()
        val_rows, train_rows = context.twins.near(train, val, self.epsilon)
        count = len(val_rows)
        if not count:
            return []
        twins = context.twins.near_within(train, self.epsilon)
        expected, limit = chance_limit(count, len(val), twins, len(train), self.sigmas)
        examples = tuple(
            val.example(int(v), other_source=train.name, other_row=int(t))
            for v, t in zip(val_rows[:MAX_EXAMPLES], train_rows[:MAX_EXAMPLES], strict=True)
        )
        return [
            context.finding(
                self,
                "warning" if count > limit else "info",
                message=f"{count:,} of {len(val):,} validation rows equal a train row in all {len(train.columns)} "
                f"features but for rounding (to {self.epsilon:g} of the interquartile range, or to float32); chance "
                f"explains {expected:,.0f} (up to {limit:,.1f}): {twins:,} train rows have such a twin within train",
                value=count / len(val),
                threshold=limit / len(val),
                count=count,
                examples=examples,
                remedy="remove the repeated rows from train before fitting; look for a file that was saved in another "
                "precision, or joined with itself",
            )
        ]


def chance_limit(count: int, n_val: int, twins: int, n_train: int, sigmas: float) -> tuple[float, float]:
    """Return how many validation rows with a twin chance explains, and how many it may by bad luck.

    Both shares are estimates, so their errors add. With no twin in n train rows the 95 % bound on the share is 3/n.
    """
    if twins == 0:
        return 0.0, 3.0 * n_val / n_train
    expected = n_val * twins / n_train
    pooled = (count + twins) / (n_val + n_train)
    return expected, expected + sigmas * sqrt(n_val * pooled * (1 - pooled) * (1 + n_val / n_train))


def agreement(train: Side, val: Side, train_rows: Positions, val_rows: Positions) -> Iterator[tuple[str, int]]:
    """Count in how many pairs the labels, assets and times agree, where both sides know them."""
    for name, left, right in (
        ("label", train.y, val.y),
        ("asset", train.asset, val.asset),
        ("time", train.time, val.time),
    ):
        if left is None or right is None:
            continue
        a, b = left[train_rows], right[val_rows]
        equal = a == b
        if a.dtype.kind == "f" and b.dtype.kind == "f":
            equal |= np.isnan(a) & np.isnan(b)
        yield name, int(equal.sum())


def same_observations(train: Side, val: Side, val_rows: Positions) -> tuple[Positions, Positions]:
    """Which of some validation rows stand in train too: same time, same asset where known, same features.

    Returns indices into ``val_rows``, ascending, and the train row of each. Any train row counts, not only the first
    with those features: only train rows that share a time with one of ``val_rows`` are copied and compared.
    """
    if train.time is None or val.time is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    times = np.unique(val.time[val_rows])
    ours = train.take(train.time)
    at = np.minimum(np.searchsorted(times, ours), len(times) - 1)
    train_rows = train.positions()[times[at] == ours]
    if not len(train_rows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    left, right = list(train.columns.values()), list(val.columns.values())
    keys = [(train.time, val.time)]
    if train.asset is not None and val.asset is not None:
        keys.append((train.asset, val.asset))
    left += [key for key, _ in keys]
    right += [key for _, key in keys]
    found, copies = _core.cross_duplicates(
        [np.ascontiguousarray(column[train_rows]) for column in left],
        [np.ascontiguousarray(column[val_rows]) for column in right],
    )
    return found.astype(np.int64), train_rows[copies]
