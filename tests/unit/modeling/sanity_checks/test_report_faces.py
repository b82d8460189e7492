"""The faces of a report: the page, JUnit XML, JSON, console and notebook."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import tradewright as tw
from tradewright import Finding, SanityReport
from tradewright.errors import DataError, ParameterError
from tradewright.sanity_checks import Example

VOID = {"meta", "br", "hr", "img", "input", "link"}
NASTY = "<script>alert('x')</script> & \"quoted\" \x00\x1b[31m é 漢"


class Outline(HTMLParser):
    """Tags that open and close in order; ids, texts and attributes."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.text = [], [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.text.append(data)


def finding(**facts):
    plain = {
        "id": "dup.cross_exact",
        "severity": "error",
        "message": "3 of 10 validation rows equal a train row",
        "value": 0.3,
        "threshold": 0.0,
        "count": 3,
        "examples": (Example("panel", 7, "AAPL", "2024-01-02", "panel", 3),),
        "remedy": "remove them",
        "taxonomy": "L1.4",
    }
    return Finding(**{**plain, **facts})


@pytest.fixture(scope="module")
def overlapping():
    """A real report: labels overlap, a column is half empty, and one check was skipped."""
    panel = tw.datasets.sp500_panel(horizon=5)
    half = np.where(np.arange(len(panel)) % 3 == 0, np.nan, panel.columns["reversal_1d"])
    panel = replace(panel, columns={**panel.columns, "reversal_1d": half})
    return tw.check(panel, tw.PurgedKFold(n_splits=4, val_size=20).plan(panel.times), suite="all")


def odd_report():
    return SanityReport(
        findings=(
            finding(message=NASTY, columns=(NASTY,), remedy=NASTY, reproducer=f"print({NASTY!r})"),
            finding(id="feature.nan", severity="warning", value=float("inf"), threshold=float("nan"), taxonomy=None),
        ),
        checks_run=("dup.cross_exact", "feature.nan"),
        checks_skipped={"split.label_overlap": NASTY},
        config={"thresholds": {"feature.nan": {"info": float("inf")}}, "suite": "all"},
        timings={"feature.nan": 0.25},
    )


# --- the page ---------------------------------------------------------------------------------------------------------


def test_page_is_whole_and_shows_everything(overlapping):
    page = overlapping.to_html()
    outline = Outline(page)
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    text = " ".join(outline.text)
    for part in (
        "Do not trust a score on this data",
        overlapping.summary,
        overlapping.plan_digest,
        "split.label_overlap",
        "feature.nan",
        "purge them",
        "L3.2 train and test not independent",
        "Target over time",
        "Train, validation and test rows in time",
        "Labels that overlap, seen from near",
        "Correlation of suspects",
    ):
        assert part in text, part
    assert outline.tags.count("svg") == 3
    assert page == overlapping.to_html()


def test_page_needs_nothing_from_elsewhere(overlapping):
    for page in (overlapping.to_html(), odd_report().to_html()):
        outline = Outline(page)
        assert outline.links == []
        assert not {"script", "link", "iframe", "img", "object"} & set(outline.tags)
        assert not re.search(r"https?://|url\(|@import", page)
        assert '<meta charset="utf-8">' in page
        assert 'lang="en"' in page
        assert "prefers-color-scheme:dark" in page


def test_pictures_are_told_to_screen_readers(overlapping):
    page = overlapping.to_html()
    marks = re.findall(r'<svg [^>]*role="img" aria-labelledby="(\S+) (\S+)"', page)
    assert len(marks) == 3
    for title, description in marks:
        assert re.search(f'<title id="{title}">[^<]+</title>', page)
        assert re.search(f'<desc id="{description}">[^<]+</desc>', page)


def test_page_escapes_what_it_is_given():
    page = odd_report().to_html()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert Outline(page).open == []


def test_page_stays_below_one_megabyte():
    rows = tuple(Example("panel", row, "A" * 40, "2024-01-02T00:00:00", "panel", row) for row in range(10))
    many = tuple(
        finding(columns=(f"feature_{k}",), message="m" * 300, examples=rows, fold=None if k % 2 else k)
        for k in range(5000)
    )
    report = SanityReport(findings=many, checks_run=("dup.cross_exact",))
    page = report.to_html()
    assert len(page.encode()) < 1_000_000
    assert "more findings are in the JSON of the report" in page
    assert Outline(page).open == []
    folds = tuple(finding(fold=k, against="val") for k in range(45))
    assert "and 33 more like these" in SanityReport(findings=folds).to_html()


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (SanityReport(), "Nothing was checked"),
        (SanityReport(checks_run=("feature.nan",)), "Nothing to worry about was found"),
        (SanityReport(findings=(finding(severity="info"),), checks_run=("feature.nan",)), "Nothing to worry about"),
        (SanityReport(findings=(finding(severity="warning"),)), "No errors; look at the warnings"),
    ],
)
def test_verdicts(report, verdict):
    assert verdict in report.to_html()


