"""The data boundary: what comes in, what is refused, what is copied."""

from __future__ import annotations

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tradewright as tw

DAYS = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")


def frame(**columns):
    """Ten days of two features and a label."""
    base = {
        "date": DAYS,
        "a": np.arange(10.0),
        "b": np.arange(10, dtype=np.float32),
        "ret": np.linspace(-1, 1, 10),
    }
    return pl.DataFrame(base | columns)


def panel(table=None, **arguments):
    arguments = {"target": "ret", "time": "date"} | arguments
    return tw.Panel.from_frame(frame() if table is None else table, **arguments)


def test_features_are_every_other_numeric_column():
    table = frame(name=["x"] * 10, flag=[True, False] * 5, w=np.ones(10))
    made = panel(table, weight="w")
    assert made.feature_names == ("a", "b", "flag")
    assert made.feature_dtypes() == ("float64", "float32", "bool")
    assert made.time_unit == "d"
    assert len(made) == 10


@pytest.mark.parametrize("make", [lambda t: t, lambda t: t.to_pandas(), lambda t: t.to_arrow()])
def test_same_panel_from_any_library(make):
    ours = panel()
    other = panel(make(frame()))
    assert other.fingerprint == ours.fingerprint
    np.testing.assert_array_equal(other.matrix(), ours.matrix())
    arrays = tw.Panel.from_arrays(
        np.column_stack([np.arange(10.0), np.arange(10.0)]),
        frame()["ret"].to_numpy(),
        time=DAYS,
        feature_names=["a", "b"],
    )
    assert arrays.feature_names == ours.feature_names


def test_a_panel_by_the_arrow_interface_alone():
    import pyarrow as pa

    class Unknown:
        """A table of a library nobody knows."""

        def __init__(self, table):
            self._table = table

        def __arrow_c_stream__(self, requested_schema=None):
            return self._table.__arrow_c_stream__(requested_schema)

    table = pl.DataFrame(
        {
            "time": pl.datetime_range(pl.datetime(2024, 3, 8), pl.datetime(2024, 3, 12), "6h", eager=True),
            "asset": ["x", "y", "z"] * 5 + ["x", "y"],
            "kind": pl.Series(["a", "b"] * 8 + ["a"], dtype=pl.Categorical),
            "f": np.arange(17.0),
            "y": np.arange(17.0),
        }
    ).with_columns(
        pl.col("time").dt.replace_time_zone("America/New_York", non_existent="null").fill_null(strategy="forward")
    )
    known = tw.Panel.from_frame(table, target="y", time="time", asset="asset")
    assert known.time_zone == "America/New_York"
    batches = table.to_arrow().to_batches()
    for frame in (
        table.to_pandas(),
        table.to_arrow(),
        Unknown(table),
        batches[0],
        pa.RecordBatchReader.from_batches(batches[0].schema, batches),
    ):
        panel = tw.Panel.from_frame(frame, target="y", time="time", asset="asset")
        assert panel.fingerprint == known.fingerprint
        assert (panel.time_zone, panel.asset_names) == ("America/New_York", ("x", "y", "z"))
        if not isinstance(frame, pa.RecordBatchReader):  # which can be read once
            by_kind = tw.Panel.from_frame(frame, target="y", time="time", asset="kind")
            assert by_kind.asset_names == ("a", "b")
    with pytest.raises(tw.errors.DataError, match="the Arrow stream of a Unknown is no table"):
        tw.Panel.from_frame(Unknown(table["time"]), target="y", time="time")


def test_columns_are_views():
    table = frame()
    made = panel(table)
    assert np.shares_memory(made.columns["a"], table["a"].to_numpy())
    assert np.shares_memory(made.y, table["ret"].to_numpy())
    matrix = np.arange(20.0).reshape(10, 2)
    made = tw.Panel.from_arrays(matrix, np.zeros(10), time=DAYS)
    assert np.shares_memory(made.columns["x1"], matrix)


