"""A report as JUnit XML: what every CI server can show."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from tradewright.sanity_checks.report.finding import Finding, Severity, severity_rank
from tradewright.sanity_checks.report.sanity_report import SanityReport

__all__ = ["report_junit"]

#: What XML 1.0 cannot hold, however it is escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report_junit(report: SanityReport, fail_on: Severity) -> str:
    """Return the XML: a suite with a case for each check, run or skipped.

    A case fails when one of its findings is as bad as ``fail_on``; what is milder goes to the output of the case. A
    check that ran on some folds only has both: its result, and the reason for the others in its output. Times are in
    seconds to the millisecond: the schema of Jenkins takes no more digits.
    """
    floor = severity_rank(fail_on)
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        found.setdefault(finding.id, []).append(finding)
    names = list(dict.fromkeys([*report.checks_run, *report.checks_skipped, *found]))
    suite = ET.Element("testsuite", name="tradewright.sanity_checks")
    failures = skipped = 0
    for name in names:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"sanity.{name.partition('.')[0]}",
            name=name,
            time=f"{report.timings.get(name, 0.0):.3f}",
        )
        bad = [finding for finding in found.get(name, []) if severity_rank(finding.severity) >= floor]
        mild = [finding for finding in found.get(name, []) if severity_rank(finding.severity) < floor]
        reason = report.checks_skipped.get(name)
        if bad:
            failures += 1
            head = str(bad[0]) if len(bad) == 1 else f"{len(bad)} findings, the first: {bad[0]}"
            failure = ET.SubElement(case, "failure", type=f"{name}.{bad[0].severity}", message=_clean(head))
            failure.text = _clean("\n\n".join(map(_told, bad)))
        elif reason is not None and name not in report.checks_run:
            skipped += 1
            ET.SubElement(case, "skipped", message=_clean(reason))
            reason = None
        rest = [*map(_told, mild), *([f"not checked {reason}"] if reason is not None else [])]
        if rest:
            ET.SubElement(case, "system-out").text = _clean("\n\n".join(rest))
    for key, value in (("tests", len(names)), ("failures", failures), ("errors", 0), ("skipped", skipped)):
        suite.set(key, str(value))
    suite.set("time", f"{sum(report.timings.values()):.3f}")
    ET.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def _told(finding: Finding) -> str:
    """A finding with its rows, its remedy and its code."""
    rows = "\n".join(f"  {example}" for example in finding.examples)
    parts = [str(finding), rows, f"→ {finding.remedy}" if finding.remedy else "", finding.reproducer]
    return "\n".join(part for part in parts if part)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
