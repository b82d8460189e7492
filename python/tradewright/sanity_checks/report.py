"""What was found, and what was not looked for."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from tradewright.errors import DataError, ParameterError, SanityError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SEVERITIES", "Example", "Finding", "SanityReport", "Severity"]

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
        The row it was found to equal or overlap.
    """

    source: str
    row: int
    asset: str | None = None
    time: str | None = None
    other_source: str | None = None
    other_row: int | None = None

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.asset, self.time) if part)
        text = f"{self.source} row {self.row}" + (f" ({place})" if place else "")
        return text if self.other_row is None else f"{text} ~ {self.other_source} row {self.other_row}"


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

    def __str__(self) -> str:
        place = f" [fold {self.fold}{f', {self.against}' if self.against else ''}]" if self.fold is not None else ""
        return f"{self.severity.upper():<7} {self.id}{place}: {self.message}"


@dataclass(frozen=True)
class SanityReport:
    """The findings of some checks, and the checks that could not run.

    Parameters
    ----------
    findings : tuple of Finding
        The worst first.
    checks_run : tuple of str
        The checks that ran, found something or not.
    checks_skipped : mapping of str to str
        The checks that could not run, each with the reason. They have not passed.
    config : mapping
        Thresholds and settings.
    data_fingerprint, plan_digest : str or None
        The data and the plan that were checked.
    timings : mapping of str to float
        Seconds by check; not part of the digest.
    sampled : bool
        Whether any check looked at a sample only.

    Examples
    --------
    >>> report = SanityReport(findings=(Finding("target.constant", "error", "every label is 1.0", count=50),),
    ...                       checks_run=("target.constant",), checks_skipped={"feature.nan": "there are no features"})
    >>> report.passed(), report.passed(fail_on="error")
    (False, False)
    >>> print(report)
    1 error; 1 check ran, 1 skipped
    ERROR   target.constant: every label is 1.0
    skipped feature.nan: there are no features
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    findings: tuple[Finding, ...] = ()
    checks_run: tuple[str, ...] = ()
    checks_skipped: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    data_fingerprint: str | None = None
    plan_digest: str | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    sampled: bool = False

    def __post_init__(self) -> None:
        for name in ("checks_skipped", "config", "timings"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __hash__(self) -> int:
        return hash(self.digest)

    # --- verdict --------------------------------------------------------------------------------------------------

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of this severity or worse."""
        floor = severity_rank(severity)
        return tuple(finding for finding in self.findings if severity_rank(finding.severity) >= floor)

    def passed(self, fail_on: Severity = "error") -> bool:
        """Return whether nothing of this severity or worse was found. Skipped checks neither pass nor fail."""
        return not self.at_least(fail_on)

    def raise_if(self, severity: Severity = "error") -> None:
        """Raise when something of this severity or worse was found.

        Raises
        ------
        SanityError
            It lists the findings with their remedies; ``fields["findings"]`` holds their ids.
        """
        bad = self.at_least(severity)
        if not bad:
            return
        lines = [f"{finding}\n        {finding.remedy}".rstrip() for finding in bad]
        ids = tuple(dict.fromkeys(finding.id for finding in bad))
        plural = "s" if len(bad) > 1 else ""
        raise SanityError(
            f"{len(bad)} finding{plural} of severity {severity} or worse:\n" + "\n".join(lines),
            code="sanity.findings",
            findings=ids,
            count=len(bad),
        )

    # --- exchange -------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, dictionaries, numbers and text."""
        return {
            "schema_version": self.SCHEMA_VERSION,
            "findings": [_plain(asdict(finding)) for finding in self.findings],
            "checks_run": list(self.checks_run),
            "checks_skipped": dict(self.checks_skipped),
            "config": _plain(self.config),
            "data_fingerprint": self.data_fingerprint,
            "plan_digest": self.plan_digest,
            "timings": dict(self.timings),
            "sampled": self.sampled,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a report.

        Raises
        ------
        DataError
            When it was written by a version this one does not know.
        """
        version = data.get("schema_version")
        if version != cls.SCHEMA_VERSION:
            raise DataError(
                f"a sanity report of schema version {version!r} cannot be read; this version reads "
                f"{cls.SCHEMA_VERSION}. Write it anew",
                code="sanity.schema_version",
            )
        rest = {key: value for key, value in data.items() if key not in ("schema_version", "findings", "checks_run")}
        findings = tuple(
            Finding(
                **{
                    **item,
                    "columns": tuple(item["columns"]),
                    "examples": tuple(Example(**example) for example in item["examples"]),
                }
            )
            for item in data["findings"]
        )
        return cls(findings=findings, checks_run=tuple(data["checks_run"]), **rest)

    def to_json(self, *, indent: int | None = None) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    @property
    def digest(self) -> str:
        """A hash of all but the timings: equal reports on equal data have equal digests."""
        content = {key: value for key, value in self.to_dict().items() if key != "timings"}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def to_frame(self) -> pl.DataFrame:
        """Return a row per finding."""
        import polars as pl

        schema: dict[str, Any] = {
            "id": pl.String,
            "severity": pl.String,
            "fold": pl.Int64,
            "against": pl.String,
            "columns": pl.List(pl.String),
            "value": pl.Float64,
            "threshold": pl.Float64,
            "count": pl.Int64,
            "message": pl.String,
            "remedy": pl.String,
            "taxonomy": pl.String,
            "rows": pl.List(pl.Int64),
        }
        records = [
            {name: getattr(finding, name) for name in schema if name not in ("columns", "rows")}
            | {"columns": list(finding.columns), "rows": [example.row for example in finding.examples]}
            for finding in self.findings
        ]
        return pl.DataFrame(records, schema=schema)

    # --- printing -------------------------------------------------------------------------------------------------

    @property
    def summary(self) -> str:
        """One line: what was found and what was not looked for."""
        counts = Counter(finding.severity for finding in self.findings)
        found = ", ".join(
            f"{counts[s]} {s}{'s' if counts[s] > 1 and s != 'info' else ''}" for s in reversed(SEVERITIES) if counts[s]
        )
        ran = len(self.checks_run)
        skipped = f", {len(self.checks_skipped)} skipped" if self.checks_skipped else ""
        return f"{found or 'nothing found'}; {ran} check{'s' if ran != 1 else ''} ran{skipped}"

    def __str__(self) -> str:
        skipped = [f"skipped {name}: {reason}" for name, reason in self.checks_skipped.items()]
        return "\n".join([self.summary, *map(str, self.findings), *skipped])

    def show(self) -> None:
        """Print the report as a table to the console."""
        from tradewright.sanity_checks.display import print_report

        print_report(self)

    def _repr_html_(self) -> str:
        from tradewright.sanity_checks.display import report_html

        return report_html(self)

    def __getstate__(self) -> dict[str, Any]:
        return self.to_dict()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(type(self).from_dict(state).__dict__)


def _plain(value: Any) -> Any:
    """Mappings and tuples as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
