"""leak.target_proxy: features that go with the labels better than anything honest does."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import Check, CheckContext
from tradewright.sanity_checks.readings.rank_sample import RankSample, rank_sample, sampled_note
from tradewright.sanity_checks.readings.series import (
    SIGMAS,
    SideSeries,
    above_noise,
    effective,
    known_labels,
    series_of,
)
from tradewright.sanity_checks.report import Finding, Severity

__all__ = ["TargetProxy"]

#: Bins of a correlation ratio, and the rows each must hold for it to be looked at.
BINS = (32, 16, 8)
ROWS_PER_BIN = 50
#: Independent rows a bin must be worth.
WORTH_PER_BIN = 8


@dataclass(frozen=True)
class _Strength:
    """One way in which a feature goes with the labels."""

    what: str
    measure: str
    value: float
    warning: float
    error: float

    @property
    def severity(self) -> Severity | None:
        """How bad it is."""
        return "error" if self.value >= self.error else "warning" if self.value >= self.warning else None


@dataclass(frozen=True, eq=False)
class _Labels:
    """The labels of the sampled rows, as the kernel takes them."""

    ranks: NDArray[np.float32]
    abs_ranks: NDArray[np.float32]
    positive: NDArray[np.bool_] | None

    @classmethod
    def of(cls, y: NDArray[np.float64]) -> _Labels:
        """Rank the labels; tell whether there are two classes of them."""
        ranks, abs_ranks = _core.ranks([y, np.abs(y)])
        low, high = y.min(), y.max()
        binary = low < high and bool(((y == low) | (y == high)).all())
        return cls(ranks, abs_ranks, y == high if binary else None)

    def associations(self, ranks: NDArray[np.float32], bins: int) -> NDArray[np.float64]:
        """Known rows, Spearman, AUC, correlation ratio on y and |y|, and bins, of each row of ranks."""
        return _core.associations(np.ascontiguousarray(ranks), self.ranks, self.abs_ranks, self.positive, bins)


@final
@dataclass(frozen=True)
class TargetProxy(Check):
    r"""leak.target_proxy: a feature that all but is the label. Counts rows; a finding per feature.

    Looked at are Spearman's correlation (of two classes \\|2 AUC − 1\\|), and the correlation ratio of the labels' ranks, and
    of those of their magnitudes, on 32 equally filled bins of the feature, which finds y² and \\|y\\|. The ratio is corrected
    for bias (ε²). Limits stand four standard errors above the thresholds, counted in independent dates: the
    autocorrelation of the feature times that of the labels says how many there are. With ``profile="returns"`` a
    correlation of ``returns`` is suspect: honest daily ones are 0.02 to 0.05. The volatility to come is forecast better
    than that by honest features, so that the threshold for magnitudes stays.

    Above 200,000 rows a seeded sample of as many is ranked, and the finding says so. O(n log n) a feature.
    """

    warning: float = 0.5
    error: float = 0.95
    returns: float = 0.2

    id: ClassVar[str] = "leak.target_proxy"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L2"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        y = known_labels(context)
        sample = rank_sample(context)
        chosen = y[sample.rows]
        if not len(chosen) or np.isnan(chosen).any():
            return []
        labels = _Labels.of(chosen)
        bins = next((b for b in BINS if len(chosen) >= b * ROWS_PER_BIN), BINS[-1])
        table = labels.associations(sample.ranks, bins)
        least = self.returns if context.declared.profile == "returns" else self.warning
        strongest = np.nanmax(
            np.nan_to_num(np.abs([table[:, 1], 2 * table[:, 2] - 1, table[:, 3], table[:, 4]])), axis=0
        )
        allowed = set(context.declared.nowcasting)
        suspects = [j for j in np.flatnonzero(strongest >= least).tolist() if sample.names[j] not in allowed]
        if not suspects:
            return []
        series = series_of(context.train)
        columns = [context.train.columns[sample.names[j]] for j in suspects]
        rhos = series.lag_one([y, np.abs(y), *columns])
        findings = []
        for j, rho in zip(suspects, rhos[2:].tolist(), strict=True):
            strengths = self._strengths(
                sample, labels, table[j], j, series, (rho, float(rhos[0]), float(rhos[1])), least
            )
            found = [s for s in strengths if s.severity is not None]
            if not found:
                continue
            worst = max(found, key=lambda s: (s.severity == "error", s.value))
            findings.append(self._finding(context, sample, j, int(table[j, 0]), worst))
        return findings

    def _strengths(
        self,
        sample: RankSample,
        labels: _Labels,
        row: NDArray[np.float64],
        column: int,
        series: SideSeries,
        rhos: tuple[float, float, float],
        least: float,
    ) -> list[_Strength]:
        """All ways in which a column goes with the labels, each with its limits."""
        rho, rho_y, rho_size = rhos
        dates = min(
            series.dates * row[0] / max(series.length, 1) * max(sample.of / max(len(sample.rows), 1), 1.0), series.dates
        )
        worth, worth_size = float(effective(dates, rho, rho_y)), float(effective(dates, rho, rho_size))
        strengths = []
        if labels.positive is not None:
            share = float(labels.positive.mean())
            # The error of 2 AUC − 1 grows as classes are unequal.
            limits = _limits(least, self.error, worth * 3 * share * (1 - share))
            value = abs(2 * row[2] - 1)
            strengths.append(_Strength("tells the classes apart", f"|2 AUC − 1| = {value:.3f}", value, *limits))
        else:
            limits = _limits(least, self.error, worth)
            value = abs(row[1])
            strengths.append(_Strength("ranks the labels", f"Spearman's correlation {row[1]:.3f}", value, *limits))
        kinds = [("tells the labels", 3, worth, least)]
        if labels.positive is None:
            kinds.append(("tells the size of the labels", 4, worth_size, self.warning))
        for what, field, rows, threshold in kinds:
            ratio = _unbiased_ratio(labels, sample.ranks[column], row, field, rows)
            if ratio is not None:
                value, bins = ratio
                limits = (_ratio_limit(threshold, bins, rows), _ratio_limit(self.error, bins, rows))
                strengths.append(_Strength(what, f"a correlation ratio of {value:.3f} on {bins} bins", value, *limits))
        return strengths

    def _finding(self, context: CheckContext, sample: RankSample, column: int, known: int, worst: _Strength) -> Finding:
        name = sample.names[column]
        severity = worst.severity
        assert severity is not None
        limit = worst.error if severity == "error" else worst.warning
        return context.finding(
            self,
            severity,
            columns=(name,),
            message=f"{name!r} {worst.what}: {worst.measure}, the limit is {limit:.3f}{sampled_note(sample.of)}",
            value=worst.value,
            threshold=limit,
            count=known,
            remedy="find out when its value is known: it may be made from the label, or from prices after the row's time. "
            "Of a nowcast, name the feature in nowcasting=",
        )

    def samples(self, context: CheckContext) -> bool:
        """See the base class."""
        return context.train.y is not None and rank_sample(context).of > len(rank_sample(context).rows)


def _unbiased_ratio(
    labels: _Labels, ranks: NDArray[np.float32], row: NDArray[np.float64], field: int, worth: float
) -> tuple[float, int] | None:
    """ε² of a column, and its bins: as many as the independent rows can fill; None where they fill too few."""
    fitting = [b for b in BINS if worth >= b * WORTH_PER_BIN and row[0] >= b * ROWS_PER_BIN]
    if not fitting:
        return None
    if row[5] > fitting[0]:
        row = labels.associations(ranks[None, :], fitting[0])[0]
    ratio, bins = float(row[field]), int(row[5])
    if not np.isfinite(ratio) or bins < 2:
        return None
    return ratio - (bins - 1) * (1 - ratio) / (worth - bins), bins


def _limits(warning: float, error: float, worth: float) -> tuple[float, float]:
    return float(above_noise(warning, worth)), float(above_noise(error, worth))


def _ratio_limit(threshold: float, bins: int, worth: float) -> float:
    """Four standard errors of a correlation ratio above a threshold."""
    left = 1 - threshold
    variance = 4 * threshold * left**2 / worth + 2 * (bins - 1) * left**2 / (worth - bins) ** 2
    return threshold + SIGMAS * sqrt(variance)
