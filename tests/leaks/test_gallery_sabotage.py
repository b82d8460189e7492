"""Every way of spoiling a panel is named: by the right check, at the right severity, with columns, rows and counts."""

from __future__ import annotations

import numpy as np
import pytest
from panels import honest_market
from sabotage import SABOTAGES


@pytest.fixture(scope="module")
def panel():
    return honest_market(3, n_times=500).panel()


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name.replace(" ", "_"))
def test_sabotage_is_named(panel, sabotage):
    spoiled = sabotage.spoil(panel, np.random.default_rng(1))
    assert sabotage.caught(spoiled), f"{sabotage.check} at {sabotage.severity}\n{spoiled.report}"
    others = {f.id for f in spoiled.report.at_least("warning")} - {sabotage.check}
    assert others <= set(sabotage.also), f"also {sorted(others - set(sabotage.also))}\n{spoiled.report}"
    found = next(f for f in spoiled.report.findings if f.id == sabotage.check and f.severity == sabotage.severity)
    assert found.remedy
    assert found.message


def test_all_checks_of_leaks_have_their_sabotage():
    from tradewright.sanity_checks.suites import CHECKS

    errors = {
        kind.id for kind in CHECKS if kind.severity == "error" and kind.id.startswith(("leak", "look", "split", "dup"))
    }
    assert errors <= {sabotage.check for sabotage in SABOTAGES}
