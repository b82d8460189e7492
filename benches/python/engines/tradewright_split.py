"""tradewright's splitters, for the same cases as its peers."""

from __future__ import annotations

from typing import Any

import numpy as np

import tradewright.splitting as tws

PACKAGE = "tradewright"
NAME = "tradewright_split"
CASES = ("kfold", "cpcv", "walk_forward")


def _splitter(case: str, embargo: Any, folds: int = 5) -> Any:
    if case == "cpcv":
        return tws.CombinatorialPurgedCV(10, 2, embargo=embargo)
    return tws.PurgedKFold(folds, embargo=embargo) if case == "kfold" else tws.WalkForward(5)


def plan(case: str, time: np.ndarray, end: np.ndarray) -> tws.SplitPlan:
    made: tws.SplitPlan = _splitter(case, 100).plan(time, label_end=end)
    return made


def arrays(made: tws.SplitPlan, dtype: str) -> int:
    kept = [(fold.train.indices(dtype), fold.test.indices(dtype)) for fold in made.folds]
    return sum(len(train) + len(test) for train, test in kept)


def index_arrays(case: str, time: np.ndarray, end: np.ndarray, dtype: str) -> int:
    return arrays(plan(case, time, end), dtype)


def ready(case: str, time: np.ndarray, end: np.ndarray) -> Any:
    """A call that plans from a timeline that is ready."""
    from tradewright.splitting.layout import Axis

    axis, splitter = Axis.read(time, end), _splitter(case, 100, folds=45)
    return lambda: splitter.plan_on(axis)


# --- against peers --------------------------------------------------------------------------------------------------


def given(time: np.ndarray, end: np.ndarray) -> Any:
    """What it takes: times and label ends as they are."""
    return time, end


def splits(case: str, columns: Any, embargo: np.timedelta64) -> list[Any]:
    time, end = columns
    return list(_splitter(case, embargo).plan(time, label_end=end).split())


def split_ready(case: str, columns: Any, embargo: np.timedelta64) -> Any:
    """A call that makes the index arrays of a plan that is ready."""
    time, end = columns
    made = _splitter(case, embargo).plan(time, label_end=end)
    return lambda: list(made.split())


def planned(case: str, columns: Any, embargo: np.timedelta64) -> tws.SplitPlan:
    """The plan alone, as ranges."""
    time, end = columns
    made: tws.SplitPlan = _splitter(case, embargo).plan(time, label_end=end)
    return made
