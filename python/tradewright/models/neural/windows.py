"""Which rows a row's window is made of: its asset's latest, up to itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError, DuplicateKeyError

__all__ = ["WindowIndex", "WindowPlan"]

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class WindowPlan:
    """The windows of some rows as slices of one short list of rows.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_read,)
        The rows to read, each once, by asset and time: those in any window, and no others.
    starts : ndarray of int64, shape (n_windows,)
        Where each window starts in ``rows``: it is the ``window`` rows from there.
    """

    rows: Positions
    starts: Positions


class WindowIndex:
    """Rows in the order of their assets and times, in which a window is a slice.

    Parameters
    ----------
    time : array-like, shape (n_rows,)
        When each row is: integers, datetimes, anything that sorts.
    asset : array-like or None, shape (n_rows,)
        Whose each row is; None for a single asset.
    window : int
        How many rows a window has: the row itself and those of the same asset before it. Rows count, not time.

    Raises
    ------
    DuplicateKeyError
        When an asset has two rows at one time: neither comes before the other.
    DataError
        When a time or an asset is missing.

    Notes
    -----
    O(n log n) once, O(n) for rows in time order; keeps 8 bytes a row (16 from 2^31 rows on), whatever the window.

    Examples
    --------
    >>> index = WindowIndex([1, 1, 2, 2, 3], ["a", "b", "a", "b", "a"], window=2)
    >>> index.complete(np.array([4, 1, 2])).tolist()
    [True, False, True]
    >>> plan = index.plan(np.array([4, 2]))
    >>> plan.rows.tolist(), plan.starts.tolist()  # the windows are rows (2, 4) and rows (0, 2)
    ([0, 2, 4], [1, 0])
    """

    def __init__(self, time: Any, asset: Any, window: int) -> None:
        times = _sortable(time, "time")
        assets = None if asset is None else _sortable(asset, "asset")
        order = _by_asset_and_time(times, assets)
        owners = None if assets is None else assets[order]
        borders = np.empty(0, dtype=np.int64) if owners is None else np.flatnonzero(owners[1:] != owners[:-1]) + 1
        _refuse_equal_times(times, order, borders, time, asset)
        small = np.int32 if len(order) < 2**31 else np.int64
        self.window = window
        self._order = order.astype(small)  # the row at each place
        self._place = np.empty(len(order), dtype=small)  # the place of each row
        self._place[order] = np.arange(len(order), dtype=small)
        self._firsts = np.concatenate([np.zeros(1, dtype=np.int64), borders])  # the first place of each asset

    @property
    def n_assets(self) -> int:
        """How many assets there are."""
        return len(self._firsts)

    @property
    def nbytes(self) -> int:
        """The bytes that are kept."""
        return self._order.nbytes + self._place.nbytes + self._firsts.nbytes

    def complete(self, rows: Positions) -> NDArray[np.bool_]:
        """Return which rows have as many rows of their asset behind them as a window takes, themselves included."""
        places = self._place[rows].astype(np.int64)
        whole: NDArray[np.bool_] = places - self._firsts[self._number(places)] >= self.window - 1
        return whole

    def assets_of(self, rows: Positions) -> NDArray[np.int64]:
        """Return a number per row that tells assets apart, from 0 to ``n_assets`` - 1."""
        return self._number(self._place[rows])

    def plan(self, rows: Positions) -> WindowPlan:
        """Lay out the windows of rows that have complete ones; O(k log k) for k rows."""
        places = self._place[rows].astype(np.int64)
        by_place = np.argsort(places, kind="stable")
        ascending = places[by_place]
        # A row adds to the list what its window has beyond the window before it; after a wide gap, all of it. Between
        # the last row of one asset and a complete window of the next there is always such a gap.
        added = np.diff(ascending, prepend=ascending[:1] - self.window)
        np.minimum(added, self.window, out=added)
        stops = np.cumsum(added)
        listed = np.repeat(ascending + 1 - stops, added)
        listed += np.arange(len(listed))
        starts = np.empty(len(rows), dtype=np.int64)
        starts[by_place] = stops - self.window
        return WindowPlan(self._order[listed].astype(np.int64), starts)

    def in_order(self, rows: Positions) -> NDArray[np.int64]:
        """Return the positions in ``rows`` that bring them into the order of assets and times, so that windows overlap."""
        return np.argsort(self._place[rows], kind="stable")

    def _number(self, places: NDArray[Any]) -> NDArray[np.int64]:
        return np.searchsorted(self._firsts, places, side="right") - 1


def _sortable(values: Any, what: str) -> NDArray[Any]:
    """Return values as something numpy sorts fast and compares exactly; equal values stay equal, order stays order."""
    array = np.asarray(values)
    if array.dtype.kind in "mM":
        missing, array = np.isnat(array), array.view(np.int64)
    elif array.dtype.kind == "O":
        missing = np.array([value is None or value != value for value in array], dtype=np.bool_)
    else:
        missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(0, dtype=np.bool_)
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise DataError(
            f"row {row} has no {what}: a window needs one of every row; drop the row, or fill it",
            code=f"windows.missing_{what}",
            row=row,
        )
    if array.dtype.kind in "iuf":
        return array
    try:
        return np.unique(array, return_inverse=True)[1]
    except TypeError as error:
        raise DataError(
            f"the {what}s don't compare ({error}): make them all of one kind", code=f"windows.mixed_{what}"
        ) from error


def _by_asset_and_time(times: NDArray[Any], assets: NDArray[Any] | None) -> NDArray[np.int64]:
    """Return the rows by asset, then time: stable sorts, the first of them spared where times already ascend."""
    sorted_times = len(times) < 2 or bool((times[1:] >= times[:-1]).all())
    order = np.arange(len(times)) if sorted_times else np.argsort(times, kind="stable")
    if assets is None:
        return order
    if assets.dtype.kind in "iu" and len(assets) and assets.min() >= 0 and assets.max() < 2**16:
        assets = assets.astype(np.uint16)  # numpy sorts these by radix, O(n)
    return order[np.argsort(assets if sorted_times else assets[order], kind="stable")]


def _refuse_equal_times(times: NDArray[Any], order: Positions, borders: Positions, time: Any, asset: Any) -> None:
    """Raise with the first row that shares asset and time with an earlier one."""
    ascending = times[order]
    same = ascending[1:] == ascending[:-1]
    same[borders - 1] = False
    if not same.any():
        return
    at = np.flatnonzero(same)
    second = int(order[at + 1].min())
    first = int(order[int(np.flatnonzero(order == second)[0]) - 1])
    whose = "; for many assets pass a Panel with asset=, or assets=" if asset is None else f" of asset {asset[second]}"
    raise DuplicateKeyError(
        f"rows {first} and {second} are both at {time[second]}{whose}: a window reads an asset's rows in time order, so it"
        f" has one a time; {len(at)} rows are surplus. Drop them",
        code="windows.duplicate_time",
        row=second,
        first_row=first,
        count=len(at),
    )
