"""tradewright: equal rows found by hash and verified on values; the fused column profile."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewright import _core

PACKAGE = "tradewright"
CASES = ("duplicates", "profile")


def given(train: np.ndarray, val: np.ndarray) -> Any:
    """The matrices themselves."""
    return train, val


def duplicates(matrices: Any) -> int:
    """Rows of val that equal a row of train in every value."""
    return len(_core.cross_duplicates(*matrices)[0])


def profile(matrices: Any) -> Any:
    """All that the checks of features ask."""
    profiler = _core.ColumnProfiler()
    profiler.update(matrices[0])
    return profiler.finish()
