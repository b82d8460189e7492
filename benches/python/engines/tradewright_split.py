"""tradewright's splitters, for the same cases as its peers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewright.splitting import PurgedKFold, SplitPlan, WalkForward

NAME = "tradewright_split"


def plan(case: str, time: np.ndarray, end: np.ndarray) -> SplitPlan:
    splitter: Any = PurgedKFold(5, embargo=100) if case == "kfold" else WalkForward(5)
    return splitter.plan(time, label_end=end)


def index_arrays(case: str, time: np.ndarray, end: np.ndarray, dtype: str) -> int:
    made = plan(case, time, end)
    kept = [(fold.train.indices(dtype), fold.test.indices(dtype)) for fold in made.folds]
    return sum(len(train) + len(test) for train, test in kept)


def ready(folds: int, time: np.ndarray, end: np.ndarray) -> Any:
    """A call that plans from a timeline that is ready."""
    from tradewright.splitting.layout import Axis

    axis, splitter = Axis.read(time, end), PurgedKFold(folds, embargo=100)
    return lambda: splitter.plan_on(axis)
