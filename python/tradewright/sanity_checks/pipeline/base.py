"""What a check of a feature function is, and the words its findings share."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from tradewright.sanity_checks.base import CannotRun
from tradewright.sanity_checks.pipeline.compare import Place
from tradewright.sanity_checks.pipeline.probe import Probe
from tradewright.sanity_checks.report.finding import Example, Finding, Severity

__all__ = ["PipelineCheck", "example", "examples", "need_features", "where"]


@dataclass(frozen=True)
class PipelineCheck(ABC):
    """One question asked of a feature function. Thresholds are dataclass fields, as with :class:`Check`."""

    id: ClassVar[str]
    severity: ClassVar[Severity]
    taxonomy: ClassVar[str | None] = "L3.1"

    @abstractmethod
    def run(self, probe: Probe) -> list[Finding]:
        """Return what was found; raise :class:`CannotRun` when the data gives nothing to look at."""

    def config(self) -> dict[str, Any]:
        """Return the thresholds by name."""
        return dataclasses.asdict(self)

    def finding(self, severity: Severity, message: str, **facts: Any) -> Finding:
        """Build a finding of this check."""
        return Finding(id=self.id, severity=severity, message=message, taxonomy=self.taxonomy, **facts)


def need_features(probe: Probe) -> None:
    """Raise when there is nothing to compare."""
    if not probe.columns:
        raise CannotRun(
            f"{probe.name} returned no features" if not probe.full.columns else "no feature is the same in two runs"
        )
    if not probe.cuts:
        raise CannotRun("raw has rows of one time only: there is nothing to take away")


def where(probe: Probe, row: int) -> str:
    """Return a row with its asset and time, as far as they are known."""
    asset, time = probe.alignment.place_of(row)
    place = ", ".join(part for part in (asset, time) if part)
    return f"row {row}" + (f" ({place})" if place else "")


def example(probe: Probe, row: int, **others: Any) -> Example:
    """Describe one row of the full output."""
    asset, time = probe.alignment.place_of(row)
    return Example(source="f(raw)", row=row, asset=asset, time=time, **others)


def examples(probe: Probe, places: list[Place], other_source: str) -> tuple[Example, ...]:
    """Describe the rows of some places, the latest found first, with both values."""
    return tuple(
        example(
            probe,
            place.row,
            value=place.value,
            other_source=other_source,
            other_row=place.other_row,
            other_value=place.other_value,
        )
        for place in reversed(places)
    )
