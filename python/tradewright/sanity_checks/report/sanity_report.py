"""What was found, and what was not looked for."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

from tradewright.errors import DataError, SanityError
from tradewright.sanity_checks.report.finding import SEVERITIES, Example, Finding, Severity, severity_rank
from tradewright.sanity_checks.report.pictures import Picture, picture_from_dict, picture_to_dict

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SanityReport"]


#: Versions of the schema that can be read; 1 had no pictures and no reproducers.
_READABLE = (1, 2)
#: Entries that are not handed to the constructor as they are.
_BUILT = ("schema_version", "findings", "checks_run", "pictures")


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
    pictures : tuple of Picture
        What helps to judge the findings, as a few hundred rounded numbers each: the report is independent of the data.
        Not part of the digest.

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

    SCHEMA_VERSION: ClassVar[int] = 2

    findings: tuple[Finding, ...] = ()
    checks_run: tuple[str, ...] = ()
    checks_skipped: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    data_fingerprint: str | None = None
    plan_digest: str | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    sampled: bool = False
    pictures: tuple[Picture, ...] = ()

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
            "pictures": [picture_to_dict(picture) for picture in self.pictures],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a report.

        Raises
        ------
        DataError
            When it was written by a version this one does not know.
        """
        version = data.get("schema_version") if hasattr(data, "get") else None
        if version not in _READABLE:
            raise DataError(
                f"a sanity report of schema version {version!r} cannot be read; this version reads "
                f"{' and '.join(map(str, _READABLE))}. Write it anew",
                code="sanity.schema_version",
            )
        try:
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
            pictures = tuple(picture_from_dict(picture) for picture in data.get("pictures", ()))
            rest = {key: value for key, value in data.items() if key not in _BUILT}
            return cls(findings=findings, checks_run=tuple(data["checks_run"]), pictures=pictures, **rest)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"this is no sanity report, or a damaged one: {type(error).__name__}: {error}", code="sanity.report"
            ) from error

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read :meth:`to_json`.

        Raises
        ------
        DataError
            When it is not JSON, not a report, or of a version this one does not know.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise DataError(f"this is no sanity report: it is not JSON ({error})", code="sanity.report") from error
        try:
            return cls.from_dict(_numbered(data) if isinstance(data, dict) and "findings" in data else data)
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(f"this is no sanity report, or a damaged one: {error!r}", code="sanity.report") from error

    def to_json(self, *, indent: int | None = None) -> str:
        """Return :meth:`to_dict` as JSON text, which any reader of JSON takes: infinite values stand as ``"inf"``."""
        return json.dumps(_worded(self.to_dict()), indent=indent, ensure_ascii=False, allow_nan=False)

    @property
    def digest(self) -> str:
        """A hash of all but timings and pictures: equal findings on equal data have equal digests."""
        content = {key: value for key, value in self.to_dict().items() if key not in ("timings", "pictures")}
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

    @overload
    def to_html(self, path: None = None) -> str: ...
    @overload
    def to_html(self, path: str | Path) -> None: ...
    def to_html(self, path: str | Path | None = None) -> str | None:
        """Return the report as a page in one file, or write it.

        Parameters
        ----------
        path : str or Path, optional
            Where to write the page; without it the page is returned.

        Returns
        -------
        str or None
            HTML of less than 1 MB with everything inside: no scripts, no fonts, no network. Readable in light and dark,
            printed and by screen readers.
        """
        from tradewright.sanity_checks.report.page import report_page

        return _given_or_written(report_page(self), path)

    @overload
    def to_junit(self, path: None = None, *, fail_on: Severity = "error") -> str: ...
    @overload
    def to_junit(self, path: str | Path, *, fail_on: Severity = "error") -> None: ...
    def to_junit(self, path: str | Path | None = None, *, fail_on: Severity = "error") -> str | None:
        """Return the report as JUnit XML for CI servers, or write it: a test case for each check.

        Parameters
        ----------
        path : str or Path, optional
            Where to write it; without it the XML is returned.
        fail_on : {"info", "warning", "error"}
            The mildest severity that fails a case. Milder findings are printed in the case's output.
        """
        from tradewright.sanity_checks.report.junit import report_junit

        return _given_or_written(report_junit(self, fail_on), path)

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
        from tradewright.sanity_checks.report.display import print_report

        print_report(self)

    def _repr_html_(self) -> str:
        from tradewright.sanity_checks.report.display import report_html

        return report_html(self)

    def __getstate__(self) -> dict[str, Any]:
        return self.to_dict()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(type(self).from_dict(state).__dict__)


def _given_or_written(text: str, path: str | Path | None) -> str | None:
    if path is None:
        return text
    Path(path).write_text(text, encoding="utf-8")
    return None


def _plain(value: Any) -> Any:
    """Mappings, tuples and numpy's numbers as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value


def _worded(value: Any) -> Any:
    """Infinities and NaN as words: JSON has no such numbers, and browsers refuse a file that does."""
    if isinstance(value, dict):
        return {key: _worded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_worded(item) for item in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _numbered(data: Mapping[str, Any]) -> dict[str, Any]:
    """The words of :func:`_worded` as numbers again, where numbers stand: values, and thresholds."""

    def number(value: Any) -> Any:
        return float(value) if value in ("inf", "-inf", "nan") else value

    findings = [
        {key: number(value) if key in ("value", "threshold") else value for key, value in finding.items()}
        for finding in data["findings"]
    ]
    config = dict(data["config"])
    if isinstance(config.get("thresholds"), dict):
        config["thresholds"] = {
            check: {name: number(value) for name, value in values.items()}
            for check, values in config["thresholds"].items()
        }
    return {**data, "findings": findings, "config": config}
