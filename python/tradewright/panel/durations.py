"""Durations: what ``"3mo"``, ``"5d"``, ``"5b"``, ``"36h"`` and timedelta mean.

Years, months, weeks and days are calendar time in the panel's zone (a day may have 23 hours), business days are
numpy's, hours and below are elapsed time, and so is every timedelta.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ParameterError
from tradewright.panel.times import UNITS, as_datetimes

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Duration", "add_duration", "parse_duration"]

#: Elapsed units in nanoseconds.
_ELAPSED = {"h": 3_600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_CALENDAR = ("y", "mo", "w", "d")
#: The most days that one of each calendar unit can take; of business days on average, weekends included.
_LONGEST_DAYS = {"y": 366, "mo": 31, "w": 7, "d": 1, "b": 2}
#: How far from 1970 the calendar reaches: the proleptic years of the library behind it.
_CALENDAR_DAYS = 90_000_000
_PATTERN = re.compile(r"(\d+)\s*(y|mo|w|d|b|h|min|ms|us|ns|m|s)")


@dataclass(frozen=True, slots=True)
class Duration:
    """A count of one unit; elapsed durations are kept in nanoseconds.

    Parameters
    ----------
    count : int
        How many, not negative.
    unit : {"y", "mo", "w", "d", "b", "ns"}
        Calendar units, business days, or elapsed nanoseconds.
    """

    count: int
    unit: str


def parse_duration(value: Any, *, name: str) -> Duration:
    """Read a duration from text, a timedelta, or numpy's or pandas' timedelta.

    Raises
    ------
    ParameterError
        When it is none of these, negative, or in a unit that is not known.

    Examples
    --------
    >>> parse_duration("3mo", name="embargo"), parse_duration(timedelta(hours=1), name="embargo")
    (Duration(count=3, unit='mo'), Duration(count=3600000000000, unit='ns'))
    """
    if isinstance(value, str):
        match = _PATTERN.fullmatch(value.strip())
        if match:
            count, unit = int(match[1]), match[2].replace("min", "m")
            return Duration(count, unit) if unit in (*_CALENDAR, "b") else Duration(count * _ELAPSED[unit], "ns")
    elif isinstance(value, np.timedelta64):
        if np.datetime_data(value.dtype)[0] not in ("Y", "M", "generic") and value >= np.timedelta64(0):
            return Duration(int(value.astype("timedelta64[ns]").astype(np.int64)), "ns")
    elif isinstance(value, timedelta) and value >= timedelta(0):  # pandas' Timedelta is one
        nanoseconds = value // timedelta(microseconds=1) * 1000 + getattr(value, "nanoseconds", 0)
        return Duration(int(nanoseconds), "ns")
    raise ParameterError(
        f"{name}={value!r} is not a duration: pass a count with a unit (y, mo, w, d calendar; b business days; h, m, s, "
        "ms, us, ns elapsed), such as '5d', or a timedelta, not negative",
        code="parameter.duration",
        name=name,
    )


def add_duration(
    times: NDArray[np.int64],
    duration: Any,
    *,
    unit: str,
    zone: str | None = None,
    sign: Literal[1, -1] = 1,
    name: str = "duration",
) -> NDArray[np.int64]:
    """Shift times by a duration, forwards or (``sign=-1``) backwards.

    Parameters
    ----------
    times : ndarray of int64
        Times in ``unit``.
    duration : Duration, str or timedelta
        See :func:`parse_duration`.
    unit, zone : str
        As in :class:`~tradewright.panel.times.TimeAxis`.
    name : str
        The parameter, for messages.

    Returns
    -------
    ndarray of int64
        In the same unit. An elapsed duration that is no multiple of the unit is cut towards the start, so that
        comparing with whole units stays exact. A shift beyond what the unit can hold stays at its end. Months
        end on their last day: January 31 and ``"1mo"`` give the last day
        of February.

    Raises
    ------
    ParameterError
        For bar numbers, or a time that leaves what the unit can hold.

    Examples
    --------
    >>> friday = np.array([19724])  # 2024-01-02 is a Tuesday
    >>> (add_duration(friday, "5b", unit="d") - friday).tolist()
    [7]
    """
    if not isinstance(duration, Duration):
        duration = parse_duration(duration, name=name)
    if unit == "bar":
        raise ParameterError(
            f"{name} is a duration, but times are bar numbers: pass an int, which counts distinct timestamps",
            code="parameter.duration",
            name=name,
        )
    if duration.unit == "ns":
        step = duration.count // UNITS[unit]
        if step > 2**62:
            raise ParameterError(f"{name} is longer than time itself", code="parameter.duration", name=name)
        return _saturating(times, sign * step)
    longest = duration.count * _LONGEST_DAYS[duration.unit] * UNITS["d"] // UNITS[unit]
    if duration.unit == "b":
        longest += 7 * UNITS["d"] // UNITS[unit]
    far = _out_of_reach(times, longest, unit, sign)
    if far.any():
        limits = np.iinfo(np.int64)
        out = np.full(times.shape, limits.max if sign > 0 else limits.min)
        if not far.all():
            out[~far] = add_duration(times[~far], duration, unit=unit, zone=zone, sign=sign, name=name)
        return out
    if duration.unit == "b":
        return _shift_days(
            times, unit, zone, lambda days: np.busday_offset(days, sign * duration.count, roll="forward")
        )
    return _shift_calendar(times, f"{'-' if sign < 0 else ''}{duration.count}{duration.unit}", unit, zone)


def _out_of_reach(times: NDArray[np.int64], longest: int, unit: str, sign: int) -> NDArray[np.bool_]:
    """Which times a shift of at most ``longest`` could carry beyond what the unit, or the calendar, can hold."""
    reach = min(np.iinfo(np.int64).max, _CALENDAR_DAYS * UNITS["d"] // UNITS[unit]) - longest
    if reach <= 0:
        return np.ones(times.shape, dtype=bool)
    return times > reach if sign > 0 else times < -reach


def _saturating(times: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Add without wrapping: a shift beyond the end of time stays at its end."""
    limits = np.iinfo(np.int64)
    if step >= 0:
        return np.where(times > limits.max - step, limits.max, times + np.int64(step))
    return np.where(times < limits.min - step, limits.min, times + np.int64(step))


