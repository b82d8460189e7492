"""timeseriescv, for the same cases as tradewright. Its k-fold is the combinatorial split with one test fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from timeseriescv.cross_validation import CombPurgedKFoldCV, PurgedWalkForwardCV

PACKAGE = "timeseriescv"
CASES = ("kfold", "cpcv", "walk_forward")


def given(time: np.ndarray, end: np.ndarray) -> Any:
    """What it takes: series and a frame of one index."""
    return pd.DataFrame({"x": np.zeros(len(time))}), pd.Series(time), pd.Series(end)


def splits(case: str, columns: Any, embargo: np.timedelta64) -> list[Any]:
    X, time, end = columns
    splitter: Any
    if case == "walk_forward":
        splitter = PurgedWalkForwardCV(6, n_test_splits=1, min_train_splits=1)
    else:
        folds, tested = (5, 1) if case == "kfold" else (10, 2)
        splitter = CombPurgedKFoldCV(folds, tested, pd.Timedelta(embargo))
    return list(splitter.split(X, pred_times=time, eval_times=end))
