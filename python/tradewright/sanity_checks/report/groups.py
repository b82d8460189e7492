"""Findings and reasons that say the same, put together for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tradewright.sanity_checks.report.finding import Finding

__all__ = ["grouped", "reasons_of"]


def grouped(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return the findings of one check and severity about the same features together; in the order given."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.id, finding.severity, finding.columns), []).append(finding)
    return list(groups.values())


def reasons_of(skipped: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the checks that were skipped for one reason together."""
    reasons: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        reasons.setdefault(reason, []).append(name)
    return reasons
