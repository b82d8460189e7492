"""Checks of the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import CannotRun, Check, CheckContext
from tradewright.sanity_checks.readings.series import series_of
from tradewright.sanity_checks.report import Finding

__all__ = ["ConstantTarget", "InvalidTarget"]


@final
@dataclass(frozen=True)
class InvalidTarget(Check):
    """target.invalid: labels that are NaN or infinite. Counts cells. One pass over y."""

    id: ClassVar[str] = "target.invalid"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train = context.train
        if train.y is None:
            raise CannotRun("there are no labels: pass y_train")
        if train.y.dtype.kind != "f":
            return []
        y = train.take(train.y)
        bad = np.flatnonzero(~np.isfinite(y))
        if not len(bad):
            return []
        positions = train.positions()[bad]
        last = ""
        series = series_of(train)
        if not series.mixed and _all_at_the_end(~np.isfinite(series.walk(train.y)), series.starts):
            whose = "" if train.asset is None else " of their assets"
            last = f"; all at the end{whose}, where labels have not resolved yet: drop them"
        return [
            context.finding(
                self,
                "error",
                message=f"{len(bad):,} of {len(y):,} labels are NaN or infinite, the first in row {positions[0]}{last}",
                value=len(bad) / len(y),
                threshold=0.0,
                count=len(bad),
                examples=train.examples(positions),
                remedy="drop these rows before splitting; losses and fit refuse them",
            )
        ]


def _all_at_the_end(bad: NDArray[np.bool_], starts: NDArray[np.int64]) -> bool:
    """Whether what is bad in each asset are its last rows: none is followed by a good one of the same asset."""
    followed = bad[:-1] & ~bad[1:]
    followed[starts[1:] - 1] = False
    return not followed.any()


@final
@dataclass(frozen=True)
class ConstantTarget(Check):
    """target.constant: every known label is the same, so there is nothing to learn. Counts rows. One pass over y."""

    id: ClassVar[str] = "target.constant"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    suites: ClassVar[tuple[str, ...]] = ("quality",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        train = context.train
        if train.y is None:
            raise CannotRun("there are no labels: pass y_train")
        y = train.take(train.y)
        if y.dtype.kind == "f":
            y = y[~np.isnan(y)]
        if len(y) == 0:
            raise CannotRun("every label is missing")
        if not (y == y[0]).all():
            return []
        where = "" if context.fold is None else " of the train rows"
        return [
            context.finding(
                self,
                "error",
                message=f"every one of the {len(y):,} labels{where} is {y[0]}",
                value=1.0,
                threshold=2.0,
                count=len(y),
                examples=train.examples(train.positions()[:3]),
                remedy="check how the target is computed; with one class or value no model can be fitted",
            )
        ]
