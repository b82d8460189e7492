"""The page of the checks says of each what the code does: its name, its thresholds, its severities, measured rates."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tradewright.sanity_checks.pipeline import PIPELINE_CHECKS
from tradewright.sanity_checks.report.finding import SEVERITIES
from tradewright.sanity_checks.report.page import TAXONOMY
from tradewright.sanity_checks.suites import CHECKS

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "sanity_checks.md"
RATES = ROOT / "benches" / "results" / "calibration.json"
KINDS = {kind.id: kind for kind in (*CHECKS, *PIPELINE_CHECKS)}

#: SPEC's list.
PROMISED = [
    "target.invalid",
    "target.constant",
    "target.too_few",
    "target.imbalance",
    "target.outlier",
    "target.shift",
    "target.autocorr",
    "leak.target_proxy",
    "leak.missingness",
    "leak.feature_is_future_value",
    "leak.global_scaling",
    "lookahead.lag_profile",
    "lookahead.truncation",
    "lookahead.perturb",
    "lookahead.warmup",
    "lookahead.nondeterministic",
    "lookahead.asof",
    "split.index_overlap",
    "split.time_order",
    "split.label_overlap",
    "split.same_timestamp",
    "split.embargo",
    "split.entity_overlap",
    "dup.cross_exact",
    "dup.cross_near",
    "dup.within",
    "dup.key",
    "dup.conflict",
    "dup.entity",
    "dup.stale",
    "feature.nan",
    "feature.inf",
    "feature.constant",
    "feature.quasi_constant",
    "feature.duplicate_column",
    "feature.high_correlation",
    "feature.id_like",
    "feature.stale",
    "feature.sentinel",
    "feature.scale",
    "drift.univariate",
    "drift.nan_rate",
    "drift.multivariate",
]


def sections():
    parts = re.split(r"^#### `([\w.]+)`\n", PAGE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_promised_check_is_there_and_has_its_section():
    assert sorted(KINDS) == sorted(PROMISED)
    assert sorted(sections()) == sorted(PROMISED)


@pytest.mark.parametrize("name", KINDS)
def test_a_section_says_what_the_code_does(name):
    section = re.split(r"^#", sections()[name], flags=re.MULTILINE)[0]
    kind = KINDS[name]
    assert f"*{kind.severity}*" in section
    for threshold, value in kind().config().items():
        written = f"{value:g}" if isinstance(value, float) else str(value)
        assert f"`{threshold}={written}`" in section, (threshold, value)
    assert "*Example:*" in section
    assert "*Remedy:*" in section


@pytest.mark.parametrize("name", KINDS)
def test_a_check_describes_itself(name):
    kind = KINDS[name]
    first = (kind.__doc__ or "").partition("\n")[0]
    assert first.startswith(f"{name}: "), first
    assert kind.severity in SEVERITIES
    assert kind.taxonomy is None or kind.taxonomy in TAXONOMY


def test_rates_on_the_page_are_the_recorded_ones():
    text = PAGE.read_text()
    found = json.loads(RATES.read_text())
    honest = found["honest"]
    assert honest["rate"] < 0.01
    assert honest["erred"] == 0
    assert honest["never_ran"] == [] or set(honest["never_ran"]) <= {
        "lookahead.asof",
        "split.embargo",
        "split.entity_overlap",
    }
    assert all(one["passed"] for one in found["sample"]["honest"].values())
    assert all(one["caught"] for one in found["sample"]["sabotages"].values())
    assert len(found["sample"]["sabotages"]) >= 10
    assert f"{honest['panels']} honest panels" in text
    assert f"{honest['warned']} of {honest['check_runs']:,} checks" in text
    for name, one in found["detection"].items():
        assert f"| {name} | `{one['check']}` | {one['severity']} | {one['caught']} of {one['of']} |" in text, name