def test_written_files(tmp_path, overlapping):
    assert overlapping.to_html(tmp_path / "r.html") is None
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == overlapping.to_html()
    assert overlapping.to_junit(str(tmp_path / "r.xml"), fail_on="warning") is None
    assert (tmp_path / "r.xml").read_text(encoding="utf-8") == overlapping.to_junit(fail_on="warning")


# --- JUnit ------------------------------------------------------------------------------------------------------------


def cases_of(xml):
    """The cases by name, after a check of what the schema of JUnit's XML asks for."""
    suite = ET.fromstring(xml.encode())
    assert suite.tag == "testsuite"
    assert set(suite.attrib) == {"name", "tests", "failures", "errors", "skipped", "time"}
    cases = {}
    for case in suite:
        assert case.tag == "testcase"
        assert set(case.attrib) == {"name", "classname", "time"}
        assert float(case.get("time")) >= 0
        assert [part.tag for part in case] in ([], ["failure"], ["skipped"], ["system-out"], ["failure", "system-out"])
        assert all(set(part.attrib) <= {"type", "message"} for part in case)
        cases[case.get("name")] = case
    count = {tag: sum(case.find(tag) is not None for case in suite) for tag in ("failure", "skipped")}
    assert (int(suite.get("tests")), int(suite.get("failures"))) == (len(suite), count["failure"])
    assert (int(suite.get("errors")), int(suite.get("skipped"))) == (0, count["skipped"])
    return cases


def test_junit_has_a_case_for_each_check(overlapping):
    cases = cases_of(overlapping.to_junit())
    assert set(cases) == {*overlapping.checks_run, *overlapping.checks_skipped}
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    assert failed == {f.id for f in overlapping.at_least("error")}
    told = cases["split.label_overlap"].find("failure")
    assert told.get("type") == "split.label_overlap.error"
    assert "panel row" in told.text
    assert "→ purge them" in told.text


def test_junit_fails_as_asked():
    report = odd_report()
    mild = cases_of(report.to_junit())["feature.nan"]
    assert mild.find("failure") is None
    assert "WARNING" in mild.find("system-out").text
    assert cases_of(report.to_junit(fail_on="warning"))["feature.nan"].find("failure") is not None
    assert "alert" in cases_of(report.to_junit())["split.label_overlap"].find("skipped").get("message")
    with pytest.raises(ParameterError, match="severity 'fatal'"):
        report.to_junit(fail_on="fatal")


def test_junit_of_a_check_skipped_on_some_folds():
    report = SanityReport(checks_run=("feature.nan",), checks_skipped={"feature.nan": "on fold 2: no rows"})
    case = cases_of(report.to_junit())["feature.nan"]
    assert case.find("skipped") is None
    assert case.find("system-out").text == "not checked on fold 2: no rows"


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_is_strict_and_comes_back(overlapping):
    for report in (overlapping, odd_report(), SanityReport()):

        def refuse(word):
            raise AssertionError(f"{word} is not JSON")

        json.loads(report.to_json(), parse_constant=refuse)
        again = SanityReport.from_json(report.to_json(indent=2))
        assert str(again.to_dict()) == str(report.to_dict())  # as text: NaN equals NaN
        assert again.digest == report.digest
    assert SanityReport.from_json(overlapping.to_json()) == overlapping


def test_json_of_the_first_schema_is_read():
    data = SanityReport(findings=(finding(),)).to_dict()
    del data["pictures"]
    old = {**data, "schema_version": 1, "findings": [dict(item) for item in data["findings"]]}
    for item in old["findings"]:
        del item["reproducer"]
    assert SanityReport.from_dict(old) == SanityReport(findings=(finding(),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "schema version None"),
        ('{"schema_version": 3}', "schema version 3"),
        ('{"schema_version": 2}', "damaged one: KeyError"),
        ('{"schema_version": 2, "findings": [{"id": 3}], "checks_run": [], "config": {}}', "damaged one"),
        ('{"schema_version": 2, "findings": [], "checks_run": [], "config": {}, "color": 1}', "damaged one"),
        ('{"schema_version": 2, "findings": 4, "checks_run": [], "config": {}}', "damaged one"),
    ],
)
def test_damaged_json_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        SanityReport.from_json(text)


def test_numbers_of_numpy_are_plain_in_a_report():
    report = SanityReport(findings=(finding(value=np.float32(0.5), count=np.int64(3)),), config={"x": (np.int32(1),)})
    assert json.loads(report.to_json())["findings"][0]["count"] == 3
    assert json.loads(report.to_json())["config"] == {"x": [1]}


# --- console and notebook -----------------------------------------------------------------------------------------------


def test_folds_are_told_together(capsys, overlapping):
    overlapping.show()
    shown = capsys.readouterr().out
    assert shown.count("split.label_overlap") == 1
    assert "more" in shown
    many = SanityReport(findings=tuple(finding(columns=(f"x{k}",)) for k in range(70)))
    many.show()
    assert "… and 10 more, the mildest" in capsys.readouterr().out
    assert "… and 10 more" in many._repr_html_()


def test_notebook_fragment_is_whole():
    outline = Outline(odd_report()._repr_html_())
    assert outline.open == []
    assert "script" not in outline.tags
    assert "code" in outline.tags
