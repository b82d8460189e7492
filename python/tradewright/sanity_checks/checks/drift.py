"""Checks of whether features are distributed in validation rows as in train rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import exp, log, sqrt
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.readings.fold_samples import drifts_of, sample_size
from tradewright.sanity_checks.readings.fold_series import changes_of, lag_one_of
from tradewright.sanity_checks.readings.rank_sample import chosen_rows, sampled_note
from tradewright.sanity_checks.readings.series import SIGMAS, SPREAD_ERROR, WANDERS, series_of, worth_of
from tradewright.sanity_checks.readings.side_times import hull
from tradewright.sanity_checks.report import Finding, Severity

__all__ = ["FeatureDrift", "MissingRateDrift"]

#: The 5 % point of Kolmogorov's distribution.
KOLMOGOROV = 1.36
#: Columns of a row of the kernel's table.
DISTANCE, STABILITY, TRAIN, VAL = 0, 1, slice(2, 8), slice(8, 14)


@dataclass(frozen=True)
class _Place:
    """Where the values of a column lie on one side."""

    known: int
    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float

    @property
    def spread(self) -> float:
        """The interquartile range."""
        return self.three_quarters - self.quarter


@final
@dataclass(frozen=True)
class FeatureDrift(Check):
    """drift.univariate: features distributed otherwise in validation rows. Counts validation rows; a finding per feature.

    A warning needs a Kolmogorov-Smirnov distance above ``distance`` or a stability index (PSI, tenths of train) above
    ``stability``, and a distance four times what chance gives for so many independent dates. An error needs what only a
    change of units gives: ``scale`` times the interquartile range, a median moved by more than ``scale`` of them, or
    ranges that share no value. No distance can tell a unit error from a volatility regime: ×100 gives 0.50, ×1.6 gives
    0.59. What wanders like a price is judged by its changes.

    Above 200,000 rows a side, a seeded sample of as many is taken, and the finding says so. The folds of a plan share a
    sample of 20,000 rows of the panel, as many of each block that no fold cuts, or of many blocks 1,000 each: the error
    of a distance is then about 0.01. O(n log n) a feature, sorted once for all folds.
    """

    distance: float = 0.2
    stability: float = 0.25
    scale: float = 10.0

    id: ClassVar[str] = "drift.univariate"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L3.3"
    suites: ClassVar[tuple[str, ...]] = ("drift",)
    scope: ClassVar[Literal["rows", "pair"]] = "pair"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.train
        if not train.columns or not val.columns:
            raise CannotRun("there are no features on one side")
        names = list(train.columns)
        table = _drifts(train, val)
        suspects = np.flatnonzero(self._suspects(table)).tolist()
        rhos = _resemblances(train, [names[j] for j in suspects])
        findings = [self._judge(context, names[j], table[j], rho) for j, rho in zip(suspects, rhos, strict=True)]
        return [finding for finding in findings if finding is not None]

    def _suspects(self, table: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether a feature may have drifted, whatever its noise."""
        before, after = table[:, TRAIN], table[:, VAL]
        spread, later = before[:, 4] - before[:, 2], after[:, 4] - after[:, 2]
        ratio = np.where(spread > 0, later / spread, 1.0)
        ratio = np.where(ratio > 0, ratio, 1.0)
        moved = np.where(spread > 0, np.abs(after[:, 3] - before[:, 3]) / spread, 0.0)
        limit = exp(log(self.scale))
        units = (np.maximum(ratio, 1 / ratio) >= limit) | (moved > limit)
        apart = (table[:, DISTANCE] > self.distance) | (table[:, STABILITY] > self.stability)
        return (np.minimum(before[:, 0], after[:, 0]) >= 8) & (units | apart)

    def _unit_changes(self, before: _Place, after: _Place, noise: float) -> list[tuple[str, bool, float]]:
        """What only a change of units gives: in words, whether it is there, and how large it is."""
        ratio = after.spread / before.spread if before.spread > 0 else 1.0
        ratio = ratio if ratio > 0.0 else 1.0
        moved = abs(after.median - before.median) / before.spread if before.spread > 0 else 0.0
        limit = exp(log(self.scale) + noise)
        return [
            (
                f"the interquartile range is {before.spread:.4g} in train and {after.spread:.4g} in validation rows",
                max(ratio, 1 / ratio) >= limit,
                max(ratio, 1 / ratio),
            ),
            (
                f"the median moved from {before.median:.4g} to {after.median:.4g}, {moved:.3g} interquartile ranges",
                moved > limit,
                moved,
            ),
        ]

    def _judge(self, context: CheckContext, name: str, row: NDArray[np.float64], rho: float) -> Finding | None:
        train, val = context.train, context.needs_val()
        how = ""
        if rho > WANDERS:  # where it stands later is no drift, how it moves may be
            row, rho = _drift_of_changes(train, val, name)
            how = "the changes of "
            if not self._suspects(row[None])[0]:
                return None
        before, after = _Place(*row[TRAIN].tolist()), _Place(*row[VAL].tolist())
        worths = [worth_of(side, place.known, rho) for side, place in ((train, before), (val, after))]
        error = sqrt(1 / worths[0] + 1 / worths[1])
        chance = KOLMOGOROV * SIGMAS * error
        distance, stability = float(row[DISTANCE]), float(row[STABILITY])
        units = [
            (text, value)
            for text, passed, value in self._unit_changes(before, after, SIGMAS * SPREAD_ERROR * error)
            if passed
        ]
        apart = before.high < after.low or after.high < before.low
        if distance > chance and apart:
            units.append(
                (
                    f"no value of [{after.low:.4g}, {after.high:.4g}] occurs in [{before.low:.4g}, {before.high:.4g}]",
                    distance,
                )
            )
        drifted = (distance > self.distance or stability > self.stability) and distance > chance
        if not units and not drifted:
            return None
        severity: Severity = "error" if units else "warning"
        text = (
            units[0][0]
            if units
            else f"the distributions are {distance:.2f} apart (KS), with a stability index of {stability:.2f}"
        )
        return context.finding(
            self,
            severity,
            columns=(name,),
            message=f"{how}{name!r}: {text}{_note(train, val)}",
            value=units[0][1] if units else distance,
            threshold=self.scale if units and "no value" not in text else max(self.distance, min(chance, 1.0)),
            count=len(val),
            remedy="check its units and source on either side"
            if units
            else "expect the model to meet what it has not learned; scale by what is known at the time, or drop it",
        )

    def samples(self, context: CheckContext) -> bool:
        """See the base class."""
        return context.val is not None and _note(context.train, context.val) != ""


