"""Checks of what the feature columns hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import Check, CheckContext, Side
from tradewright.sanity_checks.readings.profiles import MANY
from tradewright.sanity_checks.readings.series import series_of
from tradewright.sanity_checks.report import Finding, Severity

__all__ = [
    "BadScales",
    "ConstantFeatures",
    "DuplicateColumns",
    "InfiniteFeatures",
    "MissingFeatures",
    "QuasiConstantFeatures",
    "SentinelValues",
]

#: Numbers that files write where a value is missing.
SENTINELS = (-999.0, -9999.0, -99999.0, -999999.0, 999.0, 9999.0, 99999.0, 999999.0, 1e9, -1e9, 1e10, -1e10, 1e30)


def column_of(side: Side, name: str) -> NDArray[Any]:
    """One feature of a side."""
    return side.take(side.columns[name])


@final
@dataclass(frozen=True)
class MissingFeatures(Check):
    """feature.nan: columns with many NaN, leading warm-up aside. Counts rows; a finding per column.

    A moving average has no value on its first bars, and that is honest: the leading run of NaN of each asset, in time
    order, is left out of both counts, unless it covers more than ``max_warmup`` of the asset's rows or all of them.
    """

    info: float = 0.05
    warning: float = 0.20
    error: float = 0.50
    max_warmup: float = 0.50

    id: ClassVar[str] = "feature.nan"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        sizes = profile.asset_rows
        findings = []
        for j in np.flatnonzero(profile.total.nan > self.info * len(train)):
            name = profile.names[j]
            lead = profile.lead[j].astype(np.int64)
            lead[(lead == sizes) | (lead > self.max_warmup * sizes)] = 0
            warmup = int(lead.sum())
            count, rows = int(profile.total.nan[j]) - warmup, len(train) - warmup
            share = count / rows
            passed = [(severity, limit) for severity, limit in self._limits() if share > limit]
            if not passed:
                continue
            severity, limit = passed[-1]
            aside = f", {warmup:,} leading rows aside" if warmup else ""
            missing = np.isnan(column_of(train, name))
            if warmup:
                missing &= ~series_of(train).warmup(missing, self.max_warmup)
            findings.append(
                context.finding(
                    self,
                    severity,
                    columns=(name,),
                    message=f"{name!r} is NaN in {count:,} of {rows:,} rows ({share:.0%}{aside})",
                    value=share,
                    threshold=limit,
                    count=count,
                    examples=train.examples(train.positions()[np.flatnonzero(missing)]),
                    remedy="find out why it is missing, or drop the column; what fills the gaps is learned too",
                )
            )
        return findings

    def _limits(self) -> tuple[tuple[Severity, float], ...]:
        return (("info", self.info), ("warning", self.warning), ("error", self.error))


@final
@dataclass(frozen=True)
class InfiniteFeatures(Check):
    """feature.inf: columns with infinite values. Counts cells; a finding per column."""

    id: ClassVar[str] = "feature.inf"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        findings = []
        for j in np.flatnonzero(profile.total.infinite):
            name, count = profile.names[j], int(profile.total.infinite[j])
            rows = train.positions()[np.flatnonzero(np.isinf(column_of(train, name)))]
            findings.append(
                context.finding(
                    self,
                    "error",
                    columns=(name,),
                    message=f"{name!r} is infinite in {count:,} of {len(train):,} rows, the first in row {rows[0]}",
                    value=count / len(train),
                    threshold=0.0,
                    count=count,
                    examples=train.examples(rows),
                    remedy="look for a division by zero or the logarithm of 0, and leave the cell missing there",
                )
            )
        return findings


@final
@dataclass(frozen=True)
class ConstantFeatures(Check):
    """feature.constant: columns with one value, or none. Counts rows; a finding per column."""

    id: ClassVar[str] = "feature.constant"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        findings = []
        for j in np.flatnonzero(profile.distinct <= 1):
            name = profile.names[j]
            known = int(profile.total.rows[j] - profile.total.nan[j])
            what = f"is {profile.top_value[j]:g} in all {known:,} rows that have a value" if known else "has no value"
            findings.append(
                context.finding(
                    self,
                    "error",
                    columns=(name,),
                    message=f"{name!r} {what}",
                    value=1.0,
                    threshold=2.0,
                    count=known or len(train),
                    examples=train.examples(train.positions()[:3]),
                    remedy="drop the column: there is nothing to learn from it",
                )
            )
        return findings


@final
@dataclass(frozen=True)
class QuasiConstantFeatures(Check):
    """feature.quasi_constant: one value fills nearly all of a column. Counts rows with it; a finding per column."""

    share: float = 0.999

    id: ClassVar[str] = "feature.quasi_constant"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        findings = []
        known = profile.total.rows - profile.total.nan
        for j in np.flatnonzero((profile.distinct > 1) & (profile.top_count > 0.5 * known)):
            name, value = profile.names[j], profile.top_value[j]
            count = int(profile.top_count[j])
            if profile.distinct[j] == MANY:  # a candidate: its count falls short of the truth
                count = int((column_of(train, name) == value).sum())
            share = count / int(known[j])
            if share < self.share:
                continue
            column = column_of(train, name)
            others = np.flatnonzero((column != value) & (column == column))
            findings.append(
                context.finding(
                    self,
                    "warning",
                    columns=(name,),
                    message=f"{name!r} is {value:g} in {count:,} of {int(known[j]):,} rows that have a value "
                    f"({share:.2%})",
                    value=share,
                    threshold=self.share,
                    count=count,
                    examples=train.examples(train.positions()[others]),
                    remedy="drop the column, or keep it only if its rare values (the examples) mean something",
                )
            )
        return findings


@final
@dataclass(frozen=True)
class DuplicateColumns(Check):
    """feature.duplicate_column: columns with equal values in all rows. Counts rows; a finding per set of columns.

    Found by a 64-bit hash of the column and verified value by value; NaN equals NaN, −0.0 equals 0.0, and an integer
    column equals a floating one with the same numbers. Constant columns are ``feature.constant``'s.
    """

    id: ClassVar[str] = "feature.duplicate_column"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        sets: dict[int, list[int]] = {}
        for j in np.flatnonzero(profile.distinct > 1):
            sets.setdefault(int(profile.hash[j]), []).append(int(j))
        findings = []
        for alike in sets.values():
            while len(alike) > 1:
                first = column_of(train, profile.names[alike[0]])
                equal = [j for j in alike[1:] if _same(first, column_of(train, profile.names[j]))]
                if equal:
                    names = tuple(profile.names[j] for j in (alike[0], *equal))
                    findings.append(self._finding(context, train, names))
                alike = [j for j in alike[1:] if j not in equal]
        return findings

    def _finding(self, context: CheckContext, train: Side, names: tuple[str, ...]) -> Finding:
        shown = " and ".join(map(repr, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        return context.finding(
            self,
            "error",
            columns=names,
            message=f"{shown} are equal in all {len(train):,} rows",
            value=1.0,
            threshold=1.0,
            count=len(train),
            examples=train.examples(train.positions()[:3]),
            remedy="keep one of them; a linear model cannot tell them apart, and importances are shared out at random",
        )


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    equal = a == b
    if a.dtype.kind == "f" and b.dtype.kind == "f":
        equal |= np.isnan(a) & np.isnan(b)
    return bool(equal.all())


@final
@dataclass(frozen=True)
class SentinelValues(Check):
    """feature.sentinel: numbers that stand for a missing value, such as −999, 1e9 or a spike of zeros. Counts rows.

    A number of the usual list counts when it is the least or the largest of the column, at least twice there, and
    further from the rest than the rest is wide. Zeros count where they fill ``zeros`` of a column that otherwise takes
    ever new values, and are at least ``least``.
    """

    zeros: float = 0.10
    least: float = 20

    id: ClassVar[str] = "feature.sentinel"
    severity: ClassVar[Literal["info", "warning", "error"]] = "info"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        total = profile.total
        edges = np.isin(total.min, SENTINELS) | np.isin(total.max, SENTINELS)
        findings = []
        for j in np.flatnonzero(edges & (profile.distinct > 2)):
            column = column_of(train, profile.names[j])
            marks = np.isin(column, SENTINELS)
            rest = column[~marks & np.isfinite(column)]
            if not len(rest):
                continue
            low, high = float(rest.min()), float(rest.max())
            away = marks & ((column < low - (high - low)) | (column > high + (high - low)))
            if away.sum() >= 2:
                findings.append(self._finding(context, train, profile.names[j], column, away, low, high))
        share = total.zeros / np.maximum(total.finite, 1)
        for j in np.flatnonzero((total.zeros >= self.least) & (share >= self.zeros) & (share < 1.0) & ~profile.few):
            column = column_of(train, profile.names[j])
            findings.append(
                self._finding(context, train, profile.names[j], column, column == 0, total.min[j], total.max[j])
            )
        return findings

    def _finding(
        self,
        context: CheckContext,
        train: Side,
        name: str,
        column: NDArray[Any],
        marks: NDArray[np.bool_],
        low: float,
        high: float,
    ) -> Finding:
        rows = np.flatnonzero(marks)
        values = ", ".join(f"{value:g}" for value in np.unique(column[rows])[:3])
        return context.finding(
            self,
            "info",
            columns=(name,),
            message=f"{name!r} is {values} in {len(rows):,} of {len(train):,} rows, where its other values lie from "
            f"{low:g} to {high:g}: does that stand for a missing value?",
            value=len(rows) / len(train),
            threshold=self.zeros if values == "0" else 0.0,
            count=len(rows),
            examples=train.examples(train.positions()[rows]),
            remedy="if it does, make it NaN, so that no model takes it for a number",
        )


@final
@dataclass(frozen=True)
class BadScales(Check):
    """feature.scale: columns so far apart in size, or so far from zero, that digits are lost. Counts columns.

    Across columns by the ratio of deviations; in float32 columns by mean over deviation, where less than seven digits
    are left for what varies.
    """

    ratio: float = 1e6
    offset: float = 1e5

    id: ClassVar[str] = "feature.scale"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        std = profile.total.std()
        varies = (profile.distinct > 1) & (std > 0) & np.isfinite(std)
        findings = []
        if varies.any():
            least, most = (int(np.flatnonzero(varies)[pick(std[varies])]) for pick in (np.argmin, np.argmax))
            ratio = float(std[most] / std[least])
            if ratio > self.ratio:
                small, large = profile.names[least], profile.names[most]
                findings.append(
                    context.finding(
                        self,
                        "warning",
                        columns=(small, large),
                        message=f"{large!r} deviates {ratio:.1e} times as much as {small!r} "
                        f"({std[most]:.3g} against {std[least]:.3g})",
                        value=ratio,
                        threshold=self.ratio,
                        count=2,
                        remedy="scale the features within the fold; distances, penalties and gradients see only the "
                        "large one. Look for a column in other units",
                    )
                )
        for j in np.flatnonzero(varies):
            name = profile.names[j]
            offset = abs(float(profile.total.mean[j])) / float(std[j])
            if offset > self.offset and train.columns[name].dtype == np.float32:
                findings.append(
                    context.finding(
                        self,
                        "warning",
                        columns=(name,),
                        message=f"{name!r} lies {offset:.1e} deviations from zero (mean {profile.total.mean[j]:.6g}, "
                        f"deviation {std[j]:.3g}): float32 keeps seven digits",
                        value=offset,
                        threshold=self.offset,
                        count=1,
                        remedy="subtract its origin in float64 before it becomes float32",
                    )
                )
        return findings
