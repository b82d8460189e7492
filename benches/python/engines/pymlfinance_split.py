"""pymlfinance, for the same cases as tradewright: labels as pairs of row numbers, an embargo as a fraction of the rows.

It hands out lists of Python integers, which are made index arrays here: about two fifths of its time.
"""

# ruff: noqa: ARG001 (every library is called alike)
from __future__ import annotations

from typing import Any

import numpy as np
from pymlfinance.modeling import PurgedKFold

PACKAGE = "pymlfinance"
CASES = ("kfold",)


def given(time: np.ndarray, end: np.ndarray) -> Any:
    """What it takes: the row where a label begins and the last row it covers."""
    last = np.searchsorted(time, end, side="right") - 1
    return list(zip(range(len(time)), last.tolist(), strict=True)), time


def splits(case: str, columns: Any, embargo: np.timedelta64) -> list[Any]:
    events, time = columns
    rows = int(embargo / (time[1] - time[0]))
    folds = PurgedKFold(5, rows / len(events)).split(events, len(events))
    return [(np.asarray(fold.train), np.asarray(fold.test)) for fold in folds]
