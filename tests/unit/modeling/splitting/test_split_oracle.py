"""The engine against the pairwise oracle, on random panels."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import _core
from tradewright.splitting import PurgedKFold, WalkForward
from tradewright.testing.splitting import OracleFold, check_splitter, oracle_roles

ROLES = ("train", "val", "test", "purged", "embargoed", "unused")


@st.composite
def panels(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray | None]:
    """Ties, gaps, labels in no order and of no length, rows in any order; sometimes no label ends."""
    steps = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=15, max_size=70))
    time = np.cumsum([gap for gap, _ in steps])
    time = time - time[0]
    length = np.array([0 if length < 3 else length for _, length in steps])
    rows = np.array(draw(st.permutations(range(len(steps))))) if draw(st.booleans()) else np.arange(len(steps))
    end = (time + length)[rows] if draw(st.booleans()) else None
    return time[rows], end


def engine_roles(fold, rows: int) -> list[str]:
    roles = [""] * rows
    for role in ROLES:
        for row in getattr(fold, role).indices().tolist():
            assert roles[row] == "", "a row has two roles"
            roles[row] = role
    return roles


def val_block(distinct: np.ndarray, start: int, stop: int, size: int) -> tuple[int, int] | None:
    """Just before the test, after it where nothing precedes."""
    block = distinct[max(start - size, 0) : start] if start > 0 else distinct[stop : stop + size]
    return (int(block[0]), int(block[-1])) if size and len(block) else None


def expected(panel, cuts, splitter, *, side, pool_before):
    time, end = panel
    distinct = np.unique(time)
    by_duration = isinstance(splitter.embargo, np.timedelta64)
    for start, stop in cuts:
        test = (int(distinct[start]), int(distinct[stop - 1]))
        pool = None
        if pool_before:
            pool = (int(distinct[0]), int(distinct[start - 1])) if start else (-2, -1)
        fold = OracleFold(
            [test],
            val_block(distinct, start, stop, splitter.val_size) if start or not pool_before else None,
            pool,
            getattr(splitter, "train_size", None),
        )
        embargo = int(splitter.embargo.astype(int)) if by_duration else splitter.embargo
        yield oracle_roles(
            time, end, fold, embargo=embargo, embargo_is_duration=by_duration, side=side, closed=splitter.closed
        )


def planned(splitter, panel):
    time, end = panel
    if isinstance(splitter.embargo, np.timedelta64):  # durations need times with a unit
        days = time.astype("datetime64[D]")
        return splitter.plan(days, label_end=None if end is None else end.astype("datetime64[D]"))
    return splitter.plan(time, label_end=end)


embargoes = st.one_of(st.integers(0, 6), st.integers(0, 9).map(lambda days: np.timedelta64(days, "D")))
closeds = st.sampled_from(["both", "left"])


@settings(max_examples=80, deadline=None)
@given(panel=panels(), folds=st.integers(2, 5), embargo=embargoes, val_size=st.integers(0, 4), closed=closeds)
def test_kfold_equals_the_oracle(panel, folds, embargo, val_size, closed):
    distinct = len(np.unique(panel[0]))
    if distinct < folds:
        return
    splitter = PurgedKFold(folds, embargo=embargo, val_size=val_size, closed=closed, on_empty="keep")
    parts = np.array_split(np.arange(distinct), folds)
    cuts = [(int(part[0]), int(part[-1]) + 1) for part in parts]
    plan = planned(splitter, panel)
    by_hand = expected(panel, cuts, splitter, side="after", pool_before=False)
    for fold, roles in zip(plan.folds, by_hand, strict=True):
        assert engine_roles(fold, len(panel[0])) == roles


@settings(max_examples=80, deadline=None)
@given(
    panel=panels(),
    folds=st.integers(1, 4),
    train_size=st.one_of(st.none(), st.integers(1, 8)),
    embargo=embargoes,
    val_size=st.integers(0, 4),
    closed=closeds,
)
def test_walk_forward_equals_the_oracle(panel, folds, train_size, embargo, val_size, closed):
    distinct = len(np.unique(panel[0]))
    size = distinct // (folds + 1)
    if size == 0:
        return
    splitter = WalkForward(
        folds, train_size=train_size, embargo=embargo, val_size=val_size, closed=closed, on_empty="keep"
    )
    cuts = [(distinct - (folds - fold) * size, distinct - (folds - fold - 1) * size) for fold in range(folds)]
    plan = planned(splitter, panel)
    by_hand = expected(panel, cuts, splitter, side="before", pool_before=True)
    for fold, roles in zip(plan.folds, by_hand, strict=True):
        assert engine_roles(fold, len(panel[0])) == roles


@pytest.mark.parametrize(
    "splitter",
    [
        PurgedKFold(3, embargo=1),
        PurgedKFold(4, embargo=2, val_size=8, closed="left", on_empty="keep"),
        WalkForward(3, val_size=8, embargo=1, on_empty="keep"),
        WalkForward(3, test_size=5, train_size=10, closed="left"),
        WalkForward(None, test_size="20d", embargo="3d"),
        WalkForward(2, test_size="14d", anchor="start", on_empty="skip"),
    ],
    ids=repr,
)
def test_our_splitters_keep_the_contract(splitter):
    check_splitter(splitter, seeds=range(4))


class _Leaky(PurgedKFold):
    """Trains on everything that is not tested."""

    def plan(self, data, *, label_end=None, asset=None):
        return super().plan(data)  # forgets the label ends


def test_the_contract_finds_a_leak():
    with pytest.raises(AssertionError, match="the labels of train row"):
        check_splitter(_Leaky(3), seeds=[0])


def test_same_table_at_any_thread_count():
    rng = np.random.default_rng(3)
    time = np.sort(rng.integers(0, 60_000, 200_000))
    end = time + rng.integers(0, 50, len(time))
    rows = rng.permutation(len(time))
    before = _core.num_threads()
    digests = set()
    try:
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            for splitter in (PurgedKFold(5, embargo=10, val_size=100), WalkForward(5, train_size=9_000)):
                plans = [splitter.plan(time, label_end=end), splitter.plan(time[rows], label_end=end[rows])]
                digests.add((repr(splitter), *(plan.digest for plan in plans)))
    finally:
        _core.set_num_threads(before)
    assert len(digests) == 2


def reference() -> ModuleType:
    path = Path(__file__).parents[4] / "benches" / "python" / "engines" / "numpy_reference.py"
    spec = importlib.util.spec_from_file_location("numpy_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@settings(max_examples=40, deadline=None)
@given(panel=panels(), folds=st.integers(2, 4), embargo=st.integers(0, 5))
def test_the_reference_of_the_bench_equals_the_oracle(panel, folds, embargo):
    time, end = panel
    order = np.argsort(time, kind="stable")
    time, end = time[order], (time if end is None else end)[order]
    distinct = len(np.unique(time))
    if distinct < folds + 1:
        return
    engine = reference()
    line = engine.timeline(time, end)
    size = distinct // (folds + 1)
    walk = [(distinct - (folds - fold) * size, distinct - (folds - fold - 1) * size) for fold in range(folds)]
    parts = np.array_split(np.arange(distinct), folds)
    cuts = [(int(part[0]), int(part[-1]) + 1) for part in parts]
    for plans, blocks, side, count in (
        (engine.kfold(line, folds, embargo), cuts, "after", embargo),
        (engine.walk_forward(line, folds), walk, "before", 0),
    ):
        config = PurgedKFold(folds, embargo=count) if side == "after" else WalkForward(folds)
        by_hand = expected((time, end), blocks, config, side=side, pool_before=side == "before")
        for (train, test), roles in zip(plans, by_hand, strict=True):
            rows = [row for a, b in train.tolist() for row in range(a, b)]
            assert rows == [row for row, role in enumerate(roles) if role == "train"]
            assert list(range(*test)) == [row for row, role in enumerate(roles) if role == "test"]
