"""SplitPlan, Fold and Rows: reading, keeping, taking, and scikit-learn."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

import tradewright as tw
from tradewright.errors import DataError, ParameterError, SplitError

DAYS = np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]")
END = DAYS + 3


@pytest.fixture
def plan():
    return tw.PurgedKFold(5, embargo=2, val_size=12).plan(DAYS, label_end=END)


@pytest.fixture
def shuffled():
    rows = np.random.default_rng(0).permutation(len(DAYS))
    return rows, tw.PurgedKFold(5, embargo=2, val_size=12).plan(DAYS[rows], label_end=END[rows])


# --- reading ------------------------------------------------------------------------------------------------------


def test_iterates_as_pairs_and_indexes_as_folds(plan):
    pairs = list(plan)
    assert len(plan) == len(pairs) == len(plan.folds) == 5
    assert pairs[1][0] == plan[1].train
    assert plan[-1].index == 4
    with pytest.raises(IndexError):
        plan[5]


def test_explains_every_kind_of_row():
    kfold = tw.PurgedKFold(2, embargo=2).plan(DAYS, label_end=END)
    assert kfold.explain(47, 1) == "purged: its label ends 2024-02-20, the test starts 2024-02-20"
    assert kfold.explain(52, 0) == "purged: its time is 2024-02-22, the labels of the test end 2024-02-22"
    assert kfold.explain(53, 0) == (
        "embargoed: its time 2024-02-23 is within the embargo of 2 after the labels of the test, which end 2024-02-22"
    )
    assert kfold.explain(0, 0) == "test: its label goes from 2024-01-01 to 2024-01-04"
    walk = tw.WalkForward(2, test_size=10, train_size=20, val_size=10, embargo="2d").plan(DAYS, label_end=END)
    told = [walk.explain(row, 0) for row in range(len(DAYS))]
    assert told[79] == "purged: its label ends 2024-03-23, the test starts 2024-03-21"
    assert (
        told[75]
        == "embargoed: its label ends 2024-03-19, within the embargo of 2d before the test, which starts 2024-03-21"
    )
    assert told[69] == "purged: its label ends 2024-03-13, the validation block starts 2024-03-11"
    assert told[0] == "unused: its time 2024-01-01 is before the train window of 20"
    assert told[95].startswith("unused: its time 2024-04-05 is after the test")
    for row, text in enumerate(told):
        assert getattr(walk[0], text.partition(":")[0]).mask()[row]


def test_explains_the_callers_rows(plan, shuffled):
    rows, other = shuffled
    for fold in range(5):
        assert [other.explain(at, fold) for at in range(len(rows))] == [plan.explain(int(row), fold) for row in rows]


def test_explain_refuses_what_is_not_there(plan):
    with pytest.raises(ParameterError, match="row 100"):
        plan.explain(100, 0)
    with pytest.raises(ParameterError, match="fold 5"):
        plan.explain(0, 5)


def test_print_and_frame_count_the_same(plan):
    lines = str(plan).splitlines()
    assert lines[0] == "SplitPlan of 100 rows in 5 folds by PurgedKFold(n_splits=5, embargo=2, val_size=12)"
    assert len(lines) == 2 + len(plan)
    assert "2024-01-21  2024-02-09" in lines[3]
    frame = plan.to_frame()
    assert frame.group_by("fold").agg(pl.col("rows").sum())["rows"].to_list() == [100] * 5
    assert frame.schema["first_time"] == pl.Date
    test = frame.filter(pl.col("role") == "test")
    assert test["rows"].to_list() == [20] * 5


def test_plot_shows_every_role(plan):
    pytest.importorskip("matplotlib")
    ax = plan.plot()
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert shown == ["train", "val", "test", "purged", "embargoed"]
    assert sum(len(bars) for bars in ax.containers) == len(plan.table.segments)
    assert tw.PurgedKFold(3).plan(np.arange(30)).plot().get_xlabel() == "bar"
    thawed = pickle.loads(pickle.dumps(plan)).plot(ax)
    assert thawed is ax


# --- keeping ------------------------------------------------------------------------------------------------------


def test_keeps_through_json_and_pickle(plan, shuffled):
    for made in (plan, shuffled[1]):
        for copied in (pickle.loads(pickle.dumps(made)), tw.SplitPlan.from_json(made.to_json()), copy.deepcopy(made)):
            assert copied == made
            assert copied.digest == made.digest
            assert [fold.digest for fold in copied.folds] == [fold.digest for fold in made.folds]
            assert str(copied) == str(made)
            assert np.array_equal(copied[2].train.indices(), made[2].train.indices())
    assert "no times" in pickle.loads(pickle.dumps(plan)).explain(0, 0)


def test_sorted_plan_pickles_small():
    time = np.arange(1_000_000)
    plan = tw.PurgedKFold(10, embargo=10).plan(time, label_end=time + 20)
    assert len(pickle.dumps(plan)) < 10_000
    assert len(pickle.dumps(plan[3])) < 5_000


def test_digest_tells_plans_apart(plan, shuffled):
    digests = {plan.digest, shuffled[1].digest, *(fold.digest for fold in plan.folds)}
    assert len(digests) == 7
    assert tw.PurgedKFold(5, embargo=2, val_size=12).plan(DAYS, label_end=END).digest == plan.digest
    # Stable: a change of this number breaks every bundle that was ever stamped.
    assert len(plan.digest) == 32
    assert tw.PurgedKFold(2).plan(np.arange(4)).digest == "c19e05160e973289eb38df4dacce6c2a"


def test_changed_json_is_refused(plan):
    values = json.loads(plan.to_json())
    values["table"]["segments"][0][1] = 5
    with pytest.raises(SplitError, match="digest does not hold"):
        tw.SplitPlan.from_json(json.dumps(values))
    for broken in ("{}", "[]", "no json", json.dumps(values | {"schema": 99})):
        with pytest.raises(SplitError, match="not the JSON of a plan"):
            tw.SplitPlan.from_json(broken)


def test_table_is_read_only(plan):
    with pytest.raises(ValueError, match="read-only"):
        plan.table.segments[0, 1] = 0
    with pytest.raises(ValueError, match="read-only"):
        plan[0].train.ranges[0, 0] = 0
    kept = tw.SplitPlan.from_json(tw.PurgedKFold(2).plan(DAYS[::-1].copy()).to_json())
    with pytest.raises(ValueError, match="read-only"):
        kept.order[0] = 1
    for name in ("table", "n_rows", "splitter", "digest", "anything"):
        with pytest.raises(AttributeError, match="a SplitPlan is immutable"):
            setattr(plan, name, None)


def test_splitters_keep_their_configuration():
    for splitter in (tw.PurgedKFold(4, embargo="5d"), tw.WalkForward(None, test_size="3mo", train_size=0.5)):
        assert clone(splitter) == splitter
        assert type(splitter)(**splitter.get_params()) == splitter
        assert tw.PurgedKFold.from_dict(json.loads(json.dumps(splitter.to_dict()))) == splitter
        assert splitter.with_params(embargo=7).embargo == 7
        assert pickle.loads(pickle.dumps(splitter)) == splitter
    with pytest.raises(AttributeError):
        splitter.embargo = 3


# --- taking -------------------------------------------------------------------------------------------------------


def test_one_range_of_sorted_rows_is_a_view(plan):
    rows = plan[1].test
    x = np.random.default_rng(0).normal(size=(100, 3))
    assert np.shares_memory(rows.take(x), x)
    assert np.array_equal(rows.take(x), x[rows])
    tensor = torch.from_numpy(x)
    assert rows.take(tensor).data_ptr() == tensor[20].data_ptr()
    frame = pl.DataFrame(x)
    assert np.shares_memory(rows.take(frame)["column_0"].to_numpy(), frame["column_0"].to_numpy())
    pandas = pd.DataFrame(x)
    assert np.shares_memory(rows.take(pandas).to_numpy(), pandas.to_numpy())


@pytest.mark.parametrize("role", ["train", "test", "val", "purged", "unused"])
def test_every_library_takes_the_same_rows(plan, shuffled, role):
    x = np.arange(300.0).reshape(100, 3)
    for made in (plan, shuffled[1]):
        for fold in made.folds:
            rows = getattr(fold, role)
            expected = x[rows.indices()]
            assert np.array_equal(x[rows.mask()], expected)
            assert np.array_equal(rows.take(x), expected)
            assert np.array_equal(rows.take(torch.from_numpy(x)).numpy(), expected)
            assert np.array_equal(rows.take(pl.DataFrame(x)).to_numpy(), expected)
            assert np.array_equal(rows.take(pd.DataFrame(x)).to_numpy(), expected)
            assert np.array_equal(rows.take(pd.Series(x[:, 0])).to_numpy(), expected[:, 0])


def test_rows_index_directly(plan, shuffled):
    x = np.arange(300.0).reshape(100, 3)
    for made in (plan, shuffled[1]):
        for rows in (made[0].test, made[1].train):
            expected = x[rows.indices()]
            assert np.array_equal(x[rows], expected)
            assert np.array_equal(torch.from_numpy(x)[rows].numpy(), expected)
            assert np.array_equal(pd.DataFrame(x).iloc[rows].to_numpy(), expected)
            assert list(rows) == rows.indices().tolist() == [rows[at] for at in range(len(rows))]
            assert rows[-1] == rows.indices()[-1]
            with pytest.raises(IndexError):
                rows[len(rows)]


@pytest.mark.parametrize("shuffle", [False, True])
def test_positions_made_together_equal_those_made_alone(shuffle, monkeypatch):
    time = np.repeat(np.arange(300), 2)
    if shuffle:
        np.random.default_rng(0).shuffle(time)
    plan = tw.CombinatorialPurgedCV(6, 2, embargo=3).plan(time, label_end=time + 2)
    for size in (1, 3_000, 32 * 1024**2):  # one by one, a few, all
        monkeypatch.setattr("tradewright.splitting.rows._BATCH", size)
        for (train, test), fold in zip(plan.split(), plan.folds, strict=True):
            assert np.array_equal(train, fold.train.indices())
            assert np.array_equal(test, fold.test.indices())
            assert train.dtype == test.dtype == np.int64


def test_contiguous_positions_are_views_of_one_array():
    plan = tw.WalkForward(3).plan(np.arange(100_000))
    whole = [train for train, _ in plan.split()]
    assert all(np.shares_memory(whole[0], other) for other in whole[1:])
    with pytest.raises(ValueError, match="read-only"):
        whole[0][0] = 1


def test_take_refuses_other_data(plan):
    with pytest.raises(DataError, match="made for 100 rows, these values have 99"):
        plan[0].train.take(np.zeros(99))
    with pytest.raises(ParameterError, match="dtype='int16'"):
        plan[0].train.indices("int16")


def test_a_panel_takes_rows(plan):
    frame = pl.DataFrame({"time": DAYS, "x": np.arange(100.0), "y": np.zeros(100), "end": END})
    panel = tw.Panel.from_frame(frame, target="y", time="time", label_end="end")
    made = tw.PurgedKFold(5, embargo=2, val_size=12).plan(panel)
    assert made.digest == plan.digest
    assert np.shares_memory(made[1].test.take(panel).columns["x"], panel.columns["x"])


def test_sorted_input_is_not_copied():
    time = np.arange(1_000_000)
    from tradewright.splitting.layout import Axis

    axis = Axis.read(time, time + 5)
    assert axis.order is None
    assert axis.core.memory == 0
    ragged = Axis.read(time, time + (time * 7) % 11)
    assert ragged.core.memory < len(time) / 10
    assert Axis.read(time[::-1].copy()).core.memory <= 12 * len(time)


# --- scikit-learn -------------------------------------------------------------------------------------------------


def data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(100, 3))
    return X, X @ [1.0, -1.0, 0.5] + rng.normal(size=100)


def test_plan_is_a_cross_validation(plan, shuffled):
    X, y = data()
    for made in (plan, shuffled[1]):
        scores = cross_val_score(Ridge(), X, y, cv=made)
        by_hand = [Ridge().fit(X[tr], y[tr]).score(X[te], y[te]) for tr, te in made]
        assert np.allclose(scores, by_hand)
        assert cross_val_predict(Ridge(), X, y, cv=made).shape == (100,)
        search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=made, n_jobs=2).fit(X, y)
        assert search.n_splits_ == 5
    with pytest.raises(SplitError, match="made for 100 rows, X has 99"):
        cross_val_score(Ridge(), X[1:], y[1:], cv=plan, error_score="raise")


def test_splitter_reads_the_index(plan):
    X, y = data()
    frame = pd.DataFrame(X, index=pd.DatetimeIndex(DAYS))
    splitter = tw.PurgedKFold(5)
    assert splitter.get_n_splits() == splitter.get_n_splits(frame) == 5
    assert len(cross_val_score(Ridge(), frame, y, cv=splitter)) == 5
    with pytest.raises(SplitError, match="pass time="):
        next(splitter.split(X))
    with pytest.raises(SplitError, match="depends on the data"):
        tw.WalkForward(None, test_size=3).get_n_splits()


def test_label_ends_are_routed_to_the_splitter():
    import sklearn

    X, y = data()
    splitter = tw.PurgedKFold(5)
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(Ridge(), X, y, cv=splitter, params={"time": DAYS, "label_end": DAYS + 9})
    purged = cross_val_score(Ridge(), X, y, cv=splitter.plan(DAYS, label_end=DAYS + 9))
    assert np.allclose(scores, purged)
    assert not np.allclose(scores, cross_val_score(Ridge(), X, y, cv=splitter.plan(DAYS)))
