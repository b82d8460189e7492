"""numpy: a hash by columns and isin, nothing verified; a profile by reductions; and the floor of one read."""

from __future__ import annotations

from typing import Any

import numpy as np

PACKAGE = "numpy"
CASES = ("duplicates", "profile")


def given(train: np.ndarray, val: np.ndarray) -> Any:
    """The matrices themselves."""
    return train, val


def duplicates(matrices: Any) -> int:
    """Rows of val whose hash is in train."""
    train, val = matrices
    salts = np.random.default_rng(1).integers(1, 2**63, train.shape[1], dtype=np.uint64) | np.uint64(1)

    def hashes(matrix: np.ndarray) -> np.ndarray:
        out = np.zeros(len(matrix), dtype=np.uint64)
        for j, salt in enumerate(salts):
            bits = np.ascontiguousarray(matrix[:, j] + 0.0).view(f"u{matrix.itemsize}").astype(np.uint64)
            out = (out ^ bits) * salt
        return out

    return int(np.isin(hashes(val), hashes(train)).sum())


def profile(matrices: Any) -> Any:
    """Missing, infinite and zero cells, range, mean, spread, and steps, column by column."""
    found = []
    for j in range(matrices[0].shape[1]):
        x = matrices[0][:, j]
        counts = np.isnan(x).sum(), np.isinf(x).sum(), (x == 0).sum(), (x[1:] == x[:-1]).sum(), (x[1:] > x[:-1]).sum()
        found.append((*counts, np.nanmin(x), np.nanmax(x), np.nanmean(x), np.nanstd(x)))
    return found
