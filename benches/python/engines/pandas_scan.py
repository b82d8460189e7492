"""pandas: a 64-bit hash of the row and isin, nothing verified; a profile method by method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

PACKAGE = "pandas"
CASES = ("duplicates", "profile")


def given(train: np.ndarray, val: np.ndarray) -> Any:
    """Frames over the same memory."""
    return [pd.DataFrame(matrix, copy=False) for matrix in (train, val)]


def duplicates(frames: Any) -> int:
    """Rows of val whose hash is in train."""
    train, val = (pd.util.hash_pandas_object(frame, index=False) for frame in frames)
    return int(val.isin(train).sum())


def profile(frames: Any) -> Any:
    """Missing and zero cells, range, mean and spread."""
    frame = frames[0]
    return frame.isna().sum(), (frame == 0).sum(), frame.min(), frame.max(), frame.mean(), frame.std()
