"""A report as one page: what to attach to a pull request."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from tradewright.sanity_checks.report.finding import SEVERITIES, Finding, severity_rank
from tradewright.sanity_checks.report.groups import grouped, reasons_of
from tradewright.sanity_checks.report.sanity_report import SanityReport
from tradewright.sanity_checks.report.style import STYLE
from tradewright.sanity_checks.report.svg import figure

__all__ = ["TAXONOMY", "report_page"]

#: The classes of leaks of Kapoor & Narayanan (2023), in a few words.
TAXONOMY = {
    "L1.1": "no test set",
    "L1.2": "pre-processing on train and test together",
    "L1.3": "feature selection on train and test together",
    "L1.4": "duplicates across the split",
    "L2": "illegitimate features",
    "L3.1": "temporal leakage",
    "L3.2": "train and test not independent",
    "L3.3": "sampling bias in the test",
}

#: The page stays below 1 MB whatever was found: findings take this many bytes, the rest is counted.
ROOM = 600_000
#: Folds told one by one in a group.
FOLDS = 12
#: The longest snippet.
CODE = 2_000


def report_page(report: SanityReport) -> str:
    """Return the page."""
    verdict, style = _verdict(report)
    body = [
        f'<header><p class="brand">tradewright sanity report</p><h1 class="{style}">{verdict}</h1>'
        f"<p>{escape(_counted(report))}</p>{_facts(report)}</header>",
        _skipped(report),
        _findings(report),
    ]
    if report.pictures:
        drawn = "".join(figure(picture, f"p{k}") for k, picture in enumerate(report.pictures))
        body.append(f'<section aria-labelledby="pictures"><h2 id="pictures">Pictures</h2>{drawn}</section>')
    body.append(_checks(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Sanity report: {escape(report.summary)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _verdict(report: SanityReport) -> tuple[str, str]:
    worst = max((severity_rank(finding.severity) for finding in report.findings), default=-1)
    if not report.checks_run and not report.findings:
        return "Nothing was checked", "warning"
    if worst == severity_rank("error"):
        return f"Do not trust a score on {'these features' if 'function' in report.config else 'this data'}", "error"
    if worst == severity_rank("warning"):
        return "No errors; look at the warnings", "warning"
    return "Nothing to worry about was found", "ok"


def _counted(report: SanityReport) -> str:
    sampled = "; some checks looked at a sample, and say so" if report.sampled else ""
    return report.summary + sampled


def _facts(report: SanityReport) -> str:
    config = report.config
    facts = [
        ("suite", config.get("suite")),
        ("function", config.get("function")),
        ("rows", config.get("rows")),
        ("folds", _listed(config["folds"]) if isinstance(config.get("folds"), (list, tuple)) else None),
        ("label horizon", config.get("horizon")),
        ("data", report.data_fingerprint),
        ("plan", report.plan_digest),
        ("report", report.digest),
        ("seconds", f"{sum(report.timings.values()):.2f}" if report.timings else None),
    ]
    items = "".join(
        f"<div><dt>{name}</dt><dd>{escape(_text(value))}</dd></div>" for name, value in facts if value is not None
    )
    return f'<dl class="facts">{items}</dl>'


def _listed(folds: Iterable[int]) -> str:
    """Folds as people write them: 0–4, 7."""
    runs: list[list[int]] = []
    for fold in sorted(folds):
        if runs and fold == runs[-1][1] + 1:
            runs[-1][1] = fold
        else:
            runs.append([fold, fold])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs)


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


# --- what could not be checked ------------------------------------------------------------------------------------


def _skipped(report: SanityReport) -> str:
    if not report.checks_skipped:
        return ""
    items = "".join(
        f"<li>{' '.join(f'<code>{escape(name)}</code>' for name in names)}: {escape(reason)}</li>"
        for reason, names in reasons_of(report.checks_skipped).items()
    )
    count = len(report.checks_skipped)
    head = f"{count} check{'s' if count > 1 else ''} could not run, or not on all folds"
    return (
        f'<section class="skipped" aria-labelledby="skipped"><h2 id="skipped">{head}</h2>'
        f"<p>These have not passed.</p><ul>{items}</ul></section>"
    )


# --- findings -----------------------------------------------------------------------------------------------------


def _findings(report: SanityReport) -> str:
    if not report.findings:
        return ""
    cards, room, groups = [], ROOM, grouped(report.findings)
    for group in groups:
        card = _card(group)
        room -= len(card.encode())
        if room < 0:
            break
        cards.append(card)
    left = len(groups) - len(cards)
    rest = f"<p>{left:,} more findings are in the JSON of the report; a page has no room for them.</p>" if left else ""
    return f'<section aria-labelledby="findings"><h2 id="findings">Findings</h2>{"".join(cards)}{rest}</section>'


def _card(group: list[Finding]) -> str:
    first = group[0]
    columns = "".join(f"<code>{escape(name)}</code> " for name in first.columns[:8])
    if len(first.columns) > 8:
        columns += f"and {len(first.columns) - 8} more"
    tag = ""
    if first.taxonomy:
        told = TAXONOMY.get(first.taxonomy, "")
        tag = f'<span class="tag" title="Kapoor &amp; Narayanan (2023)">{escape(f"{first.taxonomy} {told}".strip())}</span>'
    parts = [
        f'<article class="{first.severity}"><h3><span class="severity">{first.severity}</span> '
        f"<code>{escape(first.id)}</code>{tag}</h3>",
        f"<p>{columns}</p>" if columns else "",
    ]
    if first.fold is None and len(group) == 1:
        parts.append(f"<p>{escape(first.message)}</p>{_numbers(first)}")
    else:
        parts.append(f"<ul>{''.join(map(_of_fold, group[:FOLDS]))}</ul>")
        if len(group) > FOLDS:
            parts.append(f"<p>and {len(group) - FOLDS} more like these.</p>")
    if first.remedy:
        parts.append(f'<p class="remedy"><b>What to do</b> {escape(first.remedy)}</p>')
    parts.append(_rows(first))
    if first.reproducer:
        code = f"<pre><code>{escape(first.reproducer[:CODE])}</code></pre>"
        state = " open" if first.reproducer.count("\n") < 6 else ""
        parts.append(f"<details{state}><summary>Code that shows it</summary>{code}</details>")
    return "".join(parts) + "</article>"


def _of_fold(finding: Finding) -> str:
    place = "" if finding.fold is None else f"<b>fold {finding.fold} {escape(finding.against or '')}</b> "
    return f"<li>{place}{escape(finding.message)}</li>"


def _numbers(finding: Finding) -> str:
    """Count, value and threshold."""
    facts = [(f"{finding.count:,}", "counted")] if finding.count else []
    if finding.value is not None and math.isfinite(finding.value):
        facts.append((f"{finding.value:.4g}", "measured"))
    if finding.threshold is not None and math.isfinite(finding.threshold):
        facts.append((f"{finding.threshold:.4g}", "threshold"))
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for value, name in facts)
    return f'<dl class="facts">{items}</dl>' if items else ""


def _rows(finding: Finding) -> str:
    """The example rows as a table, with the columns that are filled."""
    if not finding.examples:
        return ""
    fields = {"source": "in", "row": "row", "asset": "asset", "time": "time", "value": "value"}
    fields |= {"other_source": "against", "other_row": "its row", "other_value": "its value"}
    shown = [name for name in fields if any(getattr(example, name) is not None for example in finding.examples)]
    head = "".join(f'<th scope="col">{fields[name]}</th>' for name in shown)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(getattr(example, name)))}</td>" for name in shown) + "</tr>"
        for example in finding.examples
    )
    fold = "" if finding.fold is None else f" of fold {finding.fold}"
    return (
        f"<details><summary>Rows{fold}: {len(finding.examples)} of {finding.count:,}</summary>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)[:120]


# --- all checks ---------------------------------------------------------------------------------------------------


def _checks(report: SanityReport) -> str:
    """Every check that was asked for, with its result, thresholds and time."""
    found: dict[str, dict[str, int]] = {}
    for finding in report.findings:
        counts = found.setdefault(finding.id, dict.fromkeys(SEVERITIES, 0))
        counts[finding.severity] += 1
    names = list(dict.fromkeys([*report.checks_run, *report.checks_skipped, *found]))
    if not names:
        return ""
    thresholds = report.config.get("thresholds") or {}
    meanings = _meanings()
    rows = []
    for name in names:
        result = ", ".join(
            f'<span class="{severity}">{count} {severity}{"s" if count > 1 and severity != "info" else ""}</span>'
            for severity, count in reversed(found.get(name, {}).items())
            if count
        )
        if name in report.checks_skipped:
            result = (
                f'{result} <span class="warning">skipped{" on some folds" if name in report.checks_run else ""}</span>'
            )
        limits = ", ".join(f"{key} {_number(value)}" for key, value in thresholds.get(name, {}).items())
        seconds = f"{report.timings[name]:.3f}" if name in report.timings else ""
        rows.append(
            f'<tr><th scope="row"><code>{escape(name)}</code><br><small>{escape(meanings.get(name, ""))}</small></th>'
            f"<td>{result.strip() or '<span class=ok>nothing found</span>'}</td>"
            f"<td>{escape(limits)}</td><td class=number>{seconds}</td></tr>"
        )
    return (
        '<section aria-labelledby="checks"><h2 id="checks">All checks</h2><div class="scroll"><table class="checks"><thead>'
        '<tr><th scope="col">check</th><th scope="col">result</th><th scope="col">thresholds</th>'
        f'<th scope="col" class=number>seconds</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div></section>'
    )


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _meanings() -> dict[str, str]:
    """What each check looks for: the first line of its docstring, behind the id."""
    from tradewright.sanity_checks.pipeline import PIPELINE_CHECKS
    from tradewright.sanity_checks.suites import CHECKS

    kinds = [(kind.id, kind.__doc__) for kind in CHECKS] + [(kind.id, kind.__doc__) for kind in PIPELINE_CHECKS]
    lines = {name: (text or "").partition("\n")[0] for name, text in kinds}
    return {name: line.partition(": ")[2].partition(" Counts")[0].rstrip(".") for name, line in lines.items()}
