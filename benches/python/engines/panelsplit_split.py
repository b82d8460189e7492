"""panelsplit, for walk-forward on panels: whole timestamps, a gap of timestamps instead of purging by label ends."""

# ruff: noqa: ARG001 (every library is called alike)
from __future__ import annotations

from typing import Any

import numpy as np
from panelsplit.cross_validation import PanelSplit

PACKAGE = "panelsplit"
CASES = ("walk_forward",)


def given(time: np.ndarray, end: np.ndarray) -> Any:
    """What it takes: the period of each row, and how many periods there are, which it counts itself."""
    periods = np.unique(time)
    return time, len(periods) // 6, int((end[0] - time[0]) / (periods[1] - periods[0]))


def splits(case: str, columns: Any, embargo: np.timedelta64) -> list[Any]:
    periods, size, horizon = columns
    return list(PanelSplit(periods, n_splits=5, test_size=size, gap=horizon).split())
