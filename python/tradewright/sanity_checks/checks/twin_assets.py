"""The check for one asset under two names."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import MAX_EXAMPLES, CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.checks.repeats import known_groups
from tradewright.sanity_checks.report import Finding

__all__ = ["TwinAssets"]

#: Assets that are equal on one date, beyond which only neighbours among them are paired.
CROWD = 16


@final
@dataclass(frozen=True)
class TwinAssets(Check):
    """dup.entity: two assets whose rows are equal on nearly all dates that both have. Counts pairs.

    Share classes, and tickers that were renamed and kept: what one of them shows in train the other shows in
    validation. Rows are compared in every feature, in single precision: returns of prices that differ by a factor, as
    two adjustments of one price do, are equal but for rounding. Pairs with fewer than ``dates`` common dates are left
    out.
    """

    share: float = 0.95
    dates: float = 20

    id: ClassVar[str] = "dup.entity"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L3.2"
    suites: ClassVar[tuple[str, ...]] = ("leakage", "quality")
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train = context.needs_features()
        if train.asset is None or train.time is None:
            raise CannotRun("there are no assets and times: pass asset_train and time_train")
        rows, groups = known_groups(context, single=True)
        pairs, equal = equal_dates(groups, train.time[rows], train.asset[rows].astype(np.int64))
        enough = equal >= self.dates
        found = []
        for (a, b), count in zip(pairs[enough], equal[enough], strict=True):
            common = len(np.intersect1d(_dates(train, a), _dates(train, b)))
            if common >= self.dates and count >= self.share * common:
                found.append((int(a), int(b), int(count), common))
        assets = len(np.unique(train.take(train.asset)))
        if len(found) > max(assets, assets * (assets - 1) / 4):
            raise CannotRun(
                f"{len(found):,} pairs of {assets:,} assets have equal features: they do not tell assets apart"
            )
        if not found:
            return []
        shown = "; ".join(
            f"{self._name(train, a)} and {self._name(train, b)} on {count:,} of {common:,} dates"
            for a, b, count, common in found[:3]
        )
        return [
            context.finding(
                self,
                "warning",
                message=f"{len(found):,} {'pair' if len(found) == 1 else 'pairs'} of assets have equal features: {shown}"
                f"{'' if len(found) <= 3 else f'; and {len(found) - 3:,} more'}",
                value=max(count / common for _, _, count, common in found),
                threshold=self.share,
                count=len(found),
                examples=tuple(self._example(train, a, b) for a, b, _, _ in found[:MAX_EXAMPLES]),
                remedy="keep one asset of each pair, or keep both on the same side of every split",
            )
        ]

    @staticmethod
    def _name(side: Side, code: int) -> str:
        return side.asset_names[code] if side.asset_names else str(code)

    @staticmethod
    def _example(side: Side, a: int, b: int) -> object:
        assert side.asset is not None
        assert side.time is not None
        positions = side.positions()
        assets, times = side.take(side.asset), side.take(side.time)
        common = np.intersect1d(times[assets == a], times[assets == b])[0]
        first, other = (positions[np.flatnonzero((assets == code) & (times == common))[0]] for code in (a, b))
        return side.example(int(first), other_source=side.name, other_row=int(other))


def _dates(side: Side, code: int) -> NDArray[np.int64]:
    assert side.asset is not None
    assert side.time is not None
    dates: NDArray[np.int64] = side.take(side.time)[side.take(side.asset) == code]
    return dates


def equal_dates(
    groups: NDArray[np.int64], time: NDArray[np.int64], asset: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of assets (k, 2) that are in one group at one time, and at how many times.

    Of more than :data:`CROWD` assets in one group at one time only neighbours by code are paired.
    """
    order = np.lexsort((asset, time, groups))
    groups, time, asset = groups[order], time[order], asset[order]
    together = (groups[1:] == groups[:-1]) & (time[1:] == time[:-1])
    heads = np.flatnonzero(np.concatenate([[True], ~together])) if len(groups) else np.empty(0, np.int64)
    sizes = np.diff(np.append(heads, len(groups)))
    lefts, rights = [], []
    for size in np.unique(sizes[sizes > 1]):
        places = heads[sizes == size]
        steps = combinations(range(size), 2) if size <= CROWD else zip(range(size - 1), range(1, size), strict=True)
        for i, j in steps:
            lefts.append(asset[places + i])
            rights.append(asset[places + j])
    if not lefts:
        return np.empty((0, 2), np.int64), np.empty(0, np.int64)
    pairs = np.column_stack([np.concatenate(lefts), np.concatenate(rights)])
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    return found, counts
