"""Which rows a model was trained on, so that it can say so when it is asked to predict them.

A bundle keeps of the train rows: the stretches of time they cover, their assets, and a sample of at most 256 of them as
two 32-bit hashes each, of the row's key (time and asset) and of its features. The sample tells whether a panel that is
not the very one of the training holds the same data, for two data sets may well share their dates.
"""

from __future__ import annotations

import base64
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.panel import Panel
from tradewright.panel.times import as_datetimes

__all__ = ["TrainedRowsWarning", "check_trained", "count_trained", "describe_trained", "warn_of_trained"]

_SAMPLE = 256
_HASH = np.dtype([("key", "<u4"), ("features", "<u4")])


class TrainedRowsWarning(UserWarning):
    """Some of the rows to be predicted are rows the model was trained on."""


def describe_trained(panel: Panel, ranges: NDArray[np.int64] | None, order: NDArray[Any] | None) -> dict[str, Any]:
    """Return what is kept of the train rows, as plain JSON values: a few kilobytes.

    Parameters
    ----------
    panel : Panel
        The rows of the data.
    ranges : ndarray of int64, shape (k, 2), or None
        Half-open ranges of train rows in time order; None for all rows.
    order : ndarray or None
        The panel's position of each row in time order; None for sorted rows.
    """
    n_rows = len(panel)
    ranges = np.array([[0, n_rows]]) if ranges is None else np.asarray(ranges)
    if order is None and not _is_sorted(panel.time):
        order = np.argsort(panel.time, kind="stable")
    sizes = ranges[:, 1] - ranges[:, 0]
    count = int(sizes.sum())
    # Positions of evenly spaced train rows, counted over all ranges.
    places = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64)) if count else np.zeros(0, int)
    begins = np.cumsum(sizes) - sizes
    of_range = np.searchsorted(begins, places, side="right") - 1
    positions = ranges[of_range, 0] + places - begins[of_range]
    rows = positions if order is None else order[positions]
    sample = np.empty(len(rows), dtype=_HASH)
    sample["key"] = _keys(panel, rows)
    sample["features"] = _feature_hashes(panel, panel.feature_names, rows)
    return {
        "unit": "bar" if panel.time_unit == "bar" else "ns",
        "times": _stretches(panel, ranges, order),
        "assets": _encoded(np.unique(_asset_hashes(panel)[_codes_in(panel, ranges, order)])),
        "sample": _encoded(sample),
    }


def check_trained(trained: Any) -> None:
    """Raise a ValueError when what a file says of its train rows is not of the shape it is written in."""
    if trained["unit"] not in ("bar", "ns") or not isinstance(trained["times"], list):
        raise ValueError("it has no stretches of time")
    for first, last in trained["times"]:
        np.array([first, last], dtype=np.int64)
        if type(first) is not int or type(last) is not int:
            raise ValueError("a time is not an integer")
    np.frombuffer(base64.b64decode(trained["assets"], validate=True), dtype="<u4")
    np.frombuffer(base64.b64decode(trained["sample"], validate=True), dtype=_HASH)


def count_trained(
    panel: Panel, rows: NDArray[np.int64] | None, trained: Mapping[str, Any], facts: Any
) -> tuple[int, bool]:
    """Return how many of the rows were trained on, and whether that is exact.

    It is for the panel of the training itself. For another one rows are counted whose time and asset were trained on, if
    the sampled rows that it holds are the same; none, if they are others, or if there are no assets and it holds none.

    Parameters
    ----------
    panel : Panel
        The data.
    rows : ndarray of int64 or None
        The rows that are predicted; None for all.
    trained : mapping
        Of :func:`describe_trained`.
    facts : ModelMetadata
        Fingerprint, ranges and features of the training.
    """
    if trained["unit"] != ("bar" if panel.time_unit == "bar" else "ns") or len(panel) == 0:
        return 0, True
    inside = _within(_instants(panel, rows), trained["times"])
    if not inside.any():  # what predictions on new data cost
        return 0, True
    evidence = facts.evidence
    if evidence is not None and evidence["n_rows"] == len(panel) and panel.fingerprint == facts.data_fingerprint:
        ranges = np.array(facts.train_ranges or [(0, len(panel))], dtype=np.int64)
        return _count_in_ranges(panel, rows, ranges), True
    chosen = np.flatnonzero(inside) if rows is None else rows[inside]
    known_assets = np.frombuffer(base64.b64decode(trained["assets"]), dtype="<u4")
    if panel.asset is not None:
        is_known = np.isin(_asset_hashes(panel), known_assets)
        chosen = chosen[is_known[panel.asset[chosen]]]
    elif len(known_assets):  # trained on assets, asked about none
        return 0, True
    if not len(chosen):
        return 0, True
    sample = np.frombuffer(base64.b64decode(trained["sample"]), dtype=_HASH)
    return (len(chosen) if _same_data(panel, chosen, sample, facts.feature_names) else 0), False


