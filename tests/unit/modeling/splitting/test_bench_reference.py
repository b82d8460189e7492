"""The combinatorial reference of the benches makes the plans that we make."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tradewright as tw


def reference():
    path = Path(__file__).parents[4] / "benches" / "python" / "engines" / "numpy_reference.py"
    spec = importlib.util.spec_from_file_location("numpy_reference", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(0, 40), min_size=8, max_size=60),
    lengths=st.lists(st.integers(0, 12), min_size=60, max_size=60),
    groups=st.integers(2, 5),
    tested=st.integers(1, 4),
    embargo=st.integers(0, 4),
    monotone=st.booleans(),
)
def test_the_combinatorial_reference_is_right(times, lengths, groups, tested, embargo, monotone):
    time = np.sort(np.array(times, dtype=np.int64))
    end = time + (3 if monotone else np.array(lengths[: len(time)], dtype=np.int64))
    if len(np.unique(time)) < groups or tested >= groups:
        return
    engine = reference()
    plan = tw.CombinatorialPurgedCV(groups, tested, embargo=embargo, on_empty="keep").plan(time, label_end=end)
    found = engine.combinatorial(engine.timeline(time, end), groups, tested, embargo)
    for fold, (train, test) in zip(plan.folds, found, strict=True):
        rows = sorted(row for a, b in train.tolist() for row in range(a, b))
        assert rows == fold.train.indices().tolist()
        assert [row for a, b in test.tolist() for row in range(a, b)] == fold.test.indices().tolist()
