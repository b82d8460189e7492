"""The gate before a fit says what it could not check, and refuses only what it found."""

from __future__ import annotations

import numpy as np
import pytest

from tradewright import Panel, WalkForward
from tradewright.training.data import TrainingData
from tradewright.training.gate import check_leakage

TIMES = np.arange(60)


def arrays(**times):
    rng = np.random.default_rng(0)
    return TrainingData.from_arrays(
        rng.normal(size=(40, 3)),
        rng.normal(size=40),
        rng.normal(size=(20, 3)),
        rng.normal(size=20),
        dtype=None,
        sample_weight=None,
        groups=None,
        assets=None,
        times={"time_train": TIMES[:40], "time_val": TIMES[40:], **times},
    )


def test_arrays_without_label_ends_are_noted_and_not_refused():
    verdict = check_leakage(arrays(), "leakage", allow_leakage=False)
    assert verdict.refusal is None
    assert any(note.startswith("label_overlap not checked: no label ends known") for note in verdict.notes)


def test_a_panel_without_label_ends_is_noted_and_not_refused():
    rng = np.random.default_rng(0)
    panel = Panel.from_arrays(rng.normal(size=(60, 3)), rng.normal(size=60), time=TIMES)
    fold = WalkForward(n_splits=2, val_size=10).plan(panel)[0]
    verdict = check_leakage(TrainingData.from_panel(panel, fold, None), "leakage", allow_leakage=False)
    assert verdict.refusal is None
    assert any(note.startswith("label_overlap not checked: no label ends known") for note in verdict.notes)


@pytest.mark.parametrize("reach", [0, 3])
def test_known_label_ends_leave_no_note(reach):
    ends = {"label_end_train": TIMES[:40] + reach, "label_end_val": TIMES[40:] + reach}
    verdict = check_leakage(arrays(**ends), "leakage", allow_leakage=False)
    assert not any("label_overlap" in note for note in verdict.notes)
    assert (verdict.refusal is None) == (reach == 0)


def test_what_is_suspicious_is_noted_and_not_refused():
    """One validation row that equals a train row may be chance: a warning."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    X[35] = X[7]
    panel = Panel.from_arrays(X, rng.normal(size=60), time=TIMES, label_end=TIMES)
    fold = WalkForward(n_splits=1, val_size=20, test_size=10).plan(panel)[0]
    data = TrainingData.from_panel(panel, fold, None)
    verdict = check_leakage(data, "leakage", allow_leakage=False)
    assert verdict.refusal is None
    assert any(note.startswith("suspicious: ") and "dup.cross_exact (1)" in note for note in verdict.notes)


def test_checks_that_lack_the_same_thing_share_a_note():
    verdict = check_leakage(arrays(), "leakage", allow_leakage=False)
    reasons = [note.partition(" not checked: ")[2] for note in verdict.notes]
    assert len(set(reasons)) == len(reasons)
