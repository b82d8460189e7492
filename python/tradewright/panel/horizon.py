"""From a horizon to label ends: when each label closes, and whether it has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError, EmptyDataError, ParameterError
from tradewright.panel.durations import add_duration
from tradewright.panel.times import format_time

if TYPE_CHECKING:
    from tradewright.panel.panel import Panel

__all__ = ["kept_rows", "label_ends", "refuse_unresolved"]


def label_ends(panel: Panel, horizon: int | str | timedelta) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return when each row's label closes, and whether it closed within the panel.

    An int counts rows of the same asset in time order; a duration is added to the row's time, and the label is closed
    when that is no later than the last time of the panel. Ends of open labels are the row's own time and mean nothing.
    """
    whole = isinstance(horizon, int | np.integer)
    if isinstance(horizon, bool) or (whole and int(horizon) < 1):  # type: ignore[arg-type]
        raise ParameterError(
            f"horizon={horizon!r}: pass at least one bar, or a duration like '5d'", code="panel.horizon"
        )
    if whole:
        return _by_bars(panel, int(horizon))  # type: ignore[arg-type]
    ends = add_duration(panel.time, horizon, unit=panel.time_unit, zone=panel.time_zone, name="horizon")
    return ends, ends <= panel.time.max()


def _by_bars(panel: Panel, bars: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    asset = np.zeros(len(panel), dtype=np.int32) if panel.asset is None else panel.asset
    order = np.lexsort((panel.time, asset))  # stable: rows of one key keep their order
    by_asset, by_time = asset[order], panel.time[order]
    closed = np.zeros(len(panel), dtype=bool)
    ends = panel.time.copy()
    if len(panel) > bars:
        same = by_asset[bars:] == by_asset[:-bars]
        rows = order[:-bars][same]
        closed[rows] = True
        ends[rows] = by_time[bars:][same]
    return ends, closed


def kept_rows(panel: Panel, closed: NDArray[np.bool_], horizon: object) -> slice | NDArray[np.int64]:
    """Return the rows whose label closed: a slice where they are one run, so that the panel stays a view.

    Raises
    ------
    EmptyDataError
        When no label closed.
    """
    rows = np.flatnonzero(closed)
    if len(rows) == 0:
        first, last = (format_time(time, panel.time_unit) for time in (panel.time.min(), panel.time.max()))
        raise EmptyDataError(
            f"no label with horizon={horizon!r} closes within the data, which runs from {first} to {last}: use a shorter "
            "horizon, or more data",
            code="data.no_closed_label",
        )
    if rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def refuse_unresolved(panel: Panel, closed: NDArray[np.bool_], horizon: object) -> NoReturn:
    """Raise for rows whose label has not closed."""
    row, count = int(np.flatnonzero(~closed)[0]), int((~closed).sum())
    raise DataError(
        f"row {row} ({format_time(panel.time[row], panel.time_unit)}): its label with horizon={horizon!r} has not closed "
        f"when the data ends ({count} rows in all). Drop them with unresolved='drop'",
        code="data.unresolved_label",
        row=row,
        count=count,
    )