def _shift_calendar(times: NDArray[np.int64], offset: str, unit: str, zone: str | None) -> NDArray[np.int64]:
    import polars as pl

    series = _as_series(times, unit)
    if zone is not None and unit != "d":
        # Shift the wall clock, then read it in the zone: an hour that DST skips or repeats takes its earlier reading.
        wall = series.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
        moved = wall.dt.offset_by(offset)
        local = moved.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        if local.null_count():
            later = moved.dt.offset_by("1h").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            local = local.fill_null(later)
        series = local.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    else:
        series = series.dt.offset_by(offset)
    values = series.to_physical().cast(pl.Int64).to_numpy()
    return values // 1000 if unit == "s" else values


def _as_series(times: NDArray[np.int64], unit: str) -> pl.Series:
    """The times in polars, which knows no seconds."""
    import polars as pl

    return pl.Series(as_datetimes(times * 1000, "ms") if unit == "s" else as_datetimes(times, unit))


def _shift_days(times: NDArray[np.int64], unit: str, zone: str | None, shift: Any) -> NDArray[np.int64]:
    """Shift the calendar day, keeping the time of the day on the local clock."""
    if unit == "d":
        shifted: NDArray[np.int64] = shift(as_datetimes(times, unit)).view(np.int64)
        return shifted
    per_day = UNITS["d"] // UNITS[unit]
    wall = times
    if zone is not None:
        local = _as_series(times, unit).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        offset = (local.dt.base_utc_offset() + local.dt.dst_offset()).dt.total_milliseconds().to_numpy()
        wall = times + offset * 10**6 // UNITS[unit]
    days = np.floor_divide(wall, per_day)
    moved = shift(days.view("datetime64[D]")).view(np.int64) - days
    # Whole days on the wall clock; the calendar shift accounts for DST.
    out = times.copy()
    for count in np.unique(moved):
        chosen = moved == count
        out[chosen] = _shift_calendar(times[chosen], f"{count}d", unit, zone)
    return out