def test_matrix_is_one_copy_in_the_asked_dtype_and_order():
    made = panel()
    matrix = made.matrix("float32", features=["b", "a"])
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    np.testing.assert_array_equal(matrix[:, 1], np.arange(10.0))
    assert panel(frame(), features=["b"]).matrix().dtype == np.float32
    with pytest.raises(tw.ColumnNotFoundError, match="did you mean 'a'"):
        made.matrix(features=["aa"])


def test_take_is_a_view_for_a_range_and_a_copy_otherwise():
    made = panel()
    plan = tw.PurgedKFold(n_splits=2).plan(made)
    part = made.take(plan[0].test)
    assert np.shares_memory(part.columns["a"], made.columns["a"])
    picked = made.take(np.array([3, 1]))
    assert picked.columns["a"].tolist() == [3.0, 1.0]
    assert made.take(made.y > 0).y.tolist() == made.y[made.y > 0].tolist()


def test_zone_is_kept_and_times_are_utc():
    zoned = pl.Series([dt.datetime(2024, 1, 1, hour) for hour in range(10)]).dt.replace_time_zone("America/New_York")
    made = panel(frame().with_columns(date=zoned))
    assert made.time_zone == "America/New_York"
    assert str(made.times[0]) == "2024-01-01T05:00:00.000000"


def test_bars_are_integers():
    made = panel(frame(date=np.arange(10)), horizon=2)
    assert made.time_unit == "bar"
    assert made.label_end.tolist() == [2, 3, 4, 5, 6, 7, 8, 9]


# --- horizons -------------------------------------------------------------------------------------------------------


def test_horizon_in_bars_is_per_asset_and_order_free():
    table = pl.DataFrame(
        {
            "date": np.repeat(DAYS[:4], 2),
            "name": ["x", "y"] * 4,
            "f": np.arange(8.0),
            "ret": np.arange(8.0),
        }
    ).filter(pl.Series([True, True, True, False, True, True, True, True]))  # y misses a day
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=3)
    made = panel(shuffled, asset="name", horizon=1)
    ends = dict(zip(zip(made.times.tolist(), made.asset.tolist(), strict=True), made.label_ends.tolist(), strict=True))
    assert ends[(dt.date(2024, 1, 1), 1)] == dt.date(2024, 1, 3)  # y's next bar is two days on
    assert ends[(dt.date(2024, 1, 1), 0)] == dt.date(2024, 1, 2)
    assert made.dropped == 2
    assert len(made) == 5


def test_horizon_in_calendar_time():
    made = panel(horizon="3d")
    assert made.dropped == 3
    assert (made.label_end - made.time == 3).all()
    with pytest.raises(tw.DataError, match=r"row 7 .*has not closed.*3 rows.*unresolved='drop'"):
        panel(horizon="3d", unresolved="raise")
    with pytest.raises(tw.ParameterError, match="not both"):
        panel(frame(end=DAYS), label_end="end", horizon=1)
    with pytest.raises(tw.ParameterError, match="at least one bar"):
        panel(horizon=0)
    with pytest.raises(tw.ParameterError, match="bar numbers"):
        panel(frame(date=np.arange(10)), horizon="3d")


def test_nan_labels_that_have_closed_are_kept():
    made = panel(frame(ret=[None, *np.zeros(9)]), horizon=1)
    assert np.isnan(made.y[0])
    assert len(made) == 9


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_pandas", [False, True])
def test_missing_time_names_the_row(as_pandas):
    table = frame(date=[*DAYS[:4].tolist(), None, *DAYS[5:].tolist()])
    with pytest.raises(tw.MissingTimeError, match=r"row 4: date is missing \(1 rows in all\).*drop the rows") as caught:
        panel(table.to_pandas() if as_pandas else table)
    assert caught.value.fields["row"] == 4
    assert isinstance(caught.value, ValueError)


def test_label_end_before_time_names_the_row():
    table = frame(end=DAYS - np.array([0, 0, 0, 1, 0, 0, 1, 0, 0, 0]))
    with pytest.raises(
        tw.LabelEndError, match=r"row 3: label_end 2024-01-03 is earlier than its time 2024-01-04 \(2 rows"
    ):
        panel(table, label_end="end")


