"""The compiled core. Everything here has a Python wrapper; use that one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# --- errors and runtime
def error_codes() -> list[str]: ...
def num_threads() -> int: ...
def set_num_threads(threads: int) -> None: ...
def request_stop(raised: bool) -> None: ...
def spin(rows: int, panic_at: int | None = None) -> float: ...

# --- split

# --- loss

# --- scan
def fingerprint_columns(
    columns: Sequence[NDArray[Any]] | NDArray[Any],
    names: Sequence[str],
    units: Sequence[str | None] | None = None,
    texts: Sequence[Sequence[str] | None] | None = None,
) -> list[str]: ...
def combine_fingerprints(digests: Sequence[str]) -> str: ...
def cross_duplicates(
    train: Sequence[NDArray[Any]] | NDArray[Any], val: Sequence[NDArray[Any]] | NDArray[Any]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
def duplicate_rows(
    columns: Sequence[NDArray[Any]] | NDArray[Any],
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
def nan_counts(columns: Sequence[NDArray[Any]] | NDArray[Any]) -> NDArray[np.int64]: ...
