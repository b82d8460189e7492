"""The report: verdict, exchange, printing."""

from __future__ import annotations

import json
import pickle

import polars as pl
import pytest

from tradewright import Finding, SanityReport
from tradewright.errors import DataError, ParameterError, SanityError
from tradewright.sanity_checks import Example

FINDINGS = (
    Finding(
        "dup.cross_exact",
        "error",
        "3 of 10 validation rows equal a train row",
        value=0.3,
        threshold=0.0,
        count=3,
        examples=(Example("panel", 7, "AAPL", "2024-01-02", "panel", 3),),
        remedy="remove them",
        taxonomy="L1.4",
        fold=2,
        against="test",
    ),
    Finding("feature.nan", "info", "'<vix>' is NaN in 6 of 100 rows", columns=("<vix>",), value=0.06, count=6),
)
REPORT = SanityReport(
    findings=FINDINGS,
    checks_run=("dup.cross_exact", "feature.nan"),
    checks_skipped={"split.label_overlap": "there are no times"},
    config={"closed": "both", "thresholds": {"feature.nan": {"info": 0.05}}},
    data_fingerprint="ab" * 16,
    plan_digest="cd",
    timings={"feature.nan": 0.5},
)


def test_verdict():
    assert not REPORT.passed()
    assert not REPORT.passed("info")
    mild = SanityReport(findings=FINDINGS[1:])
    assert mild.passed()
    assert mild.passed("warning")
    assert not mild.passed("info")
    assert SanityReport().passed("info")
    with pytest.raises(ParameterError, match="severity 'fatal'"):
        REPORT.passed("fatal")


def test_raise_if_lists_the_findings():
    with pytest.raises(SanityError, match="1 finding of severity error or worse") as error:
        REPORT.raise_if()
    assert isinstance(error.value, ValueError)
    assert error.value.fields == {"findings": ("dup.cross_exact",), "count": 1}
    assert "remove them" in str(error.value)
    assert "fold 2, test" in str(error.value)
    SanityReport(findings=FINDINGS[1:]).raise_if("warning")


def test_round_trips():
    for again in (
        SanityReport.from_dict(REPORT.to_dict()),
        SanityReport.from_dict(json.loads(REPORT.to_json(indent=1))),
        pickle.loads(pickle.dumps(REPORT)),
    ):
        assert again == REPORT
        assert again.digest == REPORT.digest
    with pytest.raises(DataError, match="schema version 99"):
        SanityReport.from_dict(REPORT.to_dict() | {"schema_version": 99})


def test_digest_forgets_the_clock_and_nothing_else():
    data = REPORT.to_dict()
    assert SanityReport.from_dict(data | {"timings": {}}).digest == REPORT.digest
    changes = {
        "findings": [],
        "checks_skipped": {},
        "config": {},
        "plan_digest": "x",
        "sampled": True,
        "checks_run": [],
    }
    for key, value in changes.items():
        assert SanityReport.from_dict(data | {key: value}).digest != REPORT.digest, key


def test_frame():
    frame = REPORT.to_frame()
    assert frame.shape[0] == 2
    assert frame["rows"].to_list() == [[7], []]
    assert frame.filter(pl.col("fold") == 2)["against"].to_list() == ["test"]
    empty = SanityReport().to_frame()
    assert empty.shape[0] == 0
    assert empty.schema == frame.schema


def test_printing(capsys):
    text = str(REPORT)
    assert text.splitlines()[0] == "1 error, 1 info; 2 checks ran, 1 skipped"
    assert "skipped split.label_overlap: there are no times" in text
    assert str(FINDINGS[0].examples[0]) == "panel row 7 (AAPL, 2024-01-02) ~ panel row 3"
    REPORT.show()
    shown = capsys.readouterr().out
    for part in ("dup.cross_exact", "remove them", "skipped split.label_overlap", "AAPL"):
        assert part in shown
    SanityReport().show()
    assert "nothing found" in capsys.readouterr().out


def test_html_is_escaped():
    html = REPORT._repr_html_()
    assert "&lt;vix&gt;" in html
    assert "<vix>" not in html
    assert "there are no times" in html


def test_reports_are_frozen():
    with pytest.raises(AttributeError):
        REPORT.findings = ()
    with pytest.raises(TypeError):
        REPORT.config["closed"] = "left"
