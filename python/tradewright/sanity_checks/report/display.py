"""A report for the eye: console and notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tradewright.sanity_checks.report.finding import Finding
from tradewright.sanity_checks.report.groups import grouped, reasons_of

if TYPE_CHECKING:
    from tradewright.sanity_checks.report.sanity_report import SanityReport

__all__ = ["print_report", "report_html"]

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
#: Legible on the white and on the dark notebooks there are.
_COLOURS = {"error": "#d1242f", "warning": "#b76e00", "info": "#1a7fa8"}
#: Findings, and folds of a finding, that are told one by one.
_SHOWN, _FOLDS = 60, 4


def _place(finding: Finding) -> str:
    if finding.fold is None:
        return ""
    return f"fold {finding.fold} {finding.against or ''}".strip()


def _first_examples(finding: Finding, limit: int = 2) -> str:
    listed = "; ".join(str(example) for example in finding.examples[:limit])
    return f"e.g. {listed}" if listed else ""


def _lines(group: list[Finding]) -> list[str]:
    """What is told of a finding, fold by fold where there are folds."""
    lines = [": ".join(part for part in (_place(finding), finding.message) if part) for finding in group[:_FOLDS]]
    if len(group) > _FOLDS:
        lines.append(f"… and on {len(group) - _FOLDS} more")
    return lines


def print_report(report: SanityReport) -> None:
    """Print a table of the findings, then the checks that were skipped.

    Findings of one check about one feature are told together, whatever the number of folds.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(Text(f"Sanity report: {report.summary}", style="bold"))
    groups = grouped(report.findings)
    if groups:
        table = Table(show_lines=True, box=box.ROUNDED)
        table.add_column("check", no_wrap=True)
        table.add_column("finding and what to do", overflow="fold")
        for group in groups[:_SHOWN]:
            first = group[0]
            body = Text("\n".join(_lines(group)))
            rows = _first_examples(first)
            body.append(f"\n{rows}" if rows else "", style="dim")
            body.append(f"\n→ {first.remedy}" if first.remedy else "", style="italic")
            style = _STYLES[first.severity]
            table.add_row(Text.assemble((first.severity, style), "\n", first.id), body)
        console.print(table)
    if len(groups) > _SHOWN:
        console.print(Text(f"… and {len(groups) - _SHOWN:,} more, the mildest; to_frame() has them all"))
    for reason, names in reasons_of(report.checks_skipped).items():
        console.print(Text(f"skipped {', '.join(names)}: {reason}", style="dim"))


def report_html(report: SanityReport) -> str:
    """Return the findings as an HTML fragment for notebooks."""
    rows = []
    groups = grouped(report.findings)
    for group in groups[:_SHOWN]:
        first = group[0]
        told = "<br>".join(escape(line) for line in _lines(group))
        rest = "".join(
            f"<br><small>{escape(text)}</small>"
            for text in (_first_examples(first), f"→ {first.remedy}")
            if len(text) > 2
        )
        code = (
            f"<details><summary>code</summary><pre>{escape(first.reproducer)}</pre></details>"
            if first.reproducer
            else ""
        )
        rows.append(
            f'<tr><td style="color:{_COLOURS[first.severity]};font-weight:bold;vertical-align:top">{first.severity}</td>'
            f'<td style="vertical-align:top"><code>{escape(first.id)}</code></td>'
            f'<td style="text-align:left">{told}{rest}{code}</td></tr>'
        )
    table = (
        "<table><thead><tr><th>severity</th><th>check</th><th>finding and what to do</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
        if rows
        else ""
    )
    more = f"<p>… and {len(groups) - _SHOWN:,} more, the mildest.</p>" if len(groups) > _SHOWN else ""
    skipped = "".join(
        f"<li>{', '.join(f'<code>{escape(name)}</code>' for name in names)}: {escape(reason)}</li>"
        for reason, names in reasons_of(report.checks_skipped).items()
    )
    tail = (
        f"<details><summary>{len(report.checks_skipped)} skipped</summary><ul>{skipped}</ul></details>"
        if skipped
        else ""
    )
    return f"<div><p><b>Sanity report</b>: {escape(report.summary)}</p>{table}{more}{tail}</div>"