def test_missing_label_end_is_refused_or_open():
    table = frame(end=[*DAYS[:9].tolist(), None])
    with pytest.raises(tw.LabelEndError, match=r"row 9: label_end is missing.*missing_label_end='open'"):
        panel(table, label_end="end")
    made = panel(table, label_end="end", missing_label_end="open")
    assert made.label_end[9] == np.iinfo(np.int64).max
    # A label that never closes reaches into every later test.
    plan = tw.WalkForward(n_splits=1, test_size=2).plan(made)
    assert len(plan[0].train) == 8


def test_duplicate_keys_name_both_rows():
    with pytest.raises(tw.DuplicateKeyError, match=r"rows 0 and 5 share one key \(2024-01-01; .*pass asset=\); 5 rows"):
        panel(frame(date=np.tile(DAYS[:5], 2)))
    table = frame(date=np.tile(DAYS[:5], 2), name=["x"] * 5 + ["y"] * 5)
    assert len(panel(table, asset="name")) == 10
    twice = pl.concat([table, table[3:4]])
    with pytest.raises(tw.DuplicateKeyError, match=r"rows 3 and 10 share one key \(2024-01-04, x\); 1 rows") as caught:
        panel(twice, asset="name")
    assert (caught.value.fields["first_row"], caught.value.fields["row"]) == (3, 10)
    assert len(panel(twice, asset="name", allow_duplicate_keys=True)) == 11


@given(
    keys=st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(0, 3)), min_size=1, max_size=40),
    repeat=st.booleans(),
)
@settings(deadline=None)
def test_duplicate_keys_equal_a_set(keys, repeat):
    keys = list(dict.fromkeys(keys)) + (keys[:1] if repeat else [])
    time, asset = (np.array(column, dtype=np.int64) for column in zip(*keys, strict=True))
    arguments = {"time": time, "asset": asset}
    if repeat:
        with pytest.raises(tw.DuplicateKeyError, match=rf"rows 0 and {len(keys) - 1} "):
            tw.Panel.from_arrays(np.zeros((len(keys), 1)), None, **arguments)
    else:
        assert len(tw.Panel.from_arrays(np.zeros((len(keys), 1)), None, **arguments)) == len(keys)


def test_unknown_columns_get_a_hint():
    with pytest.raises(
        tw.ColumnNotFoundError, match=r"target='rett' is not a column of the frame; did you mean 'ret'\?"
    ) as e:
        panel(target="rett")
    assert isinstance(e.value, KeyError)
    assert e.value.fields["column"] == "rett"
    with pytest.raises(tw.ColumnNotFoundError, match="feature 'c'"):
        panel(features=["c"])
    with pytest.raises(tw.ParameterError, match="would know the answer"):
        panel(features=["a", "ret"])
    with pytest.raises(tw.ParameterError, match="listed twice"):
        panel(features=["a", "a"])
    with pytest.raises(tw.ParameterError, match="'b' is the returns column"):
        panel(returns="b", features=["b"])
    with pytest.raises(tw.ColumnNotFoundError, match=r"'date' is the index: pass frame\.reset_index"):
        panel(frame().to_pandas().set_index("date"))
    with pytest.raises(tw.DataError, match="two columns of one name"):
        panel(pd.concat([frame().to_pandas()] * 2, axis=1))


def test_empty_and_wrong_frames_are_refused():
    with pytest.raises(tw.EmptyDataError, match="no rows"):
        panel(frame()[:0])
    with pytest.raises(tw.DataError, match=r"LazyFrame is not a frame.*\.collect\(\)"):
        panel(frame().lazy())
    with pytest.raises(tw.DataError, match=r"feature 'name' is String, not numeric"):
        panel(frame(name=["x"] * 10), features=["name"])
    with pytest.raises(tw.DataError, match="floats cannot hold times"):
        panel(frame(date=np.arange(10.0)))
    with pytest.raises(tw.DataError, match="parse text first"):
        panel(frame(date=DAYS.astype(str)))
    with pytest.raises(tw.DataError, match=r"row 2: column 'name' is missing"):
        panel(frame(name=["x", "x", None, *["x"] * 7]), asset="name")
    with pytest.raises(tw.DataError, match=r"y has shape \(3,\), time has 10 rows"):
        tw.Panel.from_arrays(np.zeros((10, 1)), np.zeros(3), time=DAYS)


