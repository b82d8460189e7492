"""The gate before a fit: rows that leak are not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import LeakageError, ParameterError
from tradewright.panel import Panel
from tradewright.training.data import TrainingData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.sanity_checks import Finding, SanityReport

__all__ = ["Verdict", "check_leakage", "check_suite"]

SUITES = ("leakage",)
#: How notes call what every reader should know of.
_NAMES = {"split.label_overlap": "label_overlap"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found: the report, and what a reader of the score should know."""

    report: SanityReport | None
    notes: tuple[str, ...] = ()
    refusal: LeakageError | None = None


def check_leakage(data: TrainingData, checks: str | None, *, allow_leakage: bool, task: str = "regression") -> Verdict:
    """Run the suite on the rows of a training.

    Parameters
    ----------
    data : TrainingData
        The rows, with the times that are known.
    checks : {"leakage", None}
        The suite; None runs none, and says so.
    allow_leakage : bool
        Note the errors instead of refusing.
    task : str
        The model's. The names of a classifier's classes are checked as numbers.

    Returns
    -------
    Verdict
        With ``refusal``, the error to raise, when there are findings of severity error.
    """
    if checks is None:
        return Verdict(None, ("leakage not checked: checks=None",))
    from tradewright.sanity_checks import ModelSanityChecker
    from tradewright.sanity_checks.declared import interleaves

    X_train, X_val = data.tables()
    y_train, y_val = (
        (None, None) if isinstance(X_train, Panel) else (data.train.y, None if data.val is None else data.val.y)
    )
    if task == "classification" and y_train is not None:
        y_train, y_val = _class_codes(y_train, y_val)
    times: dict[str, Any] = dict(data.times)
    checker = ModelSanityChecker(closed=data.closed, purge_scope=data.purge_scope)
    ends_known = (
        X_train.label_end is not None
        if isinstance(X_train, Panel)
        else {"label_end_train", "label_end_val"} <= times.keys()
    )
    interleaved = interleaves(data.proof.get("splitter") or {}, purged=ends_known)
    report = checker.run(X_train, y_train, X_val, y_val, suite=checks, interleaved=interleaved, **times)
    notes = _notes(report)
    errors = report.at_least("error")
    if not errors:
        return Verdict(report, notes)
    named = _named(errors)
    if allow_leakage:
        return Verdict(report, (*notes, f"leakage allowed: {named}"))
    refusal = LeakageError(
        f"training refused, train and validation rows are not independent: {named}. Purge the split (tw.WalkForward, "
        "tw.PurgedKFold), or pass allow_leakage=True, which is recorded",
        code="train.leakage",
        findings=[finding.id for finding in errors],
    )
    return Verdict(report, notes, refusal)


def _notes(report: SanityReport) -> tuple[str, ...]:
    """What a reader of the score should know: what was not checked and why, and what is suspicious."""
    reasons: dict[str, list[str]] = {}
    for check, reason in report.checks_skipped.items():
        reasons.setdefault(reason, []).append(_NAMES.get(check, check))
    notes = [_unchecked(checks, reason) for reason, checks in reasons.items()]
    warnings = [finding for finding in report.findings if finding.severity == "warning"]
    return (*notes, f"suspicious: {_named(warnings)}") if warnings else tuple(notes)


def _class_codes(y_train: NDArray[Any], y_val: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Number the classes where labels are text or objects: equal labels, equal numbers."""
    given = [labels for labels in (y_train, y_val) if labels is not None]
    if all(labels.dtype.kind not in "OSU" for labels in given):
        return y_train, y_val
    codes: dict[Any, int] = {}
    train, *val = (
        np.array([codes.setdefault(label, len(codes)) for label in labels.tolist()], dtype=np.int64) for labels in given
    )
    return train, val[0] if val else None


def check_suite(checks: str | None) -> None:
    """Raise for a suite there is none of."""
    if checks is not None and checks not in SUITES:
        raise ParameterError(f"checks={checks!r}: pass 'leakage', or None for no checks", code="train.checks")


def _unchecked(checks: list[str], reason: str) -> str:
    """What was not checked for one reason; the overlap of labels first, which is what a score depends on most."""
    first, *others = sorted(checks, key=lambda check: check != "label_overlap")
    return f"{first} not checked: {reason}" + (f" (nor {', '.join(others)})" if others else "")


def _named(findings: Sequence[Finding]) -> str:
    """Findings in a line: the check, the features, how many."""
    told = []
    for finding in findings:
        about = ", ".join(map(repr, finding.columns[:3])) + (" …" if len(finding.columns) > 3 else "")
        count = f"{finding.count}" if finding.count else ""
        inside = "; ".join(part for part in (about, count) if part)
        told.append(f"{finding.id} ({inside})" if inside else finding.id)
    return "; ".join(told)
