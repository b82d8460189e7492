"""What a check found: frozen, and made of plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tradewright.errors import ParameterError

__all__ = ["SEVERITIES", "Example", "Finding", "Severity", "severity_rank"]

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")


def severity_rank(severity: str) -> int:
    """Position of a severity, the mildest first."""
    if severity not in SEVERITIES:
        raise ParameterError(f"severity {severity!r}: pass 'info', 'warning' or 'error'", code="sanity.severity")
    return SEVERITIES.index(severity)


@dataclass(frozen=True, slots=True)
class Example:
    """One row that shows a finding.

    Parameters
    ----------
    source : str
        What ``row`` counts in: ``"panel"``, ``"X_train"`` or ``"X_val"``.
    row : int
        The caller's position.
    asset, time : str or None
        Where known.
    other_source, other_row : str or None, int or None
        The row it was found to equal, overlap or contradict.
    value, other_value : str or None
        What the two rows say, where that is the point.
    """

    source: str
    row: int
    asset: str | None = None
    time: str | None = None
    other_source: str | None = None
    other_row: int | None = None
    value: str | None = None
    other_value: str | None = None

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.asset, self.time) if part)
        text = f"{self.source} row {self.row}" + (f" ({place})" if place else "")
        if self.value is not None:
            text += f": {self.value}"
        if self.other_row is None:
            return text
        text += f" ~ {self.other_source} row {self.other_row}"
        return text if self.other_value is None else f"{text}: {self.other_value}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Parameters
    ----------
    id : str
        The check that found it.
    severity : {"info", "warning", "error"}
        How bad it is.
    message : str
        What was found, in a sentence.
    columns : tuple of str
        The features it is about; empty for whole rows and for the target.
    value, threshold : float or None
        The measured quantity and the one it passed.
    count : int
        How many; what is counted is told by the message (train rows, val rows, cells).
    examples : tuple of Example
        At most ten.
    remedy : str
        What to do.
    taxonomy : str or None
        The class of leak after Kapoor & Narayanan (2023).
    fold, against : int or None, str or None
        The fold, and the part of it (``"val"``, ``"test"``) the train rows were held against.
    reproducer : str
        Code that shows it, where a few lines can.
    """

    id: str
    severity: Severity
    message: str
    columns: tuple[str, ...] = ()
    value: float | None = None
    threshold: float | None = None
    count: int = 0
    examples: tuple[Example, ...] = ()
    remedy: str = ""
    taxonomy: str | None = None
    fold: int | None = None
    against: str | None = None
    reproducer: str = ""

    def __str__(self) -> str:
        place = f" [fold {self.fold}{f', {self.against}' if self.against else ''}]" if self.fold is not None else ""
        return f"{self.severity.upper():<7} {self.id}{place}: {self.message}"