def warn_of_trained(X: Any, rows: Any, facts: Any, *, stacklevel: int) -> None:
    """Warn when rows of a panel were trained on; for anything else than a panel there is nothing to tell rows by."""
    if facts.trained is None or not isinstance(X, Panel):
        return
    positions = None if rows is None else X.positions(rows)
    count, exact = count_trained(X, positions, facts.trained, facts)
    if not count:
        return
    of = len(X) if positions is None else len(positions)
    told = f"{count:,} of these {of:,} rows were trained on" if count < of else f"these {of:,} rows were trained on"
    how = "" if exact else ", going by their times" + (" and assets" if X.asset is not None else "")
    warnings.warn(
        f"{told}{how}: their predictions say nothing about new data. Predict rows=fold.test; if this is meant, set"
        " model.warns_of_trained_rows = False",
        TrainedRowsWarning,
        stacklevel=stacklevel + 1,
    )


def _same_data(panel: Panel, rows: NDArray[np.int64], sample: NDArray[Any], names: Sequence[str]) -> bool:
    """Whether at least half of the sampled rows that the panel holds are the rows that were sampled."""
    held = rows[np.isin(_keys(panel, rows), sample["key"])]
    if not len(held):  # too few rows to hold a sampled one: dates and assets must do, dates alone don't
        return panel.asset is not None
    if any(name not in panel.columns for name in names):
        return False  # which predict has its own words for
    found = np.empty(len(held), dtype=_HASH)
    found["key"] = _keys(panel, held)
    found["features"] = _feature_hashes(panel, names, held)
    return 2 * int(np.isin(found.view("<u8"), np.ascontiguousarray(sample).view("<u8")).sum()) >= len(held)


def _count_in_ranges(panel: Panel, rows: NDArray[np.int64] | None, ranges: NDArray[np.int64]) -> int:
    mask = np.zeros(len(panel), dtype=np.bool_)
    for start, stop in ranges.tolist():
        mask[start:stop] = True
    if not _is_sorted(panel.time):
        of_caller = np.zeros_like(mask)
        of_caller[np.argsort(panel.time, kind="stable")[mask]] = True
        mask = of_caller
    return int(np.count_nonzero(mask if rows is None else mask[rows]))


def _is_sorted(time: NDArray[np.int64]) -> bool:
    return bool((time[1:] >= time[:-1]).all())


def _instants(panel: Panel, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Times as nanoseconds, or bar numbers: the same in whatever unit they came."""
    time = panel.time if rows is None else panel.time[rows]
    if panel.time_unit in ("bar", "ns"):
        return time
    return as_datetimes(time, panel.time_unit).astype("datetime64[ns]").view(np.int64)


def _stretches(panel: Panel, ranges: NDArray[np.int64], order: NDArray[Any] | None) -> list[list[int]]:
    """First and last instant of each stretch of train rows; those that touch are one."""
    found: list[list[int]] = []
    for start, stop in ranges[ranges[:, 1] > ranges[:, 0]].tolist():
        ends = np.array([start, stop - 1])
        first, last = _instants(panel, ends if order is None else order[ends]).tolist()
        if found and first <= found[-1][1]:
            found[-1][1] = max(found[-1][1], last)
        else:
            found.append([first, last])
    return found


def _within(instants: NDArray[np.int64], stretches: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    inside = np.zeros(len(instants), dtype=np.bool_)
    for first, last in stretches:
        inside |= (instants >= first) & (instants <= last)
    return inside


def _codes_in(panel: Panel, ranges: NDArray[np.int64], order: NDArray[Any] | None) -> NDArray[np.int64]:
    """Return the codes of the assets that were trained on."""
    seen = np.zeros(len(panel.asset_names), dtype=np.bool_)
    if panel.asset is not None:
        for start, stop in ranges.tolist():
            seen[panel.asset[slice(start, stop) if order is None else order[start:stop]]] = True
    return np.flatnonzero(seen)


def _asset_hashes(panel: Panel) -> NDArray[np.uint32]:
    names = [
        hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).digest() for name in panel.asset_names
    ]
    return np.frombuffer(b"".join(names), dtype="<u4")


def _keys(panel: Panel, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    """32 bits of time and asset of each row: the last steps of splitmix64."""
    value = _instants(panel, rows).view(np.uint64).copy()
    if panel.asset is not None:
        value ^= _asset_hashes(panel)[panel.asset[rows]].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value ^= value >> np.uint64(shift)
        value *= np.uint64(factor)
    return (value ^ (value >> np.uint64(31))).astype(np.uint32)


def _feature_hashes(panel: Panel, names: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    """32 bits of the features of each row, in float32: a cast of the frame does not make them other rows."""
    with np.errstate(over="ignore"):
        matrix = np.column_stack([panel.columns[name][rows].astype("<f4") for name in names]) + np.float32(0.0)
    matrix[np.isnan(matrix)] = np.nan  # one NaN
    hashes = [hashlib.blake2b(row.tobytes(), digest_size=4).digest() for row in matrix]
    return np.frombuffer(b"".join(hashes), dtype="<u4")


def _encoded(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
