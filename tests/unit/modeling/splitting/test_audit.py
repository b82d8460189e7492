"""The audit of any splitter against every pair of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedKFold, TimeSeriesSplit

import tradewright as tw
from tradewright.errors import DataError, LeakageError, ParameterError
from tradewright.testing.splitting import OracleFold, labels_overlap, oracle_roles


def panel_of(time, end, asset=None):
    return tw.Panel.from_arrays(
        np.zeros((len(time), 1)),
        np.arange(len(time)) * 1.0,
        time=time,
        label_end=end,
        asset=asset,
        allow_duplicate_keys=True,
    )


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6), st.integers(0, 2)), min_size=4, max_size=40),
    sides=st.lists(st.sampled_from(["train", "test", "both", "none"]), min_size=40, max_size=40),
    closed=st.sampled_from(["both", "left"]),
    scope=st.sampled_from(["all", "asset"]),
)
def test_overlaps_equal_every_pair(rows, sides, closed, scope):
    time, length, asset = np.array(rows).T
    panel = panel_of(time, time + length, asset)
    train = [row for row in range(len(rows)) if sides[row] in ("train", "both")]
    test = [row for row in range(len(rows)) if sides[row] in ("test", "both")]
    audit = tw.audit_splits([(train, test)], panel, closed=closed, purge_scope=scope).folds[0]
    kin = asset if scope == "asset" else np.zeros(len(rows))
    label = [(int(a), int(a + b)) for a, b in zip(time, length, strict=True)]
    twin = [
        row
        for row in train
        if row not in test
        and any(kin[row] == kin[other] and labels_overlap(label[row], label[other], closed) for other in test)
    ]
    assert audit.overlapping == len(twin)
    assert audit.shared_rows == len(set(train) & set(test))
    assert audit.shared_timestamps == len({time[row] for row in train} & {time[row] for row in test})
    leaks = sorted({*twin, *(set(train) & set(test))})
    assert audit.first_leak == (leaks[0] if leaks else -1)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 6), st.integers(0, 2)), min_size=12, max_size=40),
    cuts=st.lists(st.integers(0, 26), min_size=4, max_size=4),
    embargo=st.one_of(st.integers(0, 5), st.integers(0, 6).map(lambda days: np.timedelta64(days, "D"))),
    scope=st.sampled_from(["all", "asset"]),
    walks=st.booleans(),
)
def test_embargo_equals_the_oracle(rows, cuts, embargo, scope, walks):
    time, length, asset = np.array(rows).T
    cuts = sorted(cuts)
    blocks = [(cuts[0], cuts[1] - 1), (cuts[2], cuts[3] - 1)]
    distinct = np.unique(time)
    # As blocks of tested timestamps: neighbours are one.
    tested = [t for t in distinct if any(a <= t <= b for a, b in blocks)]
    if not tested:
        return
    runs = np.split(tested, np.flatnonzero(np.diff(np.searchsorted(distinct, tested)) > 1) + 1)
    pool = (-1, int(tested[0]) - 1) if walks else None
    days = isinstance(embargo, np.timedelta64)
    roles = oracle_roles(
        time,
        time + length,
        OracleFold([(int(run[0]), int(run[-1])) for run in runs], pool=pool),
        embargo=int(embargo.astype(int)) if days else embargo,
        embargo_is_duration=days,
        side="before" if walks else "after",
        asset=asset if scope == "asset" else None,
    )
    train = [row for row, role in enumerate(roles) if role not in ("test", "unused")]
    if not train or (not walks and max(time[row] for row in train) < min(tested)):
        return  # nothing follows a test, so that the audit takes it for a walk forward
    test = [row for row, role in enumerate(roles) if role == "test"]
    panel = panel_of(time.astype("M8[D]"), (time + length).astype("M8[D]"), asset)
    audit = tw.audit_splits([(train, test)], panel, embargo=embargo, purge_scope=scope).folds[0]
    assert audit.overlapping == roles.count("purged")
    assert audit.embargoed == roles.count("embargoed")


def test_our_splitters_pass_and_scikit_learns_do_not():
    panel = tw.datasets.sp500_panel(horizon=5)
    for ours in (
        tw.PurgedKFold(5, embargo=5),
        tw.WalkForward(4, embargo=5),
        tw.SequentialSplit(embargo=5),
        tw.CombinatorialPurgedCV(6, 2, embargo=5),
    ):
        assert tw.audit_splits(ours, panel, embargo=5).passed, ours
        tw.audit_splits(ours.plan(panel), panel, embargo=5).raise_if()
    for cv, found in (
        (KFold(5), "overlapping"),
        (KFold(5, shuffle=True, random_state=0), "shared_timestamps"),
        (TimeSeriesSplit(5), "overlapping"),
        (ShuffleSplit(2, random_state=0), "overlapping"),
    ):
        audit = tw.audit_splits(cv, panel)
        assert not audit.passed
        assert all(getattr(fold, found) for fold in audit.folds)
        with pytest.raises(
            LeakageError, match=r"\d of \d folds leak; fold 0: [\d,]+ train rows have a label"
        ) as caught:
            audit.raise_if()
        assert caught.value.fields["row"] == audit.folds[0].first_leak
    unpurged = tw.PurgedKFold(5).plan(panel.time)
    assert not tw.audit_splits(unpurged, panel).passed


def test_splitters_get_what_they_ask_for():
    panel = tw.datasets.sp500_panel(horizon=5)
    by_name = tw.audit_splits(GroupKFold(4), panel, groups=panel.asset)
    assert {fold.overlapping for fold in by_name.folds} == {fold.train for fold in by_name.folds}
    apart = tw.audit_splits(GroupKFold(4), panel, groups=panel.asset, purge_scope="asset")
    assert {(fold.overlapping, fold.shared_timestamps) for fold in apart.folds} == {(0, 8056)}
    signs = tw.Panel.from_arrays(np.zeros((60, 1)), np.arange(60) % 2, time=np.arange(60))
    assert len(tw.audit_splits(StratifiedKFold(3), signs).folds) == 3

    class ReadsTheIndex:
        def split(self, X, y=None, groups=None):
            later = X.index >= "2010-01-01"
            yield np.flatnonzero(~later), np.flatnonzero(later)

    audit = tw.audit_splits(ReadsTheIndex(), panel, X=pd.DataFrame(index=pd.DatetimeIndex(panel.times)))
    assert audit.folds[0].overlapping == 5 * 20


def test_the_report_can_be_read():
    panel = tw.datasets.sp500_panel(horizon=5)
    audit = tw.audit_splits(TimeSeriesSplit(3), panel, embargo="5d")
    frame = audit.to_frame()
    assert frame.height == 3
    assert frame["overlapping"].sum() == sum(fold.overlapping for fold in audit.folds)
    assert "3 of 3 folds leak" in str(audit)
    blind = tw.Panel.from_arrays(np.zeros((30, 1)), np.zeros(30), time=np.arange(30))
    told = str(tw.audit_splits(TimeSeriesSplit(3), blind))
    assert "no leak found" in told
    assert "no label ends known" in told


@pytest.mark.parametrize(
    ("cv", "error", "named"),
    [
        ([([0, 1], [30])], DataError, "fold 0: test has positions from 30 to 30, the panel has rows 0 to 29"),
        ([([0, -1], [3])], DataError, "fold 0: train has positions from -1"),
        ([([0.5], [3])], DataError, "fold 0: train is of dtype float64"),
        ([], DataError, "yields no folds"),
        (5, DataError, "a int does not split"),
    ],
)
def test_what_is_no_splitter_is_named(cv, error, named):
    panel = tw.Panel.from_arrays(np.zeros((30, 1)), np.zeros(30), time=np.arange(30))
    with pytest.raises(error, match=named):
        tw.audit_splits(cv, panel)
    with pytest.raises(ParameterError, match="needs a panel with assets"):
        tw.audit_splits(TimeSeriesSplit(3), panel, purge_scope="asset")
