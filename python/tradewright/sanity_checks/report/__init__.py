"""What was found and what was not looked for: values, and the faces they are shown with."""

from __future__ import annotations

from tradewright.sanity_checks.report.finding import SEVERITIES, Example, Finding, Severity, severity_rank
from tradewright.sanity_checks.report.sanity_report import SanityReport

__all__ = ["SEVERITIES", "Example", "Finding", "SanityReport", "Severity", "severity_rank"]
