"""JUnit XML as CI servers read it: by a reader that is not ours, and by the rules of their schemas."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Failure, JUnitXml, Skipped, TestSuite

import tradewright as tw
from tradewright import Finding, SanityReport

#: What the schemas of Jenkins and of Ant allow where, as far as a report uses it.
ALLOWED = {
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"testcase"}),
    "testcase": ({"name", "classname", "time"}, {"failure", "skipped", "system-out"}),
    "failure": ({"type", "message"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}


def plain():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    X[:, 1], X[5, 2] = np.nan, np.inf
    return tw.ModelSanityChecker().run(X, rng.normal(size=400))


def of_a_plan():
    rng = np.random.default_rng(0)
    time = np.arange(300)
    panel = tw.Panel.from_arrays(rng.normal(size=(300, 3)), rng.normal(size=300), time=time, label_end=time + 4)
    return tw.check(panel, tw.PurgedKFold(n_splits=3).plan(time))


def of_a_function():
    prices = tw.datasets.load_sp500().filter(ticker="KO").head(300)
    return tw.check_pipeline(lambda frame: frame.select(pl.col("close").shift(-1)), prices)


def slow():
    return replace(plain(), timings={"feature.nan": 12345.6789})


def empty():
    return SanityReport(checks_run=())


REPORTS = [plain, of_a_plan, of_a_function, slow, empty]


def follows_the_schemas(text):
    """Elements, attributes and their forms."""

    def walk(element):
        attributes, children = ALLOWED[element.tag]
        assert set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children
        if "time" in attributes:
            assert re.fullmatch(r"[0-9]+\.[0-9]{3}", element.get("time"))  # Jenkins takes no more digits
        if children:
            assert not (element.text or "").strip()
        for child in element:
            walk(child)

    root = ET.fromstring(text)
    assert root.tag == "testsuite"
    assert all(re.fullmatch("[0-9]+", root.get(name)) for name in ("tests", "failures", "errors", "skipped"))
    walk(root)


def read(report, fail_on="error"):
    text = report.to_junit(fail_on=fail_on)
    follows_the_schemas(text)
    (suite,) = JUnitXml.fromstring(text.encode())
    assert isinstance(suite, TestSuite)
    written = (suite.tests, suite.failures, suite.errors, suite.skipped)
    suite.update_statistics()
    assert written == (suite.tests, suite.failures, suite.errors, suite.skipped)
    return {case.name: case for case in suite}


@pytest.mark.parametrize("make", REPORTS)
@pytest.mark.parametrize("fail_on", ["info", "warning", "error"])
def test_reports_are_read_as_they_were_meant(make, fail_on):
    report = make()
    cases = read(report, fail_on)
    assert set(cases) == {*report.checks_run, *report.checks_skipped}
    failed = {name for name, case in cases.items() if any(isinstance(one, Failure) for one in case.result)}
    assert failed == {finding.id for finding in report.at_least(fail_on)}
    skipped = {name: case.result[0].message for name, case in cases.items() if case.is_skipped}
    assert skipped == {name: reason for name, reason in report.checks_skipped.items() if name not in report.checks_run}
    assert all(isinstance(one, Failure | Skipped) for case in cases.values() for one in case.result)
    assert {case.classname for case in cases.values()} <= {f"sanity.{name.partition('.')[0]}" for name in cases}


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1), severity=st.sampled_from(["info", "warning", "error"]))
def test_whatever_is_found_can_be_read(text, severity):
    """Names of columns come from anywhere: what XML cannot hold is marked, everything else comes back."""
    finding = Finding(id="feature.nan", severity=severity, message=text, columns=(text,), remedy=text)
    case = read(SanityReport(findings=(finding,), checks_run=("feature.nan",)))["feature.nan"]
    told = case.result[0].text if severity == "error" else case.system_out
    forbidden = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
    wanted = forbidden.sub("\ufffd", str(finding)).replace("\r\n", "\n").replace("\r", "\n")
    assert wanted in told
