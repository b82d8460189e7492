"""Checks of how the labels change over time, and between train and validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any, ClassVar, Literal, final

import numpy as np

from tradewright.sanity_checks.base import Check, CheckContext
from tradewright.sanity_checks.checks.target_shape import finite_labels
from tradewright.sanity_checks.readings.label_sides import LabelSides
from tradewright.sanity_checks.readings.series import SIGMAS, SPREAD_ERROR, horizon_bars, known_labels, series_of
from tradewright.sanity_checks.report import Finding

__all__ = ["AutocorrelatedTarget", "ShiftedTarget"]


@final
@dataclass(frozen=True)
class ShiftedTarget(Check):
    """target.shift: labels that are distributed differently in train and validation rows. Counts validation labels.

    Of two classes the base rates are compared, in standard errors; of quantities the interquartile ranges. Both are held
    against the number of independent rows on either side, so that a volatility regime or a short validation block is
    no finding. A class that one side lacks, though ten of it were to be expected, is an error. O(n), once for all folds
    of a plan (O(n log n) for quantities).
    """

    sigmas: float = SIGMAS
    warning: float = 3.0
    error: float = 10.0
    expected: float = 10.0

    id: ClassVar[str] = "target.shift"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L3.3"
    suites: ClassVar[tuple[str, ...]] = ("drift",)
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        labels = LabelSides.of(context.train, context.needs_val())
        if labels is None:
            return []
        if labels.classes is None:
            return self._spread(context, labels)
        findings = [
            finding
            for label, counts in zip(labels.classes, labels.counts.T.tolist(), strict=True)
            if (finding := self._absent(context, label, counts, labels)) is not None
        ]
        there = labels.counts.any(axis=0)
        if there.sum() == 2 and not findings:
            findings += self._rate(context, np.flatnonzero(there)[1], labels)
        return findings

    def _absent(self, context: CheckContext, label: Any, counts: list[int], labels: LabelSides) -> Finding | None:
        if all(counts) or not any(counts):
            return None
        missing = 0 if not counts[0] else 1
        known, worth = labels.known, labels.worth
        expected = counts[1 - missing] / known[1 - missing] * min(worth[missing], known[missing])
        if missing == 1 and expected < self.expected:
            return None  # a short validation block lacks a rare class by chance; a model cannot learn one it never saw
        sides = ("train", "validation")
        return context.finding(
            self,
            "error",
            message=f"class {label} has {counts[1 - missing]:,} {sides[1 - missing]} labels and none in the "
            f"{sides[missing]} rows",
            value=0.0,
            threshold=self.expected,
            count=counts[1 - missing],
            remedy="let every class occur on both sides: use longer blocks, or join rare classes",
        )

    def _rate(self, context: CheckContext, place: int, labels: LabelSides) -> list[Finding]:
        assert labels.classes is not None
        worth = labels.worth
        rates = [int(labels.counts[side, place]) / labels.known[side] for side in (0, 1)]
        pooled = (rates[0] * worth[0] + rates[1] * worth[1]) / sum(worth)
        error = sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / worth[0] + 1 / worth[1]))
        z = (rates[1] - rates[0]) / error
        if abs(z) <= self.sigmas:
            return []
        return [
            context.finding(
                self,
                "warning",
                message=f"class {labels.classes[place]} has {rates[0]:.1%} of the train and {rates[1]:.1%} of the "
                f"validation labels ({abs(z):.1f} standard errors apart)",
                value=abs(z),
                threshold=self.sigmas,
                count=labels.known[1],
                remedy="check how labels are made on either side; a score on this block says little about the other",
            )
        ]

    def _spread(self, context: CheckContext, labels: LabelSides) -> list[Finding]:
        spreads, worth = labels.spreads, labels.worth
        if min(labels.known) < 8 or not min(spreads) > 0.0:
            return []
        ratio = spreads[1] / spreads[0]
        noise = SIGMAS * SPREAD_ERROR * sqrt(1 / worth[0] + 1 / worth[1])
        passed = [name for name in ("warning", "error") if abs(log(ratio)) > log(getattr(self, name)) + noise]
        if not passed:
            return []
        severity: Literal["warning", "error"] = "error" if passed[-1] == "error" else "warning"
        return [
            context.finding(
                self,
                severity,
                message=f"the interquartile range of the labels is {spreads[0]:.4g} in train and {spreads[1]:.4g} in "
                f"validation rows ({max(ratio, 1 / ratio):.3g} times)",
                value=max(ratio, 1 / ratio),
                threshold=exp(log(getattr(self, severity)) + noise),
                count=labels.known[1],
                remedy="check the units of the labels on either side, percent against fractions",
            )
        ]


@final
@dataclass(frozen=True)
class AutocorrelatedTarget(Check):
    """target.autocorr: labels that resemble those of the row before, though they are declared to end there. Counts labels.

    Labels over h rows overlap, and correlate at 1−k/h over k rows by construction: that is no finding where h is
    declared, by ``horizon`` or label ends. Declared as one bar, or not at all, it is one: splits then purge too little,
    and every standard error is too small. Measured asset by asset. One pass over y.
    """

    warning: float = 0.5

    id: ClassVar[str] = "target.autocorr"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L3.2"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        y = known_labels(context)
        bars, how = horizon_bars(context)
        series = series_of(context.train)
        if bars > 1 or series.mixed or isinstance(context.horizon, str):
            return []
        rho = float(series.lag_one([y])[0])
        # Overlapping labels say the same several times: the error of their autocorrelation is larger by the overlap.
        limit = self.warning + SIGMAS * (1 - self.warning) / sqrt(max(series.dates, 1))
        if rho <= limit:
            return []
        guess = (
            f", as labels over about {1 / (1 - rho):.0f} bars do" if rho < 0.98 else ", as prices do and returns do not"
        )
        return [
            context.finding(
                self,
                "warning",
                message=f"labels of neighbouring rows correlate at {rho:.2f}{guess}; the horizon is {bars} ({how})",
                value=rho,
                threshold=limit,
                count=len(finite_labels(context.train)),
                remedy="declare the horizon of the labels (horizon=, or label ends), so that splits purge what overlaps",
            )
        ]