def _drifts(train: Side, val: Side) -> NDArray[np.float64]:
    """The table of the kernel for all features."""
    if train.blocks is not None:
        return drifts_of(train, val, "features", lambda: list(train.columns.values()))
    before, after = (list(side.columns.values()) for side in (train, val))
    return _core.drifts(before, after, chosen_rows(len(train)), chosen_rows(len(val)))


def _resemblances(train: Side, names: Sequence[str]) -> list[float]:
    """The autocorrelations of some features over the train rows."""
    if train.blocks is not None:
        return [lag_one_of(train, ("feature", name), partial(train.columns.__getitem__, name)) for name in names]
    found: list[float] = series_of(train).lag_one([train.columns[name] for name in names]).tolist()
    return found


def _drift_of_changes(train: Side, val: Side, name: str) -> tuple[NDArray[np.float64], float]:
    """The row of the kernel's table for what a feature changes by, and the autocorrelation of its changes in train."""
    if train.blocks is not None:
        changes = cache(lambda: changes_of(train, train.columns[name]))
        row = drifts_of(train, val, ("changes", name), lambda: [changes()])[0]
        return row, lag_one_of(train, ("changes", name), changes)
    before, after = (series_of(side).changes(side.columns[name]) for side in (train, val))
    row = _core.drifts([before], [after], *(chosen_rows(len(values)) for values in (before, after)))[0]
    return row, float(_core.autocorrelations([before], None, series_of(train).starts)[0])


