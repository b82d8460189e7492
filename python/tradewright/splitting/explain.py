"""Why a row is what it is in a fold, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tradewright.panel.times import format_time
from tradewright.splitting.fold import ROLES, Fold

__all__ = ["explain_row"]


def explain_row(
    fold: Fold,
    at: int,
    time: NDArray[np.int64] | None,
    label_end: NDArray[np.int64] | None,
    unit: str,
) -> str:
    """Say what the row at position ``at`` of the time order is, and which block makes it so.

    Without times (a plan that was pickled) only the role is known.
    """
    role = next(name for name in ROLES if _holds(getattr(fold, name).ranges, at))
    if time is None:
        return f"{role} (a plan that was saved has no times to say more)"
    ends = time if label_end is None else label_end
    starts, reaches = format_time(time[at], unit), format_time(ends[at], unit)
    if role in ("train", "val", "test"):
        return f"{role}: its label goes from {starts} to {reaches}"
    if role == "unused":
        return f"unused: its time {starts} is outside of what this fold trains and tests on"
    blocks = [("test", *block) for block in _blocks(fold.test.ranges)]
    if len(fold.val):
        blocks += [("validation block", *block) for block in _blocks(fold.val.ranges)]
    if role == "purged":
        return f"purged: {_touching(blocks, at, time, ends, unit)}"
    for name, start, stop in blocks:
        if name == "test" and at >= stop:
            until = format_time(ends[start:stop].max(), unit)
            return f"embargoed: its time {starts} is within the embargo after the labels of the test, which end {until}"
    first = format_time(time[blocks[0][1]], unit)
    return f"embargoed: its label ends {reaches}, within the embargo before the test, which starts {first}"


def _touching(
    blocks: list[tuple[str, int, int]], at: int, time: NDArray[np.int64], ends: NDArray[np.int64], unit: str
) -> str:
    """Which block a purged row's label overlaps, tests first."""
    for name, start, stop in blocks:
        hull_end = ends[start:stop].max()
        if at < start and ends[at] >= time[start]:
            return f"its label ends {format_time(ends[at], unit)}, the {name} starts {format_time(time[start], unit)}"
        if at >= stop and time[at] <= hull_end:
            return (
                f"its time is {format_time(time[at], unit)}, the labels of the {name} end {format_time(hull_end, unit)}"
            )
    # Part of a validation block whose other rows were purged as well: its hull is no longer among the roles.
    return f"its label, {format_time(time[at], unit)} to {format_time(ends[at], unit)}, overlaps the validation block"


def _holds(ranges: NDArray[np.int64], at: int) -> bool:
    return bool(((ranges[:, 0] <= at) & (at < ranges[:, 1])).any())


def _blocks(ranges: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(int(start), int(stop)) for start, stop in ranges]
