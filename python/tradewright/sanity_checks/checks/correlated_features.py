"""feature.high_correlation: features that say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import CannotRun, Check, CheckContext
from tradewright.sanity_checks.readings.rank_sample import rank_sample, sampled_note
from tradewright.sanity_checks.readings.series import above_noise, effective, series_of
from tradewright.sanity_checks.report import Finding

__all__ = ["CorrelatedFeatures", "spearman"]

#: Three assets stand in the same order in two attributes one time in three; eight, never by chance.
FEWEST_ASSETS = 8


def spearman(context: CheckContext) -> NDArray[np.float64]:
    """Return Spearman's correlation of every pair of features, shape (n_columns, n_columns).

    Of a pair with missing cells the rows in which both are known count, each column ranked over its own known rows.
    """
    return _core.correlations(list(rank_sample(context).ranks))


@final
@dataclass(frozen=True)
class CorrelatedFeatures(Check):
    r"""feature.high_correlation: groups of features that rank the rows alike. Counts pairs; a finding per group.

    \\|Spearman\\| of ``warning`` and four standard errors of independent dates more, so that two walks are no twins; from
    ``redundant`` on the text says that one of the two will do. Features are of one group when a chain of such pairs
    joins them. Above 200,000 rows a seeded sample of as many is ranked, and the finding says so.
    """

    warning: float = 0.95
    redundant: float = 0.999

    id: ClassVar[str] = "feature.high_correlation"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        side = context.train
        if len(side.columns) < 2:
            raise CannotRun("there are fewer than two features")
        sample = rank_sample(context)
        if len(sample.rows) < 3:
            raise CannotRun(f"{len(sample.rows)} rows are too few")
        table = np.triu(np.abs(np.nan_to_num(spearman(context))), k=1)
        pairs = np.argwhere(table >= self.warning)
        if not len(pairs):
            return []
        series = series_of(side)
        involved = np.unique(pairs)
        rhos = np.zeros(len(sample.names))
        rhos[involved] = series.lag_one([side.columns[sample.names[j]] for j in involved.tolist()])
        worth = effective(min(series.dates, sample.of), rhos[pairs[:, 0]], rhos[pairs[:, 1]])
        # What never changes within an asset has as many values as there are assets, on however many dates.
        profile = context.profiles.of(side)
        fixed = profile.own_rises + profile.own_falls == 0
        assets = int((profile.asset_rows > 0).sum())
        both = fixed[pairs].all(axis=1)
        limits = above_noise(self.warning, np.where(both, np.minimum(worth, assets), worth))
        if assets < FEWEST_ASSETS:
            limits = np.where(both, np.inf, limits)
        pairs = pairs[table[tuple(pairs.T)] >= limits]
        return [self._finding(context, table, group, sample.names, sampled_note(sample.of)) for group in _groups(pairs)]

    def _finding(
        self,
        context: CheckContext,
        table: NDArray[np.float64],
        pairs: NDArray[np.int64],
        names: tuple[str, ...],
        note: str,
    ) -> Finding:
        values = table[tuple(pairs.T)]
        first, second = (names[j] for j in pairs[int(values.argmax())])
        largest = float(values.max())
        columns = tuple(names[j] for j in np.unique(pairs).tolist())
        verdict = "are redundant" if largest >= self.redundant else "rank the rows alike"
        others = "" if len(pairs) == 1 else f", and {len(pairs) - 1:,} more pairs among {len(columns):,} features"
        return context.finding(
            self,
            "warning",
            columns=columns,
            message=f"{first!r} and {second!r} {verdict} (|Spearman| {largest:.4f}){others}{note}",
            value=largest,
            threshold=self.warning,
            count=len(pairs),
            remedy="keep one of them: twins share importance, and make linear models unstable",
        )

    def samples(self, context: CheckContext) -> bool:
        """See the base class."""
        return len(context.train.columns) > 1 and rank_sample(context).of > len(rank_sample(context).rows)


def _groups(pairs: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The pairs of each chain."""
    root: dict[int, int] = {}

    def find(item: int) -> int:
        while root.setdefault(item, item) != item:
            item = root[item]
        return item

    for a, b in pairs.tolist():
        root[find(b)] = find(a)
    heads = np.array([find(a) for a in pairs[:, 0].tolist()], dtype=np.int64)
    return [pairs[heads == head] for head in dict.fromkeys(heads.tolist())]
