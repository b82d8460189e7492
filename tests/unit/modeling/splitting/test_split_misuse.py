"""What splitters, plans and rows do when they are used wrongly, or with data of an unusual kind."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

import tradewright as tw
from tradewright.errors import DataError, ParameterError, SplitError, UnsupportedError

DAYS = np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]")
END = DAYS + 3


@pytest.fixture
def plan():
    return tw.PurgedKFold(5, embargo=2, val_size=12).plan(DAYS, label_end=END)


@pytest.fixture
def empty():
    return tw.WalkForward(2, test_size=10, on_empty="skip").plan(DAYS, label_end=DAYS + 1000)


def panel():
    frame = pl.DataFrame({"time": DAYS, "x": np.arange(100.0), "y": np.zeros(100), "end": END})
    return tw.Panel.from_frame(frame, target="y", time="time", label_end="end")


# --- split --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [DAYS[:50], np.r_[DAYS, DAYS]])
def test_length_of_time_and_data_must_agree(given):
    splitter = tw.WalkForward(n_splits=2)
    for data in (np.zeros((100, 2)), pd.DataFrame({"x": np.zeros(100)}), list(range(100))):
        for call in (lambda X: list(splitter.split(X, time=given)), lambda X: splitter.get_n_splits(X, time=given)):
            with pytest.raises(SplitError, match=f"time has {len(given)} rows, X has 100") as caught:
                call(data)
            assert caught.value.code == "split.length"
            assert caught.value.fields == {"got": 100, "expected": len(given)}
    assert splitter.get_n_splits(time=given) == 2
    assert splitter.get_n_splits(np.zeros(100), time=DAYS) == 2


def test_panel_with_other_times_is_refused():
    splitter, data = tw.WalkForward(n_splits=2), panel()
    for call in (lambda: next(splitter.split(data, time=DAYS)), lambda: splitter.get_n_splits(data, time=DAYS)):
        with pytest.raises(ParameterError, match="a Panel has its own time and label ends: leave time= out"):
            call()
    train, _ = next(splitter.split(data))
    assert np.array_equal(train, splitter.plan(DAYS, label_end=END)[0].train.indices())


# --- parameters ---------------------------------------------------------------------------------------------------


def test_set_params_never_does_nothing():
    splitter = tw.PurgedKFold(5)
    assert splitter.set_params() is splitter
    with pytest.raises(UnsupportedError, match=r"a splitter is frozen: pass cv=splitter\.with_params\(embargo=5\)"):
        splitter.set_params(embargo=5)
    search = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=splitter)
    with pytest.raises(UnsupportedError, match="frozen"):
        search.set_params(cv__embargo=5)
    assert search.set_params(cv=splitter.with_params(embargo=5)).cv.embargo == 5
    assert clone(search).cv == splitter.with_params(embargo=5) == clone(splitter.with_params(embargo=5))
    assert splitter.embargo == 0


def test_unknown_parameters_are_named():
    splitter = tw.PurgedKFold(5)
    for call in (
        lambda: splitter.with_params(foo=1),
        lambda: tw.PurgedKFold.from_dict(splitter.to_dict() | {"foo": 1}),
    ):
        with pytest.raises(ParameterError, match="PurgedKFold has no parameter 'foo': it has n_splits, embargo") as e:
            call()
        assert e.value.fields["name"] == "foo"
    with pytest.raises(ParameterError, match="n_splits=1"):
        splitter.with_params(n_splits=1)


# --- keeping ------------------------------------------------------------------------------------------------------


def _deeper(values, path, change):
    for key in path[:-1]:
        values = values[key]
    values[path[-1]] = change(values[path[-1]])


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("splitter", "closed"), lambda _: "left"),
        (("splitter",), lambda _: {}),
        (("data_fingerprint",), lambda _: "0" * 32),
        (("time_unit",), lambda _: "s"),
        (("time_zone",), lambda _: "UTC"),
        (("label_ends",), lambda known: not known),
        (("table", "times", 0, 0), lambda value: value + 1),
        (("table", "hulls", 0, 5), lambda value: value + 1),
        (("table", "layout", 0), lambda value: value + 1),
        (("seal",), lambda seal: seal[::-1]),
    ],
)
def test_nothing_of_a_kept_plan_can_change_unseen(plan, path, change):
    values = json.loads(plan.to_json())
    _deeper(values, path, change)
    with pytest.raises(SplitError, match="digest does not hold") as caught:
        tw.SplitPlan.from_json(json.dumps(values))
    assert caught.value.code == "plan.digest"


@pytest.mark.parametrize("value", [2**63, -(2**70), 1e300, 0.5, 1.0, float("inf"), float("nan"), None, "1", True])
@pytest.mark.parametrize(
    "path",
    [
        ("table", "segments", 0, 3),
        ("table", "times", 0, 0),
        ("table", "hulls", 0, 5),
        ("table", "layout", 0),
        ("n_rows",),
    ],
)
def test_numbers_that_are_no_int64_are_refused(plan, path, value):
    values = json.loads(plan.to_json())
    _deeper(values, path, lambda _: value)
    with pytest.raises(SplitError, match="not the JSON of a plan") as caught:
        tw.SplitPlan.from_json(json.dumps(values))
    assert caught.value.code == "plan.json"


def test_a_plan_without_its_seal_is_refused(plan):
    values = json.loads(plan.to_json())
    for name in ("seal", "digest", "label_ends"):
        with pytest.raises(SplitError, match="not the JSON of a plan"):
            tw.SplitPlan.from_json(json.dumps({key: value for key, value in values.items() if key != name}))
    # Written otherwise, it is the same plan.
    assert tw.SplitPlan.from_json(json.dumps(values, indent=1, sort_keys=True)) == plan


# --- reading ------------------------------------------------------------------------------------------------------


def test_print_says_when_no_label_ends_were_known(plan):
    told = "no label ends known: nothing could be purged"
    blind = tw.PurgedKFold(5).plan(DAYS)
    for made in (blind, tw.SplitPlan.from_json(blind.to_json()), pickle.loads(pickle.dumps(blind))):
        assert str(made).splitlines()[-1] == told
    bare = tw.Panel.from_frame(pl.DataFrame({"time": DAYS, "y": np.zeros(100)}), target="y", time="time")
    assert told in str(tw.PurgedKFold(5).plan(bare))
    for made in (plan, tw.SplitPlan.from_json(plan.to_json()), tw.PurgedKFold(5).plan(panel())):
        assert told not in str(made)


@pytest.mark.parametrize("shuffle", [False, True])
def test_explain_refuses_labels_that_changed(shuffle):
    order = np.random.default_rng(0).permutation(100) if shuffle else np.arange(100)
    time, end = DAYS[order], END[order]
    made = tw.PurgedKFold(2).plan(time, label_end=end)
    purged, train = (int(np.flatnonzero(order == place)[0]) for place in (48, 10))
    assert made.explain(purged, 1).startswith("purged")
    assert made.explain(train, 1).startswith("train")
    end[purged], end[train] = time[purged], time[train] + 60
    for row in (purged, train):
        with pytest.raises(SplitError, match="the times or label ends were changed after the plan was made") as caught:
            made.explain(row, 1)
        assert caught.value.fields == {"row": row, "fold": 1}


def test_explain_refuses_times_that_changed():
    time = DAYS.copy()
    made = tw.PurgedKFold(2).plan(time, label_end=END)
    time += 1000
    for row in (0, 48, 99):
        with pytest.raises(SplitError, match="changed after the plan was made") as caught:
            made.explain(row, 1)
        assert caught.value.code == "plan.changed"


@pytest.mark.parametrize("index", [slice(0, 1), "0", 1.0, None, (0, 1), np.arange(2)])
def test_plan_is_indexed_by_the_number_of_a_fold(plan, index):
    with pytest.raises(ParameterError, match=r"by the number of one fold; for several take plan\.folds") as caught:
        plan[index]
    assert caught.value.code == "plan.index"
    assert plan[np.int64(1)].index == 1


def test_plan_without_folds_can_be_read(empty):
    assert len(empty) == 0
    assert list(empty) == list(empty.folds) == list(empty.split(DAYS)) == []
    assert str(empty).splitlines()[2:] == ["no fold is left"]
    assert "0 folds" in repr(empty)
    assert empty.to_frame().height == 0
    assert tw.SplitPlan.from_json(empty.to_json()) == empty == pickle.loads(pickle.dumps(empty))
    with pytest.raises(IndexError, match="0 folds"):
        empty[0]
    with pytest.raises(ParameterError, match="fold 0"):
        empty.explain(0, 0)
    pytest.importorskip("matplotlib")
    ax = empty.plot()
    ax.figure.canvas.draw()
    assert "0 folds" in ax.get_title(loc="left")


# --- frames instead of times ----------------------------------------------------------------------------------------


def test_plan_reads_the_index_as_split_does():
    frame = pd.DataFrame({"x": np.zeros(100)}, index=pd.DatetimeIndex(DAYS, name="time"))
    splitter = tw.WalkForward(n_splits=2)
    made = splitter.plan(frame, label_end=END)
    assert made == splitter.plan(DAYS, label_end=END)
    assert np.array_equal(next(splitter.split(frame, label_end=END))[0], made[0].train.indices())
    zoned = splitter.plan(frame.tz_localize("US/Eastern"))
    assert zoned.time_zone == "US/Eastern"


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"time": DAYS, "x": np.zeros(100)}),
        pl.DataFrame({"time": DAYS, "x": np.zeros(100)}),
        pl.DataFrame({"time": DAYS, "x": np.zeros(100)}).lazy(),
        pa.table({"time": DAYS, "x": np.zeros(100)}),
        {"time": DAYS, "x": np.zeros(100)},
    ],
)
def test_a_frame_is_no_column_of_times(frame):
    for call in (lambda: tw.WalkForward(2).plan(frame), lambda: next(tw.WalkForward(2).split(DAYS, time=frame))):
        with pytest.raises(SplitError, match="pass the time column, or a Panel") as caught:
            call()
        assert caught.value.code == "split.frame"


# --- taking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
def test_take_of_indexes_lists_and_arrow(shuffle):
    rows = np.random.default_rng(0).permutation(100) if shuffle else np.arange(100)
    made = tw.PurgedKFold(5, embargo=2, val_size=12).plan(DAYS[rows], label_end=END[rows])
    numbers = np.arange(100)
    for fold in made.folds:
        for role in ("train", "val", "test", "purged", "unused"):
            part = getattr(fold, role)
            expected = part.indices().tolist()
            assert part.take(numbers.tolist()) == expected
            assert part.take(tuple(numbers.tolist())) == tuple(expected)
            assert part.take(range(100)) == expected
            for index in (pd.Index(numbers), pd.RangeIndex(100)):
                assert part.take(index).tolist() == expected
            assert part.take(pd.DatetimeIndex(DAYS)).equals(pd.DatetimeIndex(DAYS[expected]))
            assert part.take(pd.array(numbers)).tolist() == expected
            assert part.take(pa.array(numbers)).to_pylist() == expected
            assert part.take(pa.chunked_array([numbers[:30], numbers[30:]])).to_pylist() == expected
            taken = part.take(pa.table({"a": numbers}))
            assert isinstance(taken, pa.Table)
            assert taken["a"].to_pylist() == expected
            assert part.take(pa.RecordBatch.from_pydict({"a": numbers})).column("a").to_pylist() == expected


@pytest.mark.parametrize(
    "values",
    [
        {number: number for number in range(100)},
        set(range(100)),
        "x" * 100,
        np.float64(1.0),
        7,
        None,
        iter(range(100)),
        pl.DataFrame({"a": np.arange(100)}).lazy(),
    ],
)
def test_take_names_what_it_cannot_take(plan, values):
    for rows in (plan[0].train, plan[0].test, plan[1].train, plan[0].unused):
        with pytest.raises(DataError, match="rows cannot be taken of") as caught:
            rows.take(values)
        assert caught.value.code == "data.take"
