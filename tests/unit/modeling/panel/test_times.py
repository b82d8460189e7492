"""Times and durations against Python's own calendar."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tradewright as tw
from tradewright.panel.durations import add_duration, parse_duration
from tradewright.panel.times import TimeAxis, common_unit, format_time, normalize_times

NEW_YORK = ZoneInfo("America/New_York")
INSTANT = dt.datetime(2024, 3, 9, 22, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("values", "unit", "zone"),
    [
        (np.array(["2024-03-09T22:30"], dtype="M8[ns]"), "ns", None),
        (np.array(["2024-03-09T22:30"], dtype="M8[m]"), "s", None),
        (pl.Series([INSTANT]), "us", "UTC"),
        (
            pl.Series([INSTANT]).dt.convert_time_zone("America/New_York").dt.cast_time_unit("ms"),
            "ms",
            "America/New_York",
        ),
        (pd.Series([INSTANT]), "us", "UTC"),
        (pd.DatetimeIndex([INSTANT]).tz_convert("Europe/Zurich"), "us", "Europe/Zurich"),
        ([INSTANT], "us", "UTC"),
        ([INSTANT.astimezone(NEW_YORK)], "us", "America/New_York"),
        (np.array([pd.Timestamp(INSTANT).as_unit("ns")], dtype=object), "ns", "UTC"),
        ([INSTANT.replace(tzinfo=None)], "us", None),
    ],
)
def test_any_library_gives_the_same_instant(values, unit, zone):
    axis = normalize_times(values)
    assert (axis.unit, axis.zone) == (unit, zone)
    assert axis.values.view(f"M8[{unit}]")[0] == np.datetime64("2024-03-09T22:30")


def test_a_hundred_nanoseconds_are_not_lost():
    start = np.datetime64("2024-01-01T00:00:00", "ns").astype(np.int64)
    ticks = (start + np.arange(5) * 100).view("M8[ns]")
    assert np.diff(normalize_times(ticks).values).tolist() == [100] * 4


def test_common_unit_is_exact_or_raises():
    days = normalize_times(np.array(["2024-01-01", "2024-01-02"], dtype="M8[D]"))
    nanos = normalize_times(np.array(["2024-01-01T00:00:00.000000001", "2024-01-03"], dtype="M8[ns]"))
    a, b = common_unit(days, nanos)
    assert a.unit == b.unit == "ns"
    assert a.values[0] + 1 == b.values[0]
    far = TimeAxis(np.array([0, 10**9]), "d")
    with pytest.raises(tw.DataError, match=r"row 1: time .* out of reach in ns"):
        common_unit(far, nanos)
    with pytest.raises(tw.DataError, match="label_end counts bars but time holds times"):
        common_unit(days, TimeAxis(np.array([1]), "bar"))


ZONED = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2030, 1, 1)).map(lambda t: t.replace(microsecond=0))


@given(ZONED, st.integers(0, 40), st.sampled_from([1, -1]))
def test_calendar_days_keep_the_local_clock(utc, days, sign):
    instant = utc.replace(tzinfo=dt.UTC)
    at = np.array([int(instant.timestamp())])
    moved = add_duration(at, f"{days}d", unit="s", zone="America/New_York", sign=sign)[0]
    wall = instant.astimezone(NEW_YORK).replace(tzinfo=None) + sign * dt.timedelta(days=days)
    got = dt.datetime.fromtimestamp(int(moved), NEW_YORK).replace(tzinfo=None)
    # an hour that does not exist moves on by one; everything else keeps its reading
    exists = wall.replace(tzinfo=NEW_YORK).astimezone(dt.UTC).astimezone(NEW_YORK).replace(tzinfo=None) == wall
    assert got == (wall if exists else wall + dt.timedelta(hours=1))


@given(st.dates(dt.date(2000, 1, 1), dt.date(2030, 1, 1)), st.integers(0, 60), st.sampled_from([1, -1]))
def test_business_days_are_numpys(day, count, sign):
    at = np.array([np.datetime64(day)]).view(np.int64)
    moved = add_duration(at, f"{count}b", unit="d", sign=sign).view("M8[D]")[0]
    assert moved == np.busday_offset(np.datetime64(day), sign * count, roll="forward")


def test_months_end_on_their_last_day():
    at = np.array(["2024-01-31"], dtype="M8[D]").view(np.int64)
    assert str(add_duration(at, "1mo", unit="d").view("M8[D]")[0]) == "2024-02-29"
    assert str(add_duration(at, "1y", unit="d", sign=-1).view("M8[D]")[0]) == "2023-01-31"


def test_elapsed_time_crosses_dst_unmoved():
    at = np.array([int(INSTANT.timestamp())])
    assert add_duration(at, "36h", unit="s", zone="America/New_York")[0] - at[0] == 36 * 3600
    assert add_duration(at, dt.timedelta(days=1), unit="s", zone="America/New_York")[0] - at[0] == 86_400
    # cut towards the start, so that whole units compare exactly
    assert add_duration(np.array([10]), "36h", unit="d")[0] == 11
    assert add_duration(np.array([10]), "36h", unit="d", sign=-1)[0] == 9


@pytest.mark.parametrize("duration", ["1s", "300y", "99999y", "9999999mo", "99999999999999999999b", "999999999w"])
@pytest.mark.parametrize("unit", ["ns", "us", "s", "d"])
def test_shift_beyond_the_end_of_time_stays_there(duration, unit):
    last, first = 2**63 - 1, -(2**63)
    assert add_duration(np.array([last - 5]), duration, unit=unit)[0] >= last - 5
    assert add_duration(np.array([first + 5]), duration, unit=unit, sign=-1)[0] <= first + 5
    # a longer shift never lands earlier
    now = np.array(
        [int(INSTANT.timestamp()) * 10 ** {"ns": 9, "us": 6, "s": 0, "d": 0}[unit] // (86_400 if unit == "d" else 1)]
    )
    assert add_duration(now, duration, unit=unit)[0] >= now[0]


def test_missing_timestamps_in_object_columns_are_found():
    with pytest.raises(tw.MissingTimeError, match="row 1"):
        normalize_times(np.array([pd.Timestamp("2024-01-01"), pd.NaT], dtype=object))


@pytest.mark.parametrize(
    "bad", ["5", "d", "-3d", "5 fortnights", 3.5, dt.timedelta(days=-1), np.timedelta64(1, "M"), None]
)
def test_bad_durations_are_refused(bad):
    with pytest.raises(tw.ParameterError, match=r"embargo=.* is not a duration: pass a count with a unit"):
        parse_duration(bad, name="embargo")


def test_format_is_for_people():
    assert format_time(19_723, "d") == "2024-01-01"
    assert format_time(19_723 * 86_400, "s") == "2024-01-01"
    assert format_time(1, "ns") == "1970-01-01T00:00:00.000000001"
    assert format_time(7, "bar") == "7"


class Capsule:
    """A column or table of a library nobody knows."""

    def __init__(self, values):
        self._values = values

    def __arrow_c_stream__(self, requested_schema=None):
        return self._values.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("zone", ["America/New_York", "America/Argentina/Buenos_Aires", "UTC", "Europe/Berlin"])
def test_every_library_gives_the_same_instants_and_zone(zone):
    import pyarrow as pa

    index = pd.date_range("2024-03-01", periods=9, freq="6h", tz=zone)
    column = pl.Series("time", index.to_pydatetime().tolist()).dt.convert_time_zone(zone)
    chunks = column.to_arrow()
    arrow = pd.Series(index).astype(pd.ArrowDtype(pa.timestamp("us", tz=zone)))
    for values in (
        index,
        pd.Series(index),
        arrow,
        column,
        chunks,
        pa.chunked_array([chunks]),
        Capsule(column),
        list(index),
    ):
        axis = normalize_times(values)
        assert axis.zone == zone
        assert np.array_equal(axis.values, index.tz_convert("UTC").tz_localize(None).to_numpy().astype(np.int64))


def test_a_fixed_offset_counts_its_days_in_utc():
    import pyarrow as pa

    index = pd.date_range("2024-03-01", periods=9, freq="D", tz="+05:30")
    arrow = pd.Series(index).astype(pd.ArrowDtype(pa.timestamp("us", tz="+05:30")))
    for values in (index, pd.Series(index), arrow):
        axis = normalize_times(values)
        assert axis.zone == "UTC"
        assert np.array_equal(add_duration(axis.values, "1d", unit=axis.unit, zone=axis.zone)[:-1], axis.values[1:])
