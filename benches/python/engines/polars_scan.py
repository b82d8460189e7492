"""polars: a 64-bit hash of the row and a semi join, nothing verified; a profile by one select."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

PACKAGE = "polars"
CASES = ("duplicates", "profile")


def given(train: np.ndarray, val: np.ndarray) -> Any:
    """What it takes: frames over the same memory, where columns are contiguous."""
    return [pl.DataFrame({f"c{j}": m[:, j] for j in range(m.shape[1])}) for m in (train, val)]


def duplicates(frames: Any) -> int:
    """Rows of val whose hash is in train."""
    train, val = (pl.DataFrame({"h": frame.hash_rows()}) for frame in frames)
    return val.join(train, on="h", how="semi").height


def profile(frames: Any) -> Any:
    """Missing, infinite and zero cells, range, mean and spread."""
    every = pl.all()
    return frames[0].select(
        every.is_nan().sum().name.suffix("_nan"),
        every.is_infinite().sum().name.suffix("_inf"),
        (every == 0).sum().name.suffix("_zero"),
        every.min().name.suffix("_min"),
        every.max().name.suffix("_max"),
        every.mean().name.suffix("_mean"),
        every.std().name.suffix("_std"),
        (every == every.shift(1)).sum().name.suffix("_equal"),
        (every > every.shift(1)).sum().name.suffix("_rises"),
    )
