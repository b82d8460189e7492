"""Times of any library as int64 in one unit: compared as integers, never as floats."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError, MissingTimeError

__all__ = ["OPEN", "UNITS", "TimeAxis", "as_datetimes", "common_unit", "format_time", "normalize_times"]

#: Units from coarse to fine, with how many nanoseconds one has. ``"bar"`` (plain integers) stands apart.
UNITS = {"d": 86_400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}

#: numpy's units that are whole multiples of one of ours.
_NUMPY_UNITS = {
    "Y": "D",
    "M": "D",
    "W": "D",
    "D": "D",
    "h": "s",
    "m": "s",
    "s": "s",
    "ms": "ms",
    "us": "us",
    "ns": "ns",
}

_NAT = np.iinfo(np.int64).min

#: The end of a label that never closes within any data.
OPEN = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, eq=False)
class TimeAxis:
    """Times as integers.

    Parameters
    ----------
    values : ndarray of int64, shape (n_rows,)
        Instants since 1970-01-01 UTC in ``unit``, or bar numbers. A view where the source allows it.
    unit : {"d", "s", "ms", "us", "ns", "bar"}
        The unit; ``"bar"`` for plain integers.
    zone : str or None
        The time zone the caller's values were in; calendar arithmetic happens there.
    missing : ndarray of bool or None
        Rows without a time, where they were asked for.
    """

    values: NDArray[np.int64]
    unit: str
    zone: str | None = None
    missing: NDArray[np.bool_] | None = None


def normalize_times(values: Any, *, name: str = "time", missing: Literal["raise", "keep"] = "raise") -> TimeAxis:
    """Bring times of any library into one form.

    Parameters
    ----------
    values : array-like, shape (n_rows,)
        datetime64 of any unit, integers, Python dates or datetimes; a polars, pandas or pyarrow column, with or without
        a zone.
    name : str
        The column, for messages.
    missing : {"raise", "keep"}
        Whether a missing time is an error, or is reported in ``missing``.

    Returns
    -------
    TimeAxis

    Raises
    ------
    MissingTimeError
        With the row, when a time is missing.
    DataError
        When the values are not times: text, floats.

    Examples
    --------
    >>> normalize_times(np.array(["2024-01-01", "2024-01-03"], dtype="datetime64[D]")).values
    array([19723, 19725])
    """
    array, zone = _to_numpy(values, name)
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}: pass one time per row", code="data.shape", column=name)
    if array.dtype.kind == "O":
        array, zone = _from_objects(array, name)
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64 and len(array) and array.max() > np.iinfo(np.int64).max:
            raise DataError(f"{name} has bar numbers above 2^63: number the bars from 0", code="data.time", column=name)
        return TimeAxis(array.astype(np.int64, copy=False), "bar")
    if array.dtype.kind != "M":
        hint = "parse text first (polars: .str.to_date(), pandas: pd.to_datetime)" if array.dtype.kind in "US" else ""
        hint = hint or "pass datetimes, dates or integer bar numbers; floats cannot hold times exactly"
        raise DataError(f"{name} is of dtype {array.dtype}, not a time: {hint}", code="data.time", column=name)
    unit = np.datetime_data(array.dtype)[0]
    if unit not in _NUMPY_UNITS:
        raise DataError(
            f"{name} is in unit {unit!r}: convert it to nanoseconds or coarser", code="data.time", column=name
        )
    exact = array.astype(f"datetime64[{_NUMPY_UNITS[unit]}]", copy=False)
    # NaT is the least integer: one pass without a mask tells whether there is one.
    known = not len(exact) or exact.view(np.int64).min() != _NAT
    gone = None if known else np.isnat(exact)
    if gone is not None and missing != "keep":
        row, count = int(np.flatnonzero(gone)[0]), int(gone.sum())
        raise MissingTimeError(
            f"row {row}: {name} is missing ({count} rows in all). Every row needs a time: drop the rows, or fill them",
            code="data.missing_time",
            row=row,
            count=count,
            column=name,
        )
    our_unit = "d" if _NUMPY_UNITS[unit] == "D" else _NUMPY_UNITS[unit]
    return TimeAxis(exact.view(np.int64), our_unit, zone, gone)


def common_unit(
    a: TimeAxis, b: TimeAxis, *, names: tuple[str, str] = ("time", "label_end")
) -> tuple[TimeAxis, TimeAxis]:
    """Bring two axes to the finer unit of the two, exactly.

    Raises
    ------
    DataError
        When one counts bars and the other is a time, one has a time zone and the other none, or a time
        is beyond what the finer unit holds.
    """
    if "bar" in (a.unit, b.unit) and a.unit != b.unit:
        bars, times = names if a.unit == "bar" else names[::-1]
        raise DataError(f"{bars} counts bars but {times} holds times: pass both in one kind", code="data.mixed_times")
    if (a.zone is None) != (b.zone is None):
        zoned, naive = names if b.zone is None else names[::-1]
        raise DataError(
            f"{zoned} has a time zone and {naive} has none, so nobody can say which instants it means: give {naive} its "
            "zone (polars: .dt.replace_time_zone, pandas: .dt.tz_localize)",
            code="data.mixed_zones",
            column=naive,
        )
    if a.unit == b.unit:
        return a, b
    finer = a.unit if UNITS[a.unit] < UNITS[b.unit] else b.unit
    return _refine(a, finer, names[0]), _refine(b, finer, names[1])


def as_datetimes(values: NDArray[np.int64], unit: str) -> NDArray[Any]:
    """Return a datetime64 view (UTC), or the bar numbers themselves."""
    return values if unit == "bar" else values.view(f"datetime64[{'D' if unit == 'd' else unit}]")


def format_time(value: Any, unit: str) -> str:
    """Write one time for people: a date where it is midnight, to the second where that is exact."""
    if unit == "bar":
        return str(int(value))
    instant = np.asarray(value, dtype=np.int64).view(f"datetime64[{'D' if unit == 'd' else unit}]")[()]
    if unit == "d":
        return str(instant)
    seconds = instant.astype("datetime64[s]")
    return str(seconds if seconds == instant else instant).removesuffix("T00:00:00")


def _refine(axis: TimeAxis, unit: str, name: str) -> TimeAxis:
    if axis.unit == unit:
        return axis
    factor = UNITS[axis.unit] // UNITS[unit]
    values = axis.values
    known = values if axis.missing is None else values[~axis.missing]
    limit = np.iinfo(np.int64).max // factor
    if len(known) and (known.max() > limit or known.min() < -limit):
        row = int(np.flatnonzero(np.abs(values) > limit)[0])
        raise DataError(
            f"row {row}: {name} {format_time(values[row], axis.unit)} is out of reach in {unit}: use a coarser unit",
            code="data.time_range",
            row=row,
            column=name,
        )
    # NaT times a factor wraps to something that looks like a time; it is kept as it is.
    refined = values * factor if axis.missing is None else np.where(axis.missing, _NAT, values * factor)
    return TimeAxis(refined, unit, axis.zone, axis.missing)


def _to_numpy(values: Any, name: str) -> tuple[NDArray[Any], str | None]:
    """The values as numpy, instants in UTC, and the zone they were in."""
    if isinstance(values, np.ndarray):
        return values, None
    if hasattr(values, "tz") and hasattr(values, "to_series"):  # pandas' DatetimeIndex, which narwhals does not take
        values = values.to_series()
    if hasattr(values, "iloc") and getattr(values.dtype, "tz", None) is not None:
        # Asked of pandas itself: narwhals 2.29 does not know zones with an underscore, such as America/New_York.
        return values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), _calendar(values.dt.tz)
    import narwhals.stable.v2 as nw

    try:
        series = nw.from_native(_through_arrow(values), series_only=True)
    except TypeError:
        listed = list(values)
        # numpy would quietly make floats of None
        return np.asarray(listed, dtype=object if any(item is None for item in listed) else None), None
    zone = None
    dtype = series.dtype
    if isinstance(dtype, nw.Datetime):
        zone = dtype.time_zone
        if zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    elif dtype.is_integer() and series.null_count():
        row = series.is_null().arg_max()
        raise MissingTimeError(
            f"row {row}: {name} is missing ({series.null_count()} rows in all). Drop the rows, or fill them",
            code="data.missing_time",
            row=row,
            count=series.null_count(),
            column=name,
        )
    return series.to_numpy(), None if zone is None else _calendar(zone)


def _through_arrow(values: Any) -> Any:
    """A column of a library that narwhals does not know, by the Arrow PyCapsule interface; others as they are."""
    import narwhals.stable.v2 as nw

    if not (hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__")):
        return values
    if nw.from_native(values, allow_series=True, pass_through=True) is not values:
        return values
    import polars as pl

    return pl.Series(values)


def _from_objects(array: NDArray[Any], name: str) -> tuple[NDArray[Any], str | None]:
    """Python dates and datetimes, in UTC, and their zone; anything else in an object column is not a time."""
    import datetime as dt

    known = [item for item in array if item is not None]
    if any(type(item).__name__ == "Period" for item in known):
        raise DataError(
            f"{name} holds periods, and a row has one time: pass their ends, .dt.end_time, when what they sum up is known",
            code="data.time",
            column=name,
        )
    if any(type(item).__module__.partition(".")[0] == "pandas" for item in known):
        # Timestamps have nanoseconds and NaT: pandas reads its own.
        return _to_numpy(sys.modules["pandas"].DatetimeIndex(list(array)), name)
    if known and all(isinstance(item, dt.datetime) for item in known):
        zones = {_zone_name(item.tzinfo) for item in known}
        if None not in zones:
            utc = [item if item is None else item.astimezone(dt.UTC).replace(tzinfo=None) for item in array]
            return np.array(utc, dtype="datetime64[us]"), zones.pop() if len(zones) == 1 else "UTC"
        if len(zones) > 1:
            row = next(i for i, item in enumerate(array) if item is not None and item.tzinfo is None)
            raise DataError(
                f"row {row}: {name} has no time zone, other rows have one: give all of them one, or none",
                code="data.mixed_zones",
                row=row,
                column=name,
            )
        return np.array(list(array), dtype="datetime64[us]"), None
    if known and all(isinstance(item, dt.date) and not isinstance(item, dt.datetime) for item in known):
        return np.array(list(array), dtype="datetime64[D]"), None
    kind = type(known[0]).__name__ if known else "None"
    raise DataError(f"{name} holds {kind} values, not times: parse them first", code="data.time", column=name)


def _calendar(zone: Any) -> str:
    """The name of a zone as calendars know it; a fixed offset counts its days in UTC."""
    import polars as pl

    try:  # asked of the calendar that durations are counted in
        pl.Series([0], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(str(zone))
    except pl.exceptions.PolarsError:
        return "UTC"
    return str(zone)


def _zone_name(zone: Any) -> str | None:
    """The name of a zone as calendars know it; a fixed offset counts its days in UTC."""
    return None if zone is None else getattr(zone, "key", "UTC")