# --- the rest -------------------------------------------------------------------------------------------------------


def test_fingerprint_knows_content_not_form():
    ours = panel()
    assert len(ours.fingerprint) == 32
    chunked = pl.concat([frame()[:3], frame()[3:]], rechunk=False)
    assert panel(chunked).fingerprint == ours.fingerprint
    assert panel(frame().select("ret", "b", "date", "a")).fingerprint == ours.fingerprint
    finer = frame().with_columns(pl.col("date").cast(pl.Datetime("ns")))
    assert panel(finer).fingerprint == ours.fingerprint
    changed = frame(a=[*np.arange(9.0), 9.000001])
    assert panel(changed).fingerprint != ours.fingerprint
    assert panel(frame().rename({"a": "c"})).fingerprint != ours.fingerprint


def test_panel_is_frozen_and_pickles():
    made = panel(horizon=2)
    with pytest.raises(AttributeError):
        made.y = None
    with pytest.raises(TypeError):
        made.columns["a"] = None
    again = pickle.loads(pickle.dumps(made))
    assert again.fingerprint == made.fingerprint
    assert repr(again) == repr(made)


def test_panel_without_labels_can_be_predicted():
    made = panel(frame().drop("ret"), target=None)
    assert made.y is None
    assert "none" in repr(made)


def test_to_frame_gives_it_back():
    table = frame(name=["x"] * 10)
    back = panel(table, asset="name", horizon=1).to_frame()
    assert back.columns == ["time", "asset", "a", "b", "ret", "label_end"]
    assert back["asset"].to_list() == ["x"] * 9


def test_sp500_panel_knows_no_future():
    prices = tw.datasets.load_sp500()
    assert prices.shape == (166_260, 3)
    made = tw.datasets.sp500_panel(horizon=5)
    assert len(made.feature_names) >= 10
    assert not any(np.isnan(column).any() for column in made.columns.values())
    day = made.times
    # one stock, one day, by hand
    apple = prices.filter(pl.col("ticker") == "AAPL").sort("date")
    row = 1_000
    at = int(np.flatnonzero((day == np.datetime64(apple["date"][row])) & (made.asset == 0))[0])
    close = apple["close"].to_numpy()
    assert made.y[at] == pytest.approx(close[row + 5] / close[row] - 1)
    assert made.returns[at] == pytest.approx(close[row + 1] / close[row] - 1)
    assert made.columns["momentum_1m"][at] == pytest.approx(np.log(close[row] / close[row - 21]))
    assert made.label_ends[at] == np.datetime64(apple["date"][row + 5])
    assert made.dropped == 100
    # cut the prices: what was known then does not change
    with pytest.raises(tw.ParameterError):
        tw.datasets.sp500_panel(horizon=0)


def test_numbers_as_assets_and_categoricals():
    table = frame(name=[10, 9] * 5, date=np.repeat(DAYS[:5], 2))
    assert panel(table, asset="name").asset_names == ("9", "10")
    text = table.with_columns(name=pl.col("name").cast(pl.String).cast(pl.Categorical))
    assert panel(text, asset="name").asset_names == ("10", "9")
    pandas = table.to_pandas().assign(name=lambda t: pd.Categorical(t["name"].astype(str)))
    assert panel(pandas, asset="name").asset_names == ("10", "9")
    arrow = pa.Table.from_pandas(table.to_pandas())
    assert panel(arrow, asset="name").asset_names == ("9", "10")


def test_columns_with_numbers_for_names():
    numbered = frame().to_pandas().set_axis([0, 1, 2, 3], axis=1)
    made = panel(numbered, time="0", target="3")
    assert made.feature_names == ("1", "2")
    np.testing.assert_array_equal(made.matrix(), panel().matrix())


