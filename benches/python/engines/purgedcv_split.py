"""purgedcv, for the same cases as tradewright. Times are bound when a splitter is made; labels are half-open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from purgedcv import CombinatorialPurgedCV, PurgedKFold, WalkForwardSplit

PACKAGE = "purgedcv"
CASES = ("kfold", "cpcv", "walk_forward")


def given(time: np.ndarray, end: np.ndarray) -> Any:
    """What it takes: datetimes."""
    return pd.DatetimeIndex(time), pd.DatetimeIndex(end), np.empty((len(time), 1))


def splits(case: str, columns: Any, embargo: np.timedelta64) -> list[Any]:
    time, end, X = columns
    if case == "walk_forward":  # takes an embargo and ignores it
        splitter: Any = WalkForwardSplit(5, test_size=len(time) // 6, prediction_times=time, evaluation_times=end)
        return list(splitter.split(X))
    times = {"prediction_times": time, "evaluation_times": end, "embargo": pd.Timedelta(embargo)}
    splitter = PurgedKFold(5, **times) if case == "kfold" else CombinatorialPurgedCV(10, 2, **times)
    return list(splitter.split(X))
