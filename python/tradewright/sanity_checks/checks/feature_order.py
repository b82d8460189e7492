"""Checks of how feature columns go on from row to row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import Check, CheckContext, Side
from tradewright.sanity_checks.checks.features import column_of
from tradewright.sanity_checks.readings.profiles import ColumnProfile
from tradewright.sanity_checks.readings.series import series_of
from tradewright.sanity_checks.report import Finding

__all__ = ["IdLikeFeatures", "StaleFeatures"]


@final
@dataclass(frozen=True)
class IdLikeFeatures(Check):
    """feature.id_like: columns that number the rows or tell the time. Counts rows; a finding per column.

    A column that rises (or falls) strictly from row to row; or from date to date in every asset, with a value a date
    that all assets share, or with all values of a date before those of the next, as numbers have that are handed out
    one after the other. A running total or a price level rises too, but each asset has its own: no finding on a panel
    of several assets.
    """

    share: float = 0.999
    distinct: float = 0.99

    id: ClassVar[str] = "feature.id_like"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L2"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        n, assets = len(train), int((profile.asset_rows > 0).sum())
        if n < 20:
            return []
        by_row = np.maximum(profile.row_rises, profile.row_falls)
        own = np.maximum(profile.own_rises, profile.own_falls)
        findings = []
        for j in range(len(profile.names)):
            if by_row[j] >= self.share * (n - 1):
                findings.append(self._finding(context, train, profile.names[j], by_row[j] / (n - 1), "from row to row"))
            elif own[j] >= self.share * max(n - assets, 1):
                if self._tells_the_time(train, profile, j):
                    where = "from date to date" if assets == 1 else "from date to date, the same for all assets"
                elif assets > 1 and self._follows_the_dates(train, profile.names[j]):
                    where = "from date to date, all assets before the next date"
                else:
                    continue
                findings.append(self._finding(context, train, profile.names[j], own[j] / (n - assets), where))
        return findings

    def _tells_the_time(self, train: Side, profile: ColumnProfile, j: int) -> bool:
        dates = int(profile.asset_rows.max())
        if train.time is not None:
            dates = len(np.unique(train.take(train.time)))
        values = len(np.unique(column_of(train, profile.names[j])))
        return self.distinct * dates <= values <= dates / self.distinct

    def _follows_the_dates(self, train: Side, name: str) -> bool:
        """Whether all values of a date lie before, or behind, all of the next."""
        if train.time is None:
            return False
        time, column = train.take(train.time), column_of(train, name)
        if (time[1:] < time[:-1]).any():
            order = np.argsort(time, kind="stable")
            time, column = time[order], column[order]
        heads = np.flatnonzero(np.concatenate([[True], time[1:] != time[:-1]]))
        low, high = np.minimum.reduceat(column, heads), np.maximum.reduceat(column, heads)
        apart = max(int((low[1:] > high[:-1]).sum()), int((high[1:] < low[:-1]).sum()))
        return len(heads) > 1 and apart >= self.share * (len(heads) - 1)

    def _finding(self, context: CheckContext, train: Side, name: str, share: float, where: str) -> Finding:
        return context.finding(
            self,
            "warning",
            columns=(name,),
            message=f"{name!r} goes strictly one way {where} ({share:.1%} of steps): it numbers the rows",
            value=float(share),
            threshold=self.share,
            count=len(train),
            examples=train.examples(train.positions()[:3]),
            remedy="drop it: a model that knows the row number knows the period, and validation rows have none it saw",
        )


@final
@dataclass(frozen=True)
class StaleFeatures(Check):
    """feature.stale: columns that stand still for long in some asset. Counts the rows of the longest run.

    Longer than ``rows`` rows, than ``share`` of the asset's, and than ``usual`` times what the column's values last on
    average: what is published once a quarter stands still for a quarter, and what belongs to an asset for ever. Columns
    with fewer than ``distinct`` values are left out, and so are runs of a value that the column takes as often
    elsewhere, as the rank of a laggard or a resting zero.
    """

    rows: float = 20
    share: float = 0.05
    distinct: float = 20
    usual: float = 5

    id: ClassVar[str] = "feature.stale"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train, profile = context.needs_profile()
        least = np.maximum(self.rows, self.share * profile.asset_rows)
        changes = profile.own_rises + profile.own_falls
        lasting = self.usual * (changes + profile.own_equal) / np.maximum(changes, 1)
        findings = []
        still = (profile.longest > np.maximum(least, lasting[:, None])).any(axis=1)
        for j in np.flatnonzero(still & (profile.distinct >= self.distinct)):
            name, runs = profile.names[j], profile.longest[j]
            limits = np.maximum(least, lasting[j])
            worst = int(np.argmax(np.where(runs > limits, runs / np.maximum(profile.asset_rows, 1), 0)))
            present = np.flatnonzero(profile.asset_rows > 0)
            rows = series_of(train).rows(int(np.searchsorted(present, worst)))
            column = column_of(train, name)[rows]
            start, length = longest_run(column)
            if 2 * length < (column_of(train, name) == column[start]).sum():
                continue
            others = int((runs > limits).sum()) - 1
            whose = "" if train.asset is None else f" of {train.example(int(train.positions()[rows[start]])).asset}"
            findings.append(
                context.finding(
                    self,
                    "warning",
                    columns=(name,),
                    message=f"{name!r} stays at {column[start]:g} for {length:,} of the {len(rows):,} rows{whose}"
                    f"{f'; and stands still in {others:,} more assets' if others else ''}",
                    value=length / len(rows),
                    threshold=float(limits[worst]) / len(rows),
                    count=length,
                    examples=train.examples(train.positions()[rows[start : start + length]]),
                    remedy="look for a feed that stopped, or gaps filled forward; leave the cells missing instead",
                )
            )
        return findings


def longest_run(column: NDArray[np.generic]) -> tuple[int, int]:
    """Where the longest run of equal values begins, and how long it is; the first of several."""
    starts = np.flatnonzero(np.concatenate([[True], column[1:] != column[:-1]]))
    lengths = np.diff(np.append(starts, len(column)))
    best = int(np.argmax(lengths))
    return int(starts[best]), int(lengths[best])
