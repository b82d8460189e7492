"""Why a row is what it is in a fold, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.panel.times import format_time
from tradewright.splitting.fold import ROLES

__all__ = ["explain_row"]

#: What blocks are called.
_NAMES = {ROLES.index("test"): "test", ROLES.index("val"): "validation block"}
_OPEN = np.iinfo(np.int64).max


def explain_row(
    role: str,
    place: int,
    label: tuple[int, int] | None,
    hulls: NDArray[np.int64],
    splitter: dict[str, Any],
    unit: str,
) -> str | None:
    """Say what a row is, and which block makes it so; None when its label, changed since, says otherwise.

    Parameters
    ----------
    role : str
        What it is.
    place : int
        Its place in time order.
    label : (int, int) or None
        Its time and when its label ends; None for a plan that was saved, of which only the role is known.
    hulls : ndarray of int64, shape (k, 5)
        Role, first row, one past the last, first time, latest label end of the fold's blocks, tests first.
    splitter : dict
        The configuration of the plan.
    unit : str
        The unit of times.
    """
    if label is None:
        return f"{role} (a plan that was saved has no times to say more)"
    starts, reaches = (_written(instant, unit) for instant in label)
    if role == "train" and _touching(place, label, hulls, splitter, unit) is not None:
        return None
    if role in ("train", "val", "test"):
        return f"{role}: its label goes from {starts} to {reaches}"
    if role == "purged":
        why = _touching(place, label, hulls, splitter, unit)
        return None if why is None else f"purged: {why}"
    tests = hulls[hulls[:, 0] == ROLES.index("test")]
    if role == "embargoed":
        return f"embargoed: {_near(place, label, tests, splitter, unit)}"
    if len(tests) and place >= tests[-1, 2]:
        return f"unused: its time {starts} is after the test of this fold, which starts {_written(tests[-1, 3], unit)}"
    if splitter.get("train_size") is not None:
        return f"unused: its time {starts} is before the train window of {splitter['train_size']}"
    return f"unused: its time {starts} is outside of what this fold trains and tests on"


def _touching(
    place: int, label: tuple[int, int], hulls: NDArray[np.int64], splitter: dict[str, Any], unit: str
) -> str | None:
    """Which block a purged row's label overlaps, tests first."""
    time, end = label
    both = splitter.get("closed", "both") == "both"
    for role, start, stop, first, last in hulls.tolist():
        name = _NAMES[role] + _whose(splitter)
        if place < start and (end >= first if both else end > first):
            return f"its label ends {_written(end, unit)}, the {name} starts {_written(first, unit)}"
        if place >= stop and (time <= last if both else time < last):
            return f"its time is {_written(time, unit)}, the labels of the {name} end {_written(last, unit)}"
    return None


def _near(place: int, label: tuple[int, int], tests: NDArray[np.int64], splitter: dict[str, Any], unit: str) -> str:
    """Which test a row is too near to: the last one before it, or the one that follows."""
    embargo = splitter.get("embargo")
    before = tests[tests[:, 2] <= place]
    if len(before):
        last = _written(before[:, 4].max(), unit)
        return (
            f"its time {_written(label[0], unit)} is within the embargo of {embargo} after the labels of the "
            f"test{_whose(splitter)}, which end {last}"
        )
    first = _written(tests[0, 3], unit)
    end = _written(label[1], unit)
    return (
        f"its label ends {end}, within the embargo of {embargo} before the test{_whose(splitter)}, which starts {first}"
    )


def _whose(splitter: dict[str, Any]) -> str:
    """Of which rows the hulls are; those of all assets need no saying."""
    return " of its asset" if splitter.get("purge_scope") == "asset" else ""


def _written(instant: int, unit: str) -> str:
    return "never" if instant == _OPEN else format_time(instant, unit)
