"""The check for features that were scaled with the statistics of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import Check, CheckContext
from tradewright.sanity_checks.profiles import Moments
from tradewright.sanity_checks.report import Finding

__all__ = ["GlobalScaling"]


@final
@dataclass(frozen=True)
class GlobalScaling(Check):
    """leak.global_scaling: columns scaled over train and validation rows together. Counts all rows that were scaled.

    Over all rows together the mean is 0 and the deviation 1, to ``tolerance``, while over the train rows alone it is
    not; or the least value is 0 and the largest 1, and one of them is only found outside of train. Two columns must
    agree. A scaler that was fitted on train leaves neither trace, and a z-score within each date has mean 0 in any set
    of dates. Columns with few values are left out.
    """

    tolerance: float = 1e-6
    train_mean: float = 1e-4
    columns: float = 2

    id: ClassVar[str] = "leak.global_scaling"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L1.2"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "pair"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.needs_features()
        pooled, ours = context.profiles.pooled(train, val), context.profiles.moments(train)
        floats = np.array([values.dtype.kind == "f" for values in train.columns.values()])
        candidates = floats & ~context.profiles.few(train) & (ours.finite > 0)
        found = []
        for kind, marked in (
            ("standardised", self._standardised(pooled, ours)),
            ("scaled to [0, 1]", _ranged(pooled, ours)),
        ):
            chosen = np.flatnonzero(candidates & marked)
            if len(chosen) >= self.columns:
                found.append(self._finding(context, kind, chosen, pooled, ours, list(train.columns)))
        return found

    def _standardised(self, pooled: Moments, ours: Moments) -> NDArray[np.bool_]:
        std = pooled.std()
        apart = np.minimum(abs(std - 1), abs(pooled.std(ddof=1) - 1))
        centred = (abs(pooled.mean) < self.tolerance * std) & (apart < self.tolerance)
        away = (abs(ours.mean) > 10 * abs(pooled.mean)) & (abs(ours.mean) > self.train_mean)
        return np.asarray(centred & away)

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
        if kind == "standardised":
            facts = (
                f"over all {int(pooled.rows[j]):,} rows {names[j]!r} has mean {pooled.mean[j]:.0e} and deviation "
                f"{pooled.std()[j]:.6f}, over the train rows mean {ours.mean[j]:.3g}"
            )
        else:
            facts = (
                f"over all {int(pooled.rows[j]):,} rows {names[j]!r} reaches from 0 to 1, over the train rows from "
                f"{ours.min[j]:.3g} to {ours.max[j]:.3g}"
            )
        return context.finding(
            self,
            "warning",
            columns=columns,
            message=f"{shown} were {kind} over train and validation rows together: {facts}",
            value=float(abs(ours.mean[j])),
            threshold=self.train_mean,
            count=int(pooled.rows[j]),
            examples=context.train.examples(context.train.positions()[:3]),
            remedy="fit the scaler on the train rows of each fold (models with scale=True do so)",
        )


def _ranged(pooled: Moments, ours: Moments) -> NDArray[np.bool_]:
    whole = (pooled.min == 0.0) & (pooled.max == 1.0)
    return np.asarray(whole & ((ours.min > 0.0) | (ours.max < 1.0)))
