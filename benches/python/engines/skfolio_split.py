"""skfolio, for the same cases as tradewright. It knows no labels: purging and embargo are counts of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from skfolio.model_selection import CombinatorialPurgedCV, WalkForward

PACKAGE = "skfolio"
CASES = ("cpcv", "walk_forward")


def given(time: np.ndarray, end: np.ndarray) -> Any:
    """What it takes: rows, and how many the longest label covers."""
    bar = time[1] - time[0]
    return np.empty((len(time), 1)), int((end - time).max() / bar), bar


def splits(case: str, columns: Any, embargo: np.timedelta64) -> list[Any]:
    X, horizon, bar = columns
    if case == "walk_forward":
        size = len(X) // 6
        return list(WalkForward(size, len(X) - 5 * size, purged_size=horizon, expand_train=True).split(X))
    splitter = CombinatorialPurgedCV(10, 2, purged_size=horizon, embargo_size=int(embargo / bar))
    return [(train, np.concatenate(tests)) for train, tests in splitter.split(X)]
