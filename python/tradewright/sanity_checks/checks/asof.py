"""The check for features that were not known yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from tradewright.panel.times import format_time
from tradewright.sanity_checks.base import CannotRun, Check, CheckContext
from tradewright.sanity_checks.report import Finding

__all__ = ["AvailableTooLate"]


@final
@dataclass(frozen=True)
class AvailableTooLate(Check):
    """lookahead.asof: rows whose features became available after the row's own time. Counts them, side by side."""

    id: ClassVar[str] = "lookahead.asof"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L3.1"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"
    in_batches: ClassVar[bool] = True

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        sides = [side for side in (context.train, context.val) if side is not None and side.available_at is not None]
        if not sides:
            raise CannotRun("it is not known when features became available: pass available_at_train")
        findings = []
        for side in sides:
            assert side.available_at is not None
            time = side.needs_time()
            late = np.flatnonzero(side.take(side.available_at) > side.take(time))
            if not len(late):
                continue
            positions = side.positions()[late]
            first = positions[0]
            shown = " at ".join(format_time(times[first], side.time_unit) for times in (side.available_at, time))
            findings.append(
                context.finding(
                    self,
                    "error",
                    message=f"{len(late):,} of {len(side):,} rows of {side.name} use features that became available "
                    f"after their time, the first in row {first} (known {shown.replace(' at ', ', used at ')})",
                    value=len(late) / len(side),
                    threshold=0.0,
                    count=len(late),
                    examples=side.examples(positions),
                    remedy="join by the time of publication: take the last value known at the row's time",
                )
            )
        return findings
