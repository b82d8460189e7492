"""Checks of how the labels are distributed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.readings.series import effective, horizon_bars, known_labels, series_of
from tradewright.sanity_checks.report import Finding

__all__ = ["FewLabels", "ImbalancedTarget", "OutlyingTarget", "classes_of", "finite_labels"]

#: Labels of at most so many distinct whole numbers are classes.
MAX_CLASSES = 20


def finite_labels(side: Side) -> NDArray[Any]:
    """Return the labels of a side that are numbers."""
    if side.y is None:
        raise CannotRun("there are no labels: pass y_train")
    y = side.take(side.y)
    return y[np.isfinite(y)] if y.dtype.kind == "f" else y


def classes_of(y: NDArray[Any]) -> NDArray[Any] | None:
    """Return the classes the labels are of, ascending; None where they are quantities."""
    # A look at some of them spares sorting a million quantities.
    if len(np.unique(y[:: max(1, len(y) // 1000)])) > MAX_CLASSES:
        return None
    classes = np.unique(y)
    whole = y.dtype.kind != "f" or bool((classes == np.round(classes)).all())
    return classes if whole and len(classes) <= MAX_CLASSES else None


@final
@dataclass(frozen=True)
class FewLabels(Check):
    """target.too_few: too few labels for the number of features, or too few that are independent. Counts labels.

    Labels of rows that follow each other overlap and resemble each other: with lag-one autocorrelation ρ, n of them
    are worth n(1−ρ²)/(1+ρ²). Dates are counted, not rows, since the rows of one date share the market. One pass over y.
    """

    rows: float = 20
    independent: float = 50
    per_feature: float = 10

    id: ClassVar[str] = "target.too_few"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        side = context.train
        count, width = len(finite_labels(side)), len(side.columns)
        series = series_of(side)
        rho = float(series.lag_one([known_labels(context)])[0])
        dates = min(series.dates, count)
        worth = float(effective(dates, rho, rho))
        facts: dict[str, Any] = {"count": count, "remedy": "use a longer history, fewer features or a shorter horizon"}
        if count < self.rows:
            message = f"{count:,} labels are too few for any estimate"
            return [context.finding(self, "error", message=message, value=count, threshold=self.rows, **facts)]
        if worth < self.independent:
            message = (
                f"{count:,} labels on {dates:,} dates are worth about {worth:.0f} independent ones: those of "
                f"neighbouring dates correlate at {rho:.2f}"
            )
            return [context.finding(self, "warning", message=message, value=worth, threshold=self.independent, **facts)]
        if count < self.per_feature * width:
            message = f"{count:,} labels for {width:,} features: fewer than {self.per_feature:g} a feature"
            limit = self.per_feature * width
            return [context.finding(self, "warning", message=message, value=count, threshold=limit, **facts)]
        return []


@final
@dataclass(frozen=True)
class ImbalancedTarget(Check):
    """target.imbalance: a class that hardly occurs. Counts its labels; a finding per class.

    Overlapping labels repeat: a rare class has as many labels as there are, divided by the horizon. Only labels of at
    most 20 whole numbers are classes. One pass over y.
    """

    warning: float = 0.05
    error: float = 0.005
    rows: float = 50

    id: ClassVar[str] = "target.imbalance"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        y = finite_labels(context.train)
        classes = classes_of(y)
        if classes is None or len(classes) < 2:
            return []
        bars = max(horizon_bars(context)[0], 1)
        findings = []
        for label in classes:
            members = y == label
            count = int(members.sum())
            share, worth = count / len(y), count / bars
            if share >= self.warning:
                continue
            severe = share < self.error or worth < self.rows
            assert context.train.y is not None
            rows = np.flatnonzero(context.train.take(context.train.y) == label)
            apart = f", of which about {worth:.0f} do not overlap" if bars > 1 else ""
            findings.append(
                context.finding(
                    self,
                    "error" if severe else "warning",
                    message=f"class {label} has {count:,} of {len(y):,} labels ({share:.2%}){apart}",
                    value=share,
                    threshold=self.error if severe and share < self.error else self.warning,
                    count=count,
                    examples=context.train.examples(context.train.positions()[rows]),
                    remedy="judge by a measure that bears imbalance, weight the classes, or join rare ones",
                )
            )
        return findings


@final
@dataclass(frozen=True)
class OutlyingTarget(Check):
    """target.outlier: labels absurdly far from the median. Counts labels.

    Distances are in median absolute deviations; fat tails make ten of them normal in returns, and not ``warning``. The
    largest of many is held against the tail too: with tails of index 3, as returns have, n labels reach (n/100)^⅓ times
    their 99 % point, and a finding lies beyond ``tail`` times that. Where more than half of the labels are equal, a
    spread is taken from the quartiles, and where those are equal too there is nothing to measure by. Classes have no
    outliers. O(n).
    """

    warning: float = 50.0
    tail: float = 5.0

    id: ClassVar[str] = "target.outlier"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        side, known = context.train, finite_labels(context.train)
        if len(known) < 3 or classes_of(known) is not None:
            return []
        known = known.astype(np.float64)
        middle = float(np.median(known))
        spread = float(np.median(np.abs(known - middle)))
        if spread == 0.0:
            low, high = np.quantile(known, [0.25, 0.75])
            spread = float(high - low) / 2.0
        if spread == 0.0:
            return []
        assert side.y is not None
        with np.errstate(over="ignore", invalid="ignore"):
            distance = np.abs(side.take(side.y).astype(np.float64) - middle) / spread
        known_distance = distance[np.isfinite(distance)]
        reach = float(np.quantile(known_distance, 0.99)) * max(1.0, len(known_distance) / 100) ** (1 / 3)
        # A handful of labels has no tail to speak of: its 99 % point is its outlier.
        limit = max(self.warning, self.tail * reach if len(known_distance) >= 500 else 0.0)
        far = np.flatnonzero((distance > limit) & np.isfinite(distance))
        if not len(far):
            return []
        far = far[np.argsort(-distance[far], kind="stable")]
        positions = side.positions()[far]
        largest = float(side.y[positions[0]])
        return [
            context.finding(
                self,
                "warning",
                message=f"{len(far):,} of {len(known):,} labels are more than {limit:.3g} median absolute deviations "
                f"from the median {middle:.4g}, the farthest is {largest:.4g} in row {positions[0]}",
                value=float(distance[far[0]]),
                threshold=limit,
                count=len(far),
                examples=side.examples(positions),
                remedy="look for bad prints, splits that prices are not adjusted for, and units; clip what is real",
            )
        ]
