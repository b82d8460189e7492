"""A report for the eye: console and notebook."""

from __future__ import annotations

from html import escape

from tradewright.sanity_checks.report.finding import Finding
from tradewright.sanity_checks.report.sanity_report import SanityReport

__all__ = ["print_report", "report_html"]

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_COLOURS = {"error": "#b3261e", "warning": "#8a5a00", "info": "#0b6a8f"}


def _place(finding: Finding) -> str:
    if finding.fold is None:
        return "all"
    return f"{finding.fold} {finding.against or ''}".strip()


def _first_examples(finding: Finding, limit: int = 2) -> str:
    listed = "; ".join(str(example) for example in finding.examples[:limit])
    return f"e.g. {listed}" if listed else ""


def print_report(report: SanityReport) -> None:
    """Print a table of the findings, then the checks that were skipped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(Text(f"Sanity report: {report.summary}", style="bold"))
    if report.findings:
        table = Table(show_lines=True)
        table.add_column("severity", no_wrap=True)
        table.add_column("check", no_wrap=True)
        table.add_column("fold", no_wrap=True)
        table.add_column("finding and remedy", overflow="fold")
        for finding in report.findings:
            lines = (finding.message, _first_examples(finding), f"→ {finding.remedy}" if finding.remedy else "")
            body = Text("\n".join(line for line in lines if line))
            style = _STYLES[finding.severity]
            table.add_row(Text(finding.severity, style=style), Text(finding.id), Text(_place(finding)), body)
        console.print(table)
    for name, reason in report.checks_skipped.items():
        console.print(Text(f"skipped {name}: {reason}", style="dim"))


def report_html(report: SanityReport) -> str:
    """Return the findings as an HTML fragment for notebooks."""
    rows = []
    for finding in report.findings:
        colour = _COLOURS[finding.severity]
        rest = "".join(
            f"<br><small>{escape(text)}</small>" for text in (_first_examples(finding), finding.remedy) if text
        )
        rows.append(
            f'<tr><td style="color:{colour};font-weight:bold">{finding.severity}</td>'
            f"<td><code>{escape(finding.id)}</code></td><td>{escape(_place(finding))}</td>"
            f'<td style="text-align:left">{escape(finding.message)}{rest}</td></tr>'
        )
    table = (
        "<table><thead><tr><th>severity</th><th>check</th><th>fold</th><th>finding and remedy</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
        if rows
        else ""
    )
    skipped = "".join(
        f"<li><code>{escape(name)}</code>: {escape(reason)}</li>" for name, reason in report.checks_skipped.items()
    )
    tail = f"<p>skipped:</p><ul>{skipped}</ul>" if skipped else ""
    return f"<div><p><b>Sanity report</b>: {escape(report.summary)}</p>{table}{tail}</div>"
