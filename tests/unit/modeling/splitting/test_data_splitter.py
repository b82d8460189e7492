"""Frames in, frames out."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tradewright as tw
from tradewright.errors import ColumnNotFoundError, DataError, SplitError

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")


def frame(*, shuffle: bool = False) -> pd.DataFrame:
    """Two assets a day, labels of three days."""
    made = pd.DataFrame(
        {
            "date": np.repeat(DAYS, 2),
            "ticker": ["A", "B"] * 60,
            "close": np.arange(120.0),
            "exit": np.repeat(DAYS + pd.Timedelta(days=3), 2),
        }
    )
    return made.sample(frac=1, random_state=0) if shuffle else made


MAKERS = {
    "pandas": lambda made: made,
    "pandas shuffled": lambda made: made.sample(frac=1, random_state=1),
    "polars": pl.from_pandas,
    "pyarrow": lambda made: pa.Table.from_pandas(made, preserve_index=False),
}


def closes(part) -> list[float]:
    column = part["close"]
    return sorted(column.to_pylist() if isinstance(part, pa.Table) else column.to_list())


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_every_library_gives_its_own_kind_and_the_same_rows(make):
    data = make(frame())
    columns = {"time": "date", "label_end": "exit", "asset": "ticker"}
    parts = tw.DataSplitter.split_sequential(data, **columns)
    assert all(type(part) is type(data) for part in parts)
    # 42, 9 and 9 days; the last three of train and validation reach into what follows.
    assert [closes(part) for part in parts] == [
        list(np.arange(0.0, 2 * 39)),
        list(np.arange(84.0, 84 + 2 * 6)),
        list(np.arange(102.0, 120.0)),
    ]
    walk = tw.DataSplitter.split_walk_forward(data, 3, **columns)
    assert [(len(closes(train)), len(closes(test))) for train, test in walk] == [(24, 30), (54, 30), (84, 30)]
    train, test = tw.DataSplitter.split_purged(data, 0.5, timedelta(days=2), **columns)
    assert (closes(train)[-1], closes(test)[0]) == (2 * (30 - 3 - 2) - 1, 60.0)


def test_rows_keep_the_callers_order_and_index():
    data = frame(shuffle=True)
    train, test = tw.DataSplitter.split_purged(data, time="date")
    assert train.index.tolist() == [i for i in data.index if i in set(train.index)]
    assert test.index.tolist() == [i for i in data.index if i in set(test.index)]


def test_times_come_from_a_datetime_index_or_a_level_of_it():
    data = frame()
    by_column = tw.DataSplitter.split_purged(data, time="date")
    indexed = data.drop_duplicates("date").set_index("date")
    train, test = tw.DataSplitter.split_purged(indexed)
    assert train.index[-1] == by_column[0]["date"].max()
    assert test.index[0] == by_column[1]["date"].min()
    levels = data.set_index(["date", "ticker"])
    train, _ = tw.DataSplitter.split_purged(levels, time="date", asset="ticker")
    assert train.equals(by_column[0].set_index(["date", "ticker"]))


def test_the_parts_of_sorted_rows_are_views():
    data = pl.from_pandas(frame())
    train, _, test = tw.DataSplitter.split_sequential(data, time="date")
    base = data["close"].to_numpy()
    assert np.shares_memory(train["close"].to_numpy(), base)
    assert np.shares_memory(test["close"].to_numpy(), base)


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: tw.DataSplitter.split_purged(frame()), SplitError, "which column is the time"),
        (lambda: tw.DataSplitter.split_purged(pl.from_pandas(frame())), SplitError, "one of 'date', 'ticker'"),
        (lambda: tw.DataSplitter.split_purged(frame(), time="day"), ColumnNotFoundError, "time='day' is not a column"),
        (
            lambda: tw.DataSplitter.split_purged(pl.from_pandas(frame()), time="date", label_end="exits"),
            ColumnNotFoundError,
            "did you mean 'exit'",
        ),
        (lambda: tw.DataSplitter.split_purged(pl.from_pandas(frame()).lazy(), time="date"), DataError, "collect"),
        (lambda: tw.DataSplitter.split_purged(np.zeros((5, 2)), time="date"), DataError, "is not a frame"),
        (lambda: tw.DataSplitter.split_purged(frame().head(2), time="date"), SplitError, "leaves a part"),
        (
            lambda: tw.DataSplitter.split_purged(frame().assign(ticker="A"), time="date", asset="ticker"),
            tw.errors.DuplicateKeyError,
            "row",
        ),
        (
            lambda: tw.DataSplitter.split_purged(frame().assign(exit=DAYS[0]), time="date", label_end="exit"),
            tw.errors.LabelEndError,
            "row 2",
        ),
        (
            lambda: tw.DataSplitter.split_purged(frame().assign(date=pd.NaT), time="date"),
            tw.errors.MissingTimeError,
            "row 0",
        ),
    ],
)
def test_what_is_wrong_is_named(call, error, named):
    with pytest.raises(error, match=named):
        call()
