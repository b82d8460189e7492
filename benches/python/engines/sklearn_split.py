"""scikit-learn, for the cases it has. It purges nothing: the floor of what index arrays cost."""

# ruff: noqa: ARG001 (every library is called alike)
from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import KFold, TimeSeriesSplit

PACKAGE = "scikit-learn"
CASES = ("kfold", "walk_forward")


def given(time: np.ndarray, end: np.ndarray) -> Any:
    """What it takes: something with as many rows."""
    return np.empty((len(time), 1))


def splits(case: str, columns: Any, embargo: np.timedelta64) -> list[Any]:
    splitter: Any = KFold(5) if case == "kfold" else TimeSeriesSplit(5)
    return list(splitter.split(columns))
