"""Every splitter against the pairwise oracle: blocks, validation, embargo, and purging within assets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tradewright as tw
from tradewright.errors import DataError, ParameterError, SplitError, UnsupportedError
from tradewright.testing.splitting import OracleFold, check_splitter, oracle_roles

ROLES = ("train", "val", "test", "purged", "embargoed", "unused")


@st.composite
def panels(draw: st.DrawFn):
    """Ties, gaps, labels in no order and of no length, a few assets, rows in any order."""
    steps = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 2)), min_size=15, max_size=60))
    time = np.cumsum([gap for gap, _, _ in steps])
    time = time - time[0]
    end = time + np.array([0 if length < 3 else length for _, length, _ in steps])
    asset = np.array([code for *_, code in steps])
    rows = np.array(draw(st.permutations(range(len(steps))))) if draw(st.booleans()) else np.arange(len(steps))
    return time[rows], end[rows], asset[rows]


rules = st.fixed_dictionaries(
    {
        "embargo": st.one_of(st.integers(0, 5), st.integers(0, 9).map(lambda days: np.timedelta64(days, "D"))),
        "closed": st.sampled_from(["both", "left"]),
        "purge_scope": st.sampled_from(["all", "asset"]),
    }
)


def agree(splitter, panel, folds, side):
    """Hold the engine's roles against the oracle's; folds are (test blocks, val, pool) in timestamps."""
    time, end, asset = panel
    days, reach = (values.astype("datetime64[D]") for values in (time, end))
    plan = splitter.plan(days, label_end=reach, asset=asset)
    distinct = np.unique(time)
    by_duration = isinstance(splitter.embargo, np.timedelta64)

    def block(span):
        start, stop = span
        return (int(distinct[start]), int(distinct[stop - 1])) if stop > start else None

    assert len(plan) == len(folds)
    for fold, (tests, val, pool) in zip(plan.folds, folds, strict=True):
        by_hand = oracle_roles(
            time,
            end,
            OracleFold([block(test) for test in tests], block(val), block(pool) or (-2, -1)),
            embargo=int(splitter.embargo.astype(int)) if by_duration else splitter.embargo,
            embargo_is_duration=by_duration,
            side=side,
            closed=splitter.closed,
            asset=asset if splitter.purge_scope == "asset" else None,
        )
        roles = [""] * len(time)
        for role in ROLES:
            for row in getattr(fold, role).indices().tolist():
                assert roles[row] == "", "a row has two roles"
                roles[row] = role
        assert roles == by_hand
        for row in range(0, len(time), 7):  # and says so of each
            assert plan.explain(row, fold.index).startswith(roles[row])


def val_of(tests, pool, size):
    """Just before the first test; after it where nothing precedes, cut short by the next."""
    start, stop = tests[0]
    if start > pool[0]:
        return max(start - size, pool[0]), start
    limit = tests[1][0] if len(tests) > 1 else pool[1]
    return stop, max(stop, min(stop + size, limit))


@settings(max_examples=80, deadline=None)
@given(panel=panels(), groups=st.integers(2, 6), tested=st.integers(1, 4), val_size=st.integers(0, 4), rules=rules)
def test_combinatorial_equals_the_oracle(panel, groups, tested, val_size, rules):
    count = len(np.unique(panel[0]))
    if count < groups or tested >= groups:
        return
    splitter = tw.CombinatorialPurgedCV(groups, tested, val_size=val_size, on_empty="keep", **rules)
    edges = np.cumsum([0, *(len(part) for part in np.array_split(np.arange(count), groups))]).tolist()
    folds = []
    for chosen in itertools.combinations(range(groups), tested):
        tests: list[tuple[int, int]] = []
        for group in chosen:  # groups that touch are one block
            if tests and tests[-1][1] == edges[group]:
                tests[-1] = tests[-1][0], edges[group + 1]
            else:
                tests.append((edges[group], edges[group + 1]))
        folds.append((tests, val_of(tests, (0, count), val_size), (0, count)))
    agree(splitter, panel, folds, "after")


@settings(max_examples=60, deadline=None)
@given(panel=panels(), sizes=st.tuples(*[st.integers(1, 9)] * 3), open_end=st.booleans(), rules=rules)
def test_sequential_equals_the_oracle(panel, sizes, open_end, rules):
    count = len(np.unique(panel[0]))
    train, val, test = sizes
    if sum(sizes) > count:
        return
    splitter = tw.SequentialSplit(train, val, None if open_end else test, on_empty="keep", **rules)
    stop = count if open_end else sum(sizes)
    agree(splitter, panel, [([(train + val, stop)], (train, train + val), (0, train + val))], "before")


@settings(max_examples=60, deadline=None)
@given(panel=panels(), share=st.sampled_from([0.3, 0.5, 0.7]), val_size=st.integers(0, 3), rules=rules)
def test_purged_split_equals_the_oracle(panel, share, val_size, rules):
    count = len(np.unique(panel[0]))
    cut = math.floor(round(share * 10) * count / 10)
    if not 0 < cut < count:
        return
    splitter = tw.PurgedSplit(share, val_size=val_size, on_empty="keep", **rules)
    tests = [(cut, count)]
    agree(splitter, panel, [(tests, val_of(tests, (0, cut), val_size), (0, cut))], "before")


@settings(max_examples=60, deadline=None)
@given(panel=panels(), folds=st.integers(2, 4), walks=st.booleans(), rules=rules)
def test_assets_are_kept_apart_on_request(panel, folds, walks, rules):
    count = len(np.unique(panel[0]))
    if count < folds + 1:
        return
    rules = rules | {"purge_scope": "asset"}
    if walks:
        size = count // (folds + 1)
        cuts = [(count - (folds - fold) * size, count - (folds - fold - 1) * size) for fold in range(folds)]
        splitter = tw.WalkForward(folds, on_empty="keep", **rules)
        agree(splitter, panel, [([cut], (0, 0), (0, cut[0])) for cut in cuts], "before")
    else:
        parts = np.array_split(np.arange(count), folds)
        cuts = [(int(part[0]), int(part[-1]) + 1) for part in parts]
        agree(
            tw.PurgedKFold(folds, on_empty="keep", **rules), panel, [([c], (0, 0), (0, count)) for c in cuts], "after"
        )


@pytest.mark.parametrize(
    "splitter",
    [
        tw.SequentialSplit(0.5, 0.25, 0.25),
        tw.SequentialSplit(20, 10, 5, embargo=1, closed="left"),
        tw.SequentialSplit("30d", "15d", None, embargo="3d"),
        tw.PurgedSplit(0.7, embargo=2),
        tw.PurgedSplit("40d", val_size="12d", embargo="2b"),
        tw.CombinatorialPurgedCV(5, 2, embargo=1, on_empty="keep"),
        tw.CombinatorialPurgedCV(4, 3, closed="left", on_empty="skip"),
        tw.CombinatorialPurgedCV(6, 1, val_size=6, embargo="1d", on_empty="keep"),
        tw.PurgedKFold(4, embargo=1, val_size=6, purge_scope="asset"),
        tw.WalkForward(3, train_size=10, embargo="2d", purge_scope="asset"),
        tw.CombinatorialPurgedCV(5, 2, embargo=1, closed="left", purge_scope="asset"),
    ],
    ids=repr,
)
def test_every_splitter_keeps_the_contract(splitter):
    check_splitter(splitter, seeds=range(3))


# --- sizes --------------------------------------------------------------------------------------------------------


def test_fractions_that_sum_to_one_leave_nothing_unused():
    for count in range(7, 120):
        plan = tw.SequentialSplit().plan(np.arange(count))
        assert not len(plan[0].unused)
        assert len(plan[0].train) == count * 7 // 10
    assert len(tw.SequentialSplit(0.5, 0.2, 0.2).plan(np.arange(100))[0].unused) == 10


def test_calendar_sizes_are_laid_from_the_start_in_the_local_zone():
    import pandas as pd

    hours = pd.date_range("2024-03-01", "2024-06-01", freq="h", tz="America/New_York", inclusive="left")
    fold = tw.SequentialSplit("1mo", "2w", "1mo").plan(hours)[0]
    assert hours[fold.val.indices()[0]] == pd.Timestamp("2024-04-01", tz="America/New_York")
    assert hours[fold.test.indices()[0]] == pd.Timestamp("2024-04-15", tz="America/New_York")
    assert len(fold.train) == 31 * 24 - 1  # a night of March has 23 hours
    assert hours[fold.unused.indices()[0]] == pd.Timestamp("2024-05-15", tz="America/New_York")


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: tw.SequentialSplit(0.7, 0.2, 0.2), ParameterError, "sum to 1.1"),
        (lambda: tw.SequentialSplit(0), ParameterError, "train_size=0"),
        (lambda: tw.SequentialSplit(test_size=0), ParameterError, "test_size=0"),
        (lambda: tw.SequentialSplit(purge_scope="both"), ParameterError, "purge_scope='both'"),
        (lambda: tw.SequentialSplit(20, 5, 10).plan(np.arange(30)), SplitError, "test_size=10 from timestamp 25"),
        (lambda: tw.SequentialSplit(20, 40, 10).plan(np.arange(30)), SplitError, "val_size=40"),
        (lambda: tw.SequentialSplit(0.01, 0.5, 0.4).plan(np.arange(30)), SplitError, "train_size=0.01 leaves a part"),
        (lambda: tw.SequentialSplit(20, 10, None).plan(np.arange(30)), SplitError, "test_size=None leaves a part"),
        (
            lambda: tw.SequentialSplit("10d", 0, "60d").plan(np.arange("2024-01-01", "2024-02-01", dtype="M8[D]")),
            SplitError,
            "test_size='60d' from timestamp 10 reaches beyond",
        ),
        (lambda: tw.PurgedSplit(1.0).plan(np.arange(30)), SplitError, "train_size=1.0 leaves a part"),
        (lambda: tw.PurgedSplit(0.001).plan(np.arange(30)), SplitError, "train_size=0.001 leaves a part"),
        (lambda: tw.PurgedSplit(31).plan(np.arange(30)), SplitError, "train_size=31 from timestamp 0"),
        (lambda: tw.CombinatorialPurgedCV(1), ParameterError, "n_groups=1"),
        (lambda: tw.CombinatorialPurgedCV(4, 4), ParameterError, "n_test_groups=4 of n_groups=4"),
        (lambda: tw.CombinatorialPurgedCV(4, 0), ParameterError, "n_test_groups=0"),
        (lambda: tw.CombinatorialPurgedCV(10, 2).plan(np.arange(9)), SplitError, "9 distinct timestamps are too few"),
        (lambda: tw.PurgedKFold(3, purge_scope="asset").plan(np.arange(30)), ParameterError, "needs to know the asset"),
    ],
)
def test_what_cannot_be_split_is_named(make, error, named):
    with pytest.raises(error, match=named.replace("(", r"\(")):
        make()


# --- paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("groups", "tested"), [(4, 2), (6, 2), (6, 3), (5, 4), (5, 1), (10, 2)])
def test_paths_take_every_split_of_every_group_once(groups, tested):
    plan = tw.CombinatorialPurgedCV(groups, tested, on_empty="keep").plan(np.arange(60))
    assert len(plan) == plan.get_n_splits() == math.comb(groups, tested)
    by_hand = [
        [number for number, chosen in enumerate(itertools.combinations(range(groups), tested)) if group in chosen]
        for group in range(groups)
    ]
    assert np.array_equal(plan.paths, np.array(by_hand).T)
    assert len(plan.paths) == tested * math.comb(groups, tested) // groups


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("tail", [(), (2,)])
def test_paths_are_assembled_from_predictions(shuffle, tail):
    rng = np.random.default_rng(0)
    time = np.repeat(np.arange(50), 3)  # three assets a date
    if shuffle:
        rng.shuffle(time)
    plan = tw.CombinatorialPurgedCV(5, 2).plan(time, label_end=time + 2)
    row = np.arange(len(time), dtype=np.float64).reshape(-1, *(1 for _ in tail)) * np.ones((1, *tail))
    predictions = [row[fold.test] + fold.index / 1000 for fold in plan.folds]
    paths = plan.assemble_paths(predictions)
    assert paths.shape == (4, len(time), *tail)
    edges = np.cumsum([0, *(len(part) for part in np.array_split(np.arange(50), 5))])
    group = np.searchsorted(edges, time, side="right") - 1
    for path, splits in zip(paths, plan.paths, strict=True):
        assert np.allclose(path, row + (splits[group] / 1000).reshape(-1, *(1 for _ in tail)))


def test_paths_that_cannot_be_are_refused():
    plan = tw.CombinatorialPurgedCV(4, 2).plan(np.arange(40))
    good = [np.zeros(len(fold.test)) for fold in plan.folds]
    with pytest.raises(DataError, match="6 splits and predictions of 5"):
        plan.assemble_paths(good[:5])
    with pytest.raises(DataError, match=r"split 3: predictions of shape \(19,\) for 20 test rows") as caught:
        plan.assemble_paths([*good[:3], good[3][:19], *good[4:]])
    assert caught.value.fields["fold"] == 3
    with pytest.raises(UnsupportedError, match="PurgedKFold tests no group more than once"):
        _ = tw.PurgedKFold(3).plan(np.arange(40)).paths
    kept = tw.SplitPlan.from_json(plan.to_json())
    assert np.array_equal(kept.assemble_paths(good), plan.assemble_paths(good))
    time = np.arange(40)
    skipping = tw.CombinatorialPurgedCV(4, 3, embargo=30, on_empty="skip").plan(time, label_end=time + 1)
    assert 0 < len(skipping) < 4
    with pytest.raises(SplitError, match="were left out"):
        _ = skipping.paths


def test_many_splits_are_warned_about():
    with pytest.warns(UserWarning, match="12,870 splits, each a model to fit"):
        tw.CombinatorialPurgedCV(16, 8).plan(np.arange(40))
    with pytest.raises(ParameterError, match="n_groups"):
        tw.CombinatorialPurgedCV(60, 30).plan(np.arange(80))


# --- units of time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "splitter",
    [
        tw.SequentialSplit(0.5, 0.2, 0.3),
        tw.WalkForward(4, train_size=20, val_size=6, embargo=1),
        tw.PurgedKFold(4, embargo=2, val_size=10),
        tw.PurgedSplit(0.6, embargo=3),
        tw.CombinatorialPurgedCV(5, 2, embargo=1),
    ],
    ids=repr,
)
def test_the_unit_of_time_does_not_matter(splitter):
    rng = np.random.default_rng(5)
    time = np.sort(rng.integers(0, 80, 200))
    end = time + rng.integers(0, 4, 200)
    expected = splitter.plan(time, label_end=end).table.segments
    ticks = np.int64(1_700_000_000) * 10**9 + time * 100  # 100 ns apart: the same float64 second
    for times, ends in (
        (time.astype("M8[D]"), end.astype("M8[D]")),
        (time.astype("M8[D]"), end.astype("M8[D]").astype("M8[ns]")),
        (time.astype("M8[D]").astype("M8[us]"), end.astype("M8[D]").astype("M8[s]")),
        (ticks.view("M8[ns]"), (ticks + (end - time) * 100).view("M8[ns]")),
        (time.astype(np.uint16), end.astype(np.int32)),
    ):
        assert np.array_equal(splitter.plan(times, label_end=ends).table.segments, expected)


class _CutsTimestamps(tw.PurgedSplit):
    """Cuts by rows."""

    def plan(self, data, *, label_end=None, asset=None):
        return super().plan(np.argsort(np.argsort(data, kind="stable"), kind="stable"), label_end=None)


def test_the_contract_finds_what_it_should():
    with pytest.raises(AssertionError, match=r"share the timestamp|overlap"):
        check_splitter(_CutsTimestamps(0.5), seeds=[0])
    forgets = type("Forgets", (tw.PurgedKFold,), {"split": lambda self, *a, **k: iter([])})
    with pytest.raises(AssertionError, match="get_n_splits says 3, 0 are yielded"):
        check_splitter(forgets(3), seeds=[0])


# --- times that are none ------------------------------------------------------------------------------------------

DAYS = np.arange("2024-01-01", "2024-02-10", dtype="M8[D]")


def _changed(values, row, value):
    changed = values.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize("splitter", [tw.SequentialSplit(), tw.CombinatorialPurgedCV(4, 2), tw.PurgedSplit()])
@pytest.mark.parametrize(
    ("time", "label_end", "named"),
    [
        (DAYS, _changed(DAYS, 7, "NaT"), "row 7: label_end is missing"),
        (_changed(DAYS, 7, "NaT"), DAYS, "row 7: time is missing"),
        (DAYS, _changed(DAYS + 3, 11, "2020-01-01"), "row 11: .*label"),
        (np.arange(40), np.full(40, np.inf), "label_end is of dtype float64, not a time"),
        (np.arange(40), np.full(40, np.nan), "label_end is of dtype float64, not a time"),
        (np.arange(40.0), None, "time is of dtype float64"),
        (DAYS, np.arange(40), "label_end counts bars but time holds times"),
        (DAYS.astype(str), None, "parse text first"),
        (np.array([object()] * 40), None, "time holds object values, not times"),
        (np.zeros((40, 2), dtype=np.int64), None, r"time has shape \(40, 2\)"),
        (np.array([], dtype="M8[D]"), None, "time"),
        (DAYS, DAYS[:3], "label_end has 3 rows, time has 40"),
        (_changed(DAYS, 39, "3000-01-01"), DAYS.astype("M8[ns]"), "row 39: time 3000-01-01 is out of reach in ns"),
    ],
)
def test_times_that_are_none_are_named(splitter, time, label_end, named):
    with pytest.raises(DataError, match=named):
        splitter.plan(time, label_end=label_end)