def test_booleans_with_nulls_become_numbers():
    table = frame(flag=[None, True, False, *[True] * 7])
    for source in (table, table.to_pandas().astype({"flag": "boolean"})):
        flag = panel(source).columns["flag"]
        assert flag.dtype == np.float64
        assert np.isnan(flag[0])
        assert flag[1:3].tolist() == [1.0, 0.0]
    with pytest.raises(tw.DataError, match="y is of dtype"):
        tw.Panel.from_arrays(np.zeros((2, 1)), ["a", "b"], time=[0, 1])
    foreign = np.frombuffer(b"\x02" * 10, dtype=bool)
    with pytest.raises(tw.DataError, match="bytes other than 0 and 1"):
        _ = tw.Panel.from_arrays(foreign.reshape(-1, 1), None, time=DAYS).fingerprint


def test_asset_ids_are_whole_and_of_one_kind():
    def assets(values):
        return tw.Panel.from_arrays(np.zeros((2, 1)), None, time=[0, 0], asset=values).asset_names

    assert assets(np.array([1.0, 2.0])) == ("1", "2")
    for missing in (np.array([1.0, np.nan]), np.array(["A", np.nan], dtype=object), ["A", None]):
        with pytest.raises(tw.DataError, match="row 1: column 'asset' is missing"):
            assets(missing)
    with pytest.raises(tw.DataError, match="fractions, not asset ids"):
        assets(np.array([1.5, 2.0]))
    with pytest.raises(tw.DataError, match="mixes kinds"):
        assets(np.array(["A", 1], dtype=object))


def test_dropping_the_last_rows_keeps_views():
    matrix = np.arange(20.0).reshape(10, 2)
    made = tw.Panel.from_arrays(matrix, np.zeros(10), time=DAYS, horizon="3d")
    assert made.dropped == 3
    assert np.shares_memory(made.columns["x0"], matrix)
    assert tw.Panel.from_arrays(matrix, None, time=DAYS, horizon=np.int64(3)).dropped == 3
    with pytest.raises(tw.EmptyDataError, match=r"no label with horizon=10 closes .* 2024-01-01 to 2024-01-10"):
        tw.Panel.from_arrays(matrix, None, time=DAYS, horizon=10)
    # a label that would close after the end of time has not closed
    with pytest.raises(tw.EmptyDataError, match="300y"):
        tw.Panel.from_arrays(matrix, None, time=DAYS.astype("M8[ns]"), horizon="300y")


def test_to_frame_refuses_names_that_clash_and_shows_open_labels_as_null():
    with pytest.raises(tw.DataError, match="called like columns of the panel: time"):
        panel(frame().rename({"a": "time"})).to_frame()
    table = frame(end=[*DAYS[:9].tolist(), None])
    made = panel(table, label_end="end", missing_label_end="open")
    assert "labels end 2024-01-01 … never" in repr(made)
    assert made.to_frame()["label_end"].to_list()[8:] == [dt.date(2024, 1, 9), None]
    zoned = pl.Series([dt.datetime(2024, 1, 1, hour) for hour in range(10)]).dt.replace_time_zone("America/New_York")
    assert panel(frame().with_columns(date=zoned)).to_frame()["time"].to_list() == zoned.to_list()


def test_take_refuses_rows_that_do_not_fit():
    made = panel()
    assert len(made.take([])) == 0
    for rows in ([100], [True, False], [[1]], ["a"]):
        with pytest.raises(tw.DataError, match="rows"):
            made.take(rows)


def test_naive_and_zoned_times_are_not_mixed():
    aware = pl.Series([dt.datetime(2024, 1, 1, hour) for hour in range(10)]).dt.replace_time_zone("America/New_York")
    naive = pl.Series([dt.datetime(2024, 1, 2, hour) for hour in range(10)])
    with pytest.raises(tw.DataError, match="date has a time zone and end has none"):
        panel(frame().with_columns(date=aware, end=naive), label_end="end")
    with pytest.raises(tw.DataError, match="row 1: time has no time zone, other rows have one"):
        tw.Panel.from_arrays(
            np.zeros((2, 1)), None, time=[dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 2)]
        )
