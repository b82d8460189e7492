"""Checks of the feature columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.report import Finding, Severity

__all__ = ["MissingFeatures"]


@final
@dataclass(frozen=True)
class MissingFeatures(Check):
    """feature.nan: columns with many NaN, leading warm-up aside. Counts rows; a finding per column.

    A moving average has no value on its first bars, and that is honest: the leading run of NaN of each asset, in time
    order, is left out of both counts, unless it covers more than ``max_warmup`` of the asset's rows or all of them.
    One pass over all columns in Rust; only columns that may pass a threshold are looked at closer.
    """

    info: float = 0.05
    warning: float = 0.20
    error: float = 0.50
    max_warmup: float = 0.50

    id: ClassVar[str] = "feature.nan"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train = context.train
        if not train.columns:
            raise CannotRun("there are no features")
        if len(train) == 0:
            raise CannotRun("there are no rows")
        names = list(train.columns)
        columns = [train.take(train.columns[name]) for name in names]
        counts = _core.nan_counts(columns)
        suspects = [j for j, count in enumerate(counts) if count > self.info * len(train)]
        by_asset = _AssetOrder.of(train) if suspects else None
        findings = []
        for j in suspects:
            assert by_asset is not None
            missing = np.isnan(columns[j])
            warmup = by_asset.warmup(missing, self.max_warmup)
            count, rows = int(missing.sum() - warmup.sum()), int(len(missing) - warmup.sum())
            share = count / rows
            passed = [(name, limit) for name, limit in self._limits() if share > limit]
            if not passed:
                continue
            severity, limit = passed[-1]
            aside = f", {int(warmup.sum()):,} leading rows aside" if warmup.any() else ""
            positions = train.positions()[np.flatnonzero(missing & ~warmup)]
            findings.append(
                context.finding(
                    self,
                    severity,
                    columns=(names[j],),
                    message=f"{names[j]!r} is NaN in {count:,} of {rows:,} rows ({share:.0%}{aside})",
                    value=share,
                    threshold=limit,
                    count=count,
                    examples=train.examples(positions),
                    remedy="find out why it is missing, or drop the column; what fills the gaps is learned too",
                )
            )
        return findings

    def _limits(self) -> tuple[tuple[Severity, float], ...]:
        return (("info", self.info), ("warning", self.warning), ("error", self.error))


@dataclass(frozen=True, eq=False)
class _AssetOrder:
    """The rows of a side, asset by asset in time order."""

    order: NDArray[np.int64] | None
    starts: NDArray[np.int64]
    length: int

    @classmethod
    def of(cls, side: Side) -> _AssetOrder:
        time = None if side.time is None else side.take(side.time)
        asset = None if side.asset is None else side.take(side.asset)
        keys = [key for key in (time, asset) if key is not None]
        order = np.lexsort(keys) if keys else None
        starts = np.zeros(1, dtype=np.int64)
        if asset is not None:
            assert order is not None
            grouped = asset[order]
            starts = np.concatenate([starts, np.flatnonzero(grouped[1:] != grouped[:-1]) + 1])
        return cls(order, starts, len(side))

    def warmup(self, missing: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
        """Mark the leading missing rows of each asset."""
        n = self.length
        ordered = missing if self.order is None else missing[self.order]
        position = np.arange(n)
        first_known = np.minimum.reduceat(np.where(ordered, n, position), self.starts)
        stops = np.append(self.starts[1:], n)
        sizes = stops - self.starts
        lead = np.minimum(first_known, stops) - self.starts
        lead[(lead == sizes) | (lead > limit * sizes)] = 0
        inside = position < np.repeat(self.starts + lead, sizes)
        if self.order is None:
            return inside
        marked = np.empty(n, dtype=bool)
        marked[self.order] = inside
        return marked