def _note(train: Side, val: Side) -> str:
    """Say that distributions are from a sample, where they are."""
    if train.blocks is not None:
        return sampled_note(int(train.blocks.borders[-1]), sample_size(train))
    return sampled_note(max(len(train), len(val)))


@final
@dataclass(frozen=True)
class MissingRateDrift(Check):
    """drift.nan_rate: features missing more, or less, often in validation rows. Counts missing validation cells.

    The leading missing rows of each asset are warm-up, and left out on either side. The difference must exceed the
    threshold by four standard errors of independent dates. Counted with the profile of the columns; only suspects are
    looked at closer.
    """

    warning: float = 0.10
    max_warmup: float = 0.50

    id: ClassVar[str] = "drift.nan_rate"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L3.3"
    suites: ClassVar[tuple[str, ...]] = ("drift",)
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.train
        if not train.columns or not val.columns:
            raise CannotRun("there are no features on one side")
        names = list(train.columns)
        rates = [context.profiles.missing(side) / len(side) for side in (train, val)]
        first = _begins_first(train, val)
        findings = []
        for j in np.flatnonzero(np.abs(rates[1] - rates[0]) > self.warning).tolist():
            name = names[j]
            gaps = [self._gaps(side, name, side is first) for side in (train, val)]
            shares = [gap.mean() if len(gap) else 0.0 for gap in gaps]
            change = float(shares[1] - shares[0])
            rho = lag_one_of(train, ("gaps", name), partial(_gaps_of, train, name))
            worths = [worth_of(side, len(gap), rho) for side, gap in zip((train, val), gaps, strict=True)]
            share = (shares[0] * worths[0] + shares[1] * worths[1]) / sum(worths)
            limit = self.warning + SIGMAS * sqrt(max(share * (1 - share), 0.0) * (1 / worths[0] + 1 / worths[1]))
            if abs(change) <= limit:
                continue
            missing = int(gaps[1].sum())
            rows = np.flatnonzero(np.isnan(val.take(val.columns[name])))
            findings.append(
                context.finding(
                    self,
                    "warning",
                    columns=(name,),
                    message=f"{name!r} is missing in {shares[0]:.1%} of the train and {shares[1]:.1%} of the validation rows",
                    value=abs(change),
                    threshold=limit,
                    count=missing,
                    examples=val.examples(val.positions()[rows]),
                    remedy="find out why its source changed; a model learns what fills the gaps",
                )
            )
        return findings

    def _gaps(self, side: Side, name: str, begins: bool) -> NDArray[np.bool_]:
        """Whether each cell behind the warm-up of its asset is missing, in the order of the walk."""
        series = series_of(side)
        missing = series.walk(np.isnan(side.columns[name]))
        stops = np.append(series.starts[1:], series.length)
        keep = np.ones(len(missing), dtype=bool)
        for start, stop in zip(series.starts.tolist(), stops.tolist(), strict=True):
            known = np.flatnonzero(~missing[start:stop])
            lead = int(known[0]) if len(known) else stop - start
            # Where a side begins the history, warm-up may fill all of it.
            if begins or (len(known) and lead <= self.max_warmup * (stop - start)):
                keep[start : start + lead] = False
        return missing[keep]


def _gaps_of(side: Side, name: str) -> NDArray[np.uint8]:
    """1 where a feature is missing, over the rows of the source."""
    gaps: NDArray[np.bool_] = np.isnan(side.columns[name])
    return gaps.view(np.uint8)


def _begins_first(train: Side, val: Side) -> Side:
    """The side that holds the beginning of the history; train where times are not known."""
    if train.time is None or val.time is None:
        return train
    return val if hull(val)[0] < hull(train)[0] else train
