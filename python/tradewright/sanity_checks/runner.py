"""Runs checks over contexts and writes the report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tradewright.sanity_checks.base import CannotRun, Check, CheckContext
from tradewright.sanity_checks.readings.evidence import pictures_of
from tradewright.sanity_checks.report import Finding, SanityReport, severity_rank

__all__ = ["run_checks"]


def run_checks(
    checks: Sequence[Check],
    *,
    rows: CheckContext,
    pairs: Iterable[CheckContext],
    ignored: set[tuple[str, str]],
    settings: Mapping[str, Any],
    data_fingerprint: str | None,
    plan_digest: str | None,
    unable: Mapping[str, str] | None = None,
) -> SanityReport:
    """Run checks of rows once on ``rows``, checks of pairs on each of ``pairs``.

    A check that could run nowhere is skipped; one that could not run on some folds is listed with those folds. Those in
    ``unable`` are not tried, and skipped for the reason given there.
    """
    findings: list[Finding] = []
    seconds = {check.id: 0.0 for check in checks}
    ran: set[str] = set()
    sampled: set[str] = set()
    reasons: dict[str, list[tuple[int | None, str]]] = {
        name: [(None, reason)] for name, reason in (unable or {}).items()
    }

    def run(check: Check, context: CheckContext) -> None:
        start = time.perf_counter()
        try:
            # The data may hold anything; what overflows is judged by its finding, and not complained of on the way.
            with np.errstate(all="ignore"):
                findings.extend(check.run(context))
            ran.add(check.id)
            if check.samples(context):
                sampled.add(check.id)
        except CannotRun as reason:
            reasons.setdefault(check.id, []).append((context.fold, str(reason)))
        finally:
            seconds[check.id] += time.perf_counter() - start

    able = [check for check in checks if check.id not in reasons]
    for check in able:
        if check.scope == "rows":
            run(check, rows)
    of_pairs = [check for check in able if check.scope == "pair"]
    seen: list[CheckContext] = []
    for context in pairs if of_pairs else ():
        seen.append(context)
        for check in of_pairs:
            run(check, context)
    order = {check.id: index for index, check in enumerate(checks)}
    kept = [finding for finding in findings if not any((finding.id, column) in ignored for column in finding.columns)]
    kept.sort(key=lambda f: (-severity_rank(f.severity), order[f.id], -1 if f.fold is None else f.fold))
    return SanityReport(
        findings=tuple(kept),
        checks_run=tuple(check.id for check in checks if check.id in ran),
        checks_skipped={
            check.id: _reason(reasons[check.id], check.id in ran) for check in checks if check.id in reasons
        },
        config={**settings, "thresholds": {check.id: check.config() for check in checks if check.config()}},
        data_fingerprint=data_fingerprint,
        plan_digest=plan_digest,
        sampled=bool(sampled),
        timings={name: round(value, 6) for name, value in seconds.items()},
        pictures=pictures_of(rows, seen, kept),
    )


def _reason(reasons: list[tuple[int | None, str]], ran_elsewhere: bool) -> str:
    """The reason, with the folds it holds for when the check ran on others."""
    texts = list(dict.fromkeys(text for _, text in reasons))
    if not ran_elsewhere:
        return "; ".join(texts)
    parts = []
    for text in texts:
        folds = sorted({fold for fold, other in reasons if other == text and fold is not None})
        parts.append(f"on fold{'s' if len(folds) > 1 else ''} {', '.join(map(str, folds))}: {text}")
    return "; ".join(parts)
