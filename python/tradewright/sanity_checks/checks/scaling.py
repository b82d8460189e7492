"""The check for features that were scaled with the statistics of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import Check, CheckContext
from tradewright.sanity_checks.readings.profiles import Moments
from tradewright.sanity_checks.report import Finding

__all__ = ["GlobalScaling"]

_TRACES: WeakKeyDictionary[Moments, dict[GlobalScaling, bool]] = WeakKeyDictionary()


@final
@dataclass(frozen=True)
class GlobalScaling(Check):
    """leak.global_scaling: columns scaled over train and validation rows together. Counts all rows that were scaled.

    Over all rows together the mean is 0 and the deviation 1, to ``tolerance``, while over the train rows alone it is
    not; or the least value is 0 and the largest 1, and one of them is only found outside of train; or the values are as
    evenly spaced as ranks, and those of train alone are not. Two columns must agree. A scaler that was fitted on train
    leaves no such trace, and a z-score or a rank within each date has its mean in any set of dates. Columns with few
    values are left out.

    Rows that were dropped since the scaling, as a purge or labels that have not closed, blur the trace. Mean 0 and
    deviation 1 to ``blurred`` only, in half of the columns at least and not in train, is told as info.
    """

    tolerance: float = 1e-6
    train_mean: float = 1e-4
    columns: float = 2
    blurred: float = 0.01

    id: ClassVar[str] = "leak.global_scaling"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L1.2"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.needs_features()
        pooled = context.profiles.pooled(train, val)
        if not self._bear_a_trace(pooled):
            return []
        ours = context.profiles.moments(train)
        floats = np.array([kind == "f" for kind in train.kinds()])
        candidates = floats & ~context.profiles.few(train) & (ours.finite > 0)
        found = []
        exact = np.zeros(len(candidates), dtype=bool)
        for kind, marked in (
            ("standardised", self._standardised(pooled, ours)),
            ("scaled to [0, 1]", _ranged(pooled, ours)),
            ("ranked", self._ranked(pooled, ours)),
        ):
            chosen = np.flatnonzero(candidates & marked)
            if len(chosen) >= self.columns:
                exact[chosen] = True
                found.append(self._finding(context, kind, chosen, pooled, ours, list(train.columns)))
        chosen = np.flatnonzero(candidates & self._blurred(pooled, ours) & ~exact)
        if not exact.any() and len(chosen) >= max(self.columns, candidates.sum() / 2):
            found.append(self._finding(context, "blurred", chosen, pooled, ours, list(train.columns)))
        return found

    def _bear_a_trace(self, pooled: Moments) -> bool:
        """Whether as many columns as it takes look scaled over all rows; the same for all folds of a plan, asked once."""
        known = _TRACES.setdefault(pooled, {})
        if self not in known:
            offset, apart = _unevenness(pooled)
            off = np.minimum(abs(pooled.std() - 1), abs(pooled.std(ddof=1) - 1))
            near = np.maximum(abs(pooled.mean), off) < max(self.blurred, 2 * self.tolerance)
            ranged = (pooled.min == 0.0) & (pooled.max == 1.0)
            even = np.maximum(offset, apart) < self.tolerance
            known[self] = int((near | ranged | even).sum()) >= self.columns
        return known[self]

    def _standardised(self, pooled: Moments, ours: Moments) -> NDArray[np.bool_]:
        std = pooled.std()
        apart = np.minimum(abs(std - 1), abs(pooled.std(ddof=1) - 1))
        centred = (abs(pooled.mean) < self.tolerance * std) & (apart < self.tolerance)
        away = (abs(ours.mean) > 10 * abs(pooled.mean)) & (abs(ours.mean) > self.train_mean)
        return np.asarray(centred & away)

    def _ranked(self, pooled: Moments, ours: Moments) -> NDArray[np.bool_]:
        """Whether the values of all rows are evenly spaced, by their mean and deviation, and those of train are not."""
        offset, apart = _unevenness(pooled)
        ours_offset, ours_apart = _unevenness(ours)
        even = (offset < self.tolerance) & (apart < self.tolerance)
        return np.asarray(even & (np.maximum(ours_offset, ours_apart) > self.train_mean) & (pooled.finite > 1))

    def _blurred(self, pooled: Moments, ours: Moments) -> NDArray[np.bool_]:
        near = np.maximum(abs(pooled.mean), abs(pooled.std() - 1))
        train = np.maximum(abs(ours.mean), abs(ours.std() - 1))
        return np.asarray((near < self.blurred) & (train > 3 * np.maximum(near, self.blurred / 2)))

    def _finding(
        self,
        context: CheckContext,
        kind: str,
        chosen: NDArray[np.int64],
        pooled: Moments,
        ours: Moments,
        names: list[str],
    ) -> Finding:
        columns = tuple(names[j] for j in chosen)
        shown = ", ".join(map(repr, columns[:3])) + (f" and {len(columns) - 3} more" if len(columns) > 3 else "")
        j = int(chosen[np.argmax(abs(ours.mean[chosen]))])
        blurred = kind == "blurred"
        over = f"over all {int(pooled.rows[j]):,} rows {names[j]!r}"
        if kind == "scaled to [0, 1]":
            facts = f"{over} reaches from 0 to 1, over the train rows from {ours.min[j]:.3g} to {ours.max[j]:.3g}"
        elif kind == "ranked":
            facts = (
                f"{over} takes evenly spaced values from {pooled.min[j]:.3g} to {pooled.max[j]:.3g}, over the train rows "
                "it does not"
            )
        else:
            facts = (
                f"{over} has mean {pooled.mean[j]:.0e} and deviation {pooled.std()[j]:.6f}, over the train rows mean "
                f"{ours.mean[j]:.3g} and deviation {ours.std()[j]:.3g}"
            )
        told = (
            f"{shown} look standardised over all rows, of which some were dropped since"
            if blurred
            else f"{shown} were {kind} over train and validation rows together"
        )
        return context.finding(
            self,
            "info" if blurred else "warning",
            columns=columns,
            message=f"{told}: {facts}",
            value=float(abs(ours.mean[j])),
            threshold=self.blurred if blurred else self.train_mean,
            count=int(pooled.rows[j]),
            examples=context.train.examples(context.train.positions()[:3]),
            remedy="fit the scaler on the train rows of each fold (models with scale=True do so)",
        )


def _ranged(pooled: Moments, ours: Moments) -> NDArray[np.bool_]:
    whole = (pooled.min == 0.0) & (pooled.max == 1.0)
    return np.asarray(whole & ((ours.min > 0.0) | (ours.max < 1.0)))


def _unevenness(moments: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far mean and deviation are from those of evenly spaced values, as shares of the range.

    n such values over a range of 1 have mean ½ and variance (n+1) / (12(n−1)).
    """
    width = moments.max - moments.min
    n = np.maximum(moments.finite, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = abs(moments.mean - (moments.max + moments.min) / 2) / width
        apart = abs(moments.std() / width - np.sqrt((n + 1) / (12 * (n - 1))))
    return np.nan_to_num(offset, nan=np.inf), np.nan_to_num(apart, nan=np.inf)
