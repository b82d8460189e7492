"""Layouts of WalkForward and PurgedKFold: sizes, durations, anchors, and what is refused."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import tradewright as tw
from tradewright.errors import DataError, EmptyTrainError, LabelEndError, MissingTimeError, ParameterError, SplitError

DAYS = np.arange("2020-01-01", "2024-01-01", dtype="datetime64[D]")


def spans_tested(plan):
    """First and last time of each test."""
    times = plan.table.times[plan.table.segments[:, 1] == 2]
    return [tuple(str(np.datetime64(int(day), "D")) for day in pair) for pair in times]


def test_months_do_not_drift():
    plan = tw.WalkForward(n_splits=4, test_size="1mo").plan(DAYS)
    stops = [pair[1] for pair in spans_tested(plan)]
    assert stops == ["2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31"]
    starts = [pair[0] for pair in spans_tested(plan)]
    assert starts == ["2023-09-01", "2023-10-01", "2023-11-01", "2023-12-01"]


def test_tests_touch_and_end_with_the_data():
    for size in (7, 0.05, "90d", "20b", "36h", dt.timedelta(days=30), np.timedelta64(30, "D"), pd.Timedelta("30D")):
        plan = tw.WalkForward(n_splits=3, test_size=size).plan(DAYS)
        tests = [fold.test.ranges for fold in plan.folds]
        assert all(len(ranges) == 1 for ranges in tests)
        assert tests[-1][0, 1] == len(DAYS)
        assert all(a[0, 1] == b[0, 0] for a, b in pairwise(tests))


def test_elapsed_size_between_bars_takes_what_it_covers():
    # 36 hours before midnight of the last day exclude the day before yesterday's midnight only.
    assert len(tw.WalkForward(1, test_size="36h").plan(DAYS)[0].test) == 2
    assert len(tw.WalkForward(1, test_size="48h").plan(DAYS)[0].test) == 2
    assert len(tw.WalkForward(1, test_size="24h").plan(DAYS)[0].test) == 1


def test_rolling_window_is_what_is_left_after_purging():
    end = DAYS + 10
    for size, rows in ((100, 100), ("100d", 100), (0.1, 146)):
        plan = tw.WalkForward(3, train_size=size, embargo=5).plan(DAYS, label_end=end)
        assert [len(fold.train) for fold in plan.folds] == [rows] * 3
        assert all(len(fold.purged) == 10 and len(fold.embargoed) == 5 for fold in plan.folds)


def test_number_of_splits_follows_from_the_sizes():
    plan = tw.WalkForward(n_splits=None, test_size=100, train_size=300).plan(DAYS)
    assert len(plan) == (len(DAYS) - 400) // 100 + 1
    assert len(plan[0].train) >= 300
    start = tw.WalkForward(n_splits=None, test_size="1y", train_size="1y", anchor="start").plan(DAYS)
    assert spans_tested(start) == [(f"{year}-01-01", f"{year}-12-31") for year in (2021, 2022, 2023)]


def test_anchor_start_leaves_room_for_train_and_validation():
    plan = tw.WalkForward(3, test_size=50, train_size=200, val_size=30, anchor="start").plan(DAYS)
    first = plan[0]
    assert first.test.ranges.tolist() == [[230, 280]]
    assert (len(first.train), len(first.val)) == (200, 30)


def test_calendar_sizes_follow_the_local_clock_across_dst():
    hours = pd.date_range("2024-03-18", "2024-04-08", freq="h", tz="Europe/Berlin", inclusive="left")
    plan = tw.WalkForward(2, test_size="7d").plan(hours)
    # The last week ends at 23:00 of April 7; the one before lost an hour on March 31.
    assert [len(fold.test) for fold in plan.folds] == [167, 168]


def test_hundred_nanosecond_ticks_are_told_apart():
    ticks = np.datetime64("2024-01-01", "ns") + np.arange(40) * np.timedelta64(100, "ns")
    plan = tw.PurgedKFold(4).plan(ticks, label_end=ticks + np.timedelta64(100, "ns"))
    assert [len(fold.purged) for fold in plan.folds] == [1, 2, 2, 1]


def test_mixed_units_are_exact():
    time = DAYS.astype("datetime64[s]")
    a = tw.PurgedKFold(4).plan(DAYS, label_end=(DAYS + 3).astype("datetime64[ns]"))
    b = tw.PurgedKFold(4).plan(time, label_end=DAYS + 3)
    assert a.digest == b.digest


def test_open_labels_purge_all_that_precedes():
    end = np.full(40, np.iinfo(np.int64).max)
    plan = tw.PurgedKFold(4, on_empty="keep", embargo=2).plan(np.arange(40), label_end=end)
    assert all(len(fold.train) == 0 for fold in plan.folds)


def test_fraction_is_the_floor_of_the_exact_decimal():
    plan = tw.WalkForward(1, test_size=0.7).plan(np.arange(90))
    assert len(plan[0].test) == 63


def test_embargo_longer_than_the_data_drops_everything_after():
    plan = tw.PurgedKFold(3, embargo=10_000, on_empty="keep").plan(np.arange(30))
    assert [len(fold.train) for fold in plan.folds] == [0, 10, 20]


@pytest.mark.parametrize("nothing", [0, 0.0, "0d", dt.timedelta(0)])
def test_no_embargo_is_none_for_half_open_labels_too(nothing):
    days = np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")
    plan = tw.PurgedKFold(3, embargo=nothing, closed="left").plan(days, label_end=days + 2)
    assert all(len(fold.embargoed) == 0 for fold in plan.folds)
    # The row at the very end of the last test label only touches it.
    assert plan[0].purged.indices().tolist() == [10]


# --- what is refused --------------------------------------------------------------------------------------------


def test_empty_train_names_the_fold_the_counts_and_the_remedy():
    time = np.arange(30)
    with pytest.raises(EmptyTrainError, match=r"fold 0 has no train rows.*10 purged.*on_empty='skip'") as caught:
        tw.WalkForward(2).plan(time, label_end=time + 25)
    assert caught.value.code == "split.empty_train"
    assert caught.value.fields["fold"] == 0
    assert caught.value.fields["purged"] == 10
    assert len(tw.WalkForward(2, on_empty="keep").plan(time, label_end=time + 25)) == 2
    skipping = tw.WalkForward(2, on_empty="skip")
    assert len(skipping.plan(time, label_end=time + 25)) == 0
    assert skipping.get_n_splits(time=time, label_end=time + 25) == 0


def test_validation_emptied_by_purging_is_named():
    time = np.arange(60)
    with pytest.raises(SplitError, match="fold 0 has no validation rows") as caught:
        tw.WalkForward(2, val_size=3).plan(time, label_end=time + 5)
    assert caught.value.code == "split.empty_validation"


def test_label_end_before_time_names_the_callers_row():
    time = np.arange(100_000)[::-1].copy()
    end = time + 1
    end[70_001] = time[70_001] - 1
    with pytest.raises(DataError, match="row 70001") as caught:
        tw.PurgedKFold().plan(time, label_end=end)
    assert caught.value.fields["row"] == 70_001


@pytest.mark.parametrize("column", ["time", "label_end"])
def test_missing_times_name_the_row(column):
    broken = DAYS.copy()
    broken[7] = np.datetime64("NaT")
    call = {"time": DAYS, "label_end": DAYS} | {column: broken}
    with pytest.raises((MissingTimeError, LabelEndError), match=rf"row 7: {column}"):
        tw.PurgedKFold().plan(call["time"], label_end=call["label_end"])


def test_a_test_in_a_gap_of_the_data_is_named():
    time = np.concatenate([DAYS[:300], DAYS[900:]])
    with pytest.raises(SplitError, match="has no test rows") as caught:
        tw.WalkForward(30, test_size="30d", step="30d").plan(time)
    assert caught.value.code == "split.empty_test"
    kept = tw.WalkForward(30, test_size="30d", step="30d", on_empty="skip").plan(time)
    assert 0 < len(kept) < 30


def test_data_too_short_is_named():
    for splitter in (tw.PurgedKFold(40), tw.WalkForward(40), tw.WalkForward(3, test_size=20)):
        with pytest.raises(SplitError, match=r"30"):
            splitter.plan(np.arange(30))
    with pytest.raises(SplitError, match="too few"):
        tw.WalkForward(9, test_size="1y").plan(DAYS)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: tw.PurgedKFold(1), "n_splits=1"),
        (lambda: tw.PurgedKFold(True), "n_splits=True"),
        (lambda: tw.PurgedKFold(2.5), "n_splits=2.5"),
        (lambda: tw.PurgedKFold(embargo=-1), "embargo=-1"),
        (lambda: tw.PurgedKFold(embargo=1.5), "embargo=1.5"),
        (lambda: tw.PurgedKFold(embargo=float("nan")), "embargo=nan"),
        (lambda: tw.PurgedKFold(embargo="5 parsecs"), "embargo='5 parsecs'"),
        (lambda: tw.PurgedKFold(embargo=dt.timedelta(days=-1)), "embargo="),
        (lambda: tw.PurgedKFold(closed="right"), "closed='right'"),
        (lambda: tw.PurgedKFold(on_empty="ignore"), "on_empty='ignore'"),
        (lambda: tw.WalkForward(anchor="middle"), "anchor='middle'"),
        (lambda: tw.WalkForward(n_splits=None), "n_splits=None"),
        (lambda: tw.WalkForward(test_size=0), "test_size=0"),
        (lambda: tw.WalkForward(test_size="0d"), "test_size='0d'"),
        (lambda: tw.WalkForward(test_size=0.001).plan(np.arange(30)), "test_size=0.001"),
        (lambda: tw.WalkForward(step=-2), "step=-2"),
        (lambda: tw.WalkForward(2, test_size="5d").plan(np.arange(30)), "bar numbers"),
    ],
)
def test_bad_parameters_are_named(make, named):
    with pytest.raises(ParameterError, match=named.replace("(", r"\(")):
        make()


def test_lengths_must_agree():
    with pytest.raises(DataError, match="label_end has 3 rows"):
        tw.PurgedKFold(2).plan(DAYS, label_end=DAYS[:3])
    with pytest.raises(DataError, match="asset has 2 rows"):
        tw.PurgedKFold(2).plan(DAYS, asset=["a", "b"])
    with pytest.raises(DataError, match="bars"):
        tw.PurgedKFold(2).plan(DAYS, label_end=np.arange(len(DAYS)))
