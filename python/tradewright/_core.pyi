"""The compiled core. Everything here has a Python wrapper; use that one."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BlockSamples",
    "ColumnProfiler",
    "GroupIndex",
    "Timeline",
    "associations",
    "autocorrelations",
    "check_lightgbm_text",
    "combinatorial_blocks",
    "combinatorial_paths",
    "combine_fingerprints",
    "correlations",
    "cross_duplicates",
    "drifts",
    "duplicate_rows",
    "error_codes",
    "fingerprint_columns",
    "future_values",
    "group_loss",
    "group_loss_each",
    "group_loss_grad_hess",
    "kfold_blocks",
    "lag_profile",
    "loss_grad_hess",
    "loss_rows",
    "loss_rows_grad",
    "loss_value",
    "loss_value_grad",
    "missing_by_class",
    "num_threads",
    "range_mask",
    "range_positions",
    "ranks",
    "repeated_rows",
    "request_stop",
    "series_loss",
    "series_loss_grad_hess",
    "series_returns",
    "set_num_threads",
    "spin",
    "walk_forward_blocks",
]

# --- errors and runtime
def error_codes() -> list[str]: ...
def num_threads() -> int: ...
def set_num_threads(threads: int) -> None: ...
def request_stop(raised: bool) -> None: ...
def spin(rows: int, panic_at: int | None = None) -> float: ...

# --- split
@final
class Timeline:
    def __new__(
        cls,
        time: NDArray[np.int64],
        label_end: NDArray[np.int64] | None = None,
        asset: NDArray[np.int32] | None = None,
    ) -> Timeline: ...
    @property
    def rows(self) -> int: ...
    @property
    def timestamps(self) -> int: ...
    @property
    def memory(self) -> int: ...
    def order(self) -> NDArray[np.int32] | NDArray[np.int64] | None: ...
    def time_at(self, timestamps: NDArray[np.int64]) -> NDArray[np.int64]: ...
    def locate(self, instants: NDArray[np.int64], after: bool) -> NDArray[np.int64]: ...
    def hulls(self, blocks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    def hulls_by_asset(self, blocks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    def asset_at(self, places: NDArray[np.int64]) -> NDArray[np.int32]: ...
    def at(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    def plan(
        self,
        tests: NDArray[np.int64],
        pools: NDArray[np.int64],
        val_sizes: NDArray[np.int64],
        *,
        embargo_after: bool,
        embargo: int = 0,
        embargo_instants: NDArray[np.int64] | None = None,
        window: int | None = None,
        window_instants: NDArray[np.int64] | None = None,
        closed_left: bool = False,
        on_empty: str = "raise",
        by_asset: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]: ...

def kfold_blocks(timestamps: int, folds: int) -> NDArray[np.int64]: ...
def combinatorial_blocks(timestamps: int, groups: int, test_groups: int) -> NDArray[np.int64]: ...
def combinatorial_paths(groups: int, test_groups: int) -> NDArray[np.int64]: ...
def walk_forward_blocks(
    timestamps: int, folds: int | None, test: int, step: int, lead: int, anchor_end: bool
) -> NDArray[np.int64]: ...
def range_positions(
    ranges: NDArray[np.int64],
    rows: int,
    order: NDArray[Any] | None = None,
    narrow: bool = False,
    borders: NDArray[np.int64] | None = None,
) -> NDArray[Any]: ...
def range_mask(ranges: NDArray[np.int64], rows: int, order: NDArray[Any] | None = None) -> NDArray[np.bool_]: ...

# --- model files
def check_lightgbm_text(text: bytes) -> None: ...

# --- loss
# A loss is (name, parameters); rows are (prediction, target, weight or None, further per-row arguments).
_Loss = tuple[str, Mapping[str, float]]
_Rows = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, Sequence[NDArray[Any]]]

def loss_value(spec: _Loss, rows: _Rows, reduction: str, nan_policy: str) -> float: ...
def loss_value_grad(spec: _Loss, rows: _Rows, reduction: str, nan_policy: str, gradient: NDArray[Any]) -> float: ...
def loss_rows(spec: _Loss, rows: _Rows, nan_policy: str, values: NDArray[Any]) -> None: ...
def loss_rows_grad(spec: _Loss, rows: _Rows, nan_policy: str, values: NDArray[Any], gradient: NDArray[Any]) -> None: ...
def loss_grad_hess(
    spec: _Loss, rows: _Rows, nan_policy: str, choice: str, gradient: NDArray[Any], hessian: NDArray[Any]
) -> None: ...

# --- group and series losses
@final
class GroupIndex:
    def __new__(cls, groups: NDArray[np.int64], assets: NDArray[np.int64] | None = None) -> GroupIndex: ...
    @staticmethod
    def one_asset(rows: int) -> GroupIndex: ...
    @property
    def rows(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def has_assets(self) -> bool: ...
    def ids(self) -> NDArray[np.int64]: ...
    def group_numbers(self) -> NDArray[np.int64]: ...
    def asset_numbers(self) -> NDArray[np.int64] | None: ...
    def __eq__(self, value: object, /) -> bool: ...

# Position, cost, initial position, absent, pooled, target volatility.
_Trading = tuple[str, float, float, str, bool, float | None]

# The loss, groups that counted, groups that were skipped.
def group_loss(
    spec: _Loss,
    rows: _Rows,
    index: GroupIndex,
    reduction: str,
    nan_policy: str,
    gradient: NDArray[Any] | None = None,
) -> tuple[float, int, int]: ...
def group_loss_each(
    spec: _Loss,
    rows: _Rows,
    index: GroupIndex,
    nan_policy: str,
    values: NDArray[np.float64],
    gradient: NDArray[Any] | None = None,
) -> tuple[float, int, int]: ...
def group_loss_grad_hess(
    spec: _Loss,
    rows: _Rows,
    index: GroupIndex,
    nan_policy: str,
    choice: str,
    gradient: NDArray[Any],
    hessian: NDArray[Any],
) -> tuple[float, int, int]: ...
def series_loss(
    spec: _Loss,
    trading_args: _Trading,
    rows: _Rows,
    index: GroupIndex,
    reduction: str,
    nan_policy: str,
    gradient: NDArray[Any] | None = None,
) -> float: ...
def series_loss_grad_hess(
    spec: _Loss,
    trading_args: _Trading,
    rows: _Rows,
    index: GroupIndex,
    nan_policy: str,
    choice: str,
    gradient: NDArray[Any],
    hessian: NDArray[Any],
) -> None: ...
def series_returns(trading_args: _Trading, rows: _Rows, index: GroupIndex, nan_policy: str) -> NDArray[np.float64]: ...

# --- scan
def fingerprint_columns(
    columns: Sequence[NDArray[Any]] | NDArray[Any],
    names: Sequence[str],
    units: Sequence[str | None] | None = None,
    texts: Sequence[Sequence[str] | None] | None = None,
) -> list[str]: ...
def combine_fingerprints(digests: Sequence[str]) -> str: ...
def cross_duplicates(
    train: Sequence[NDArray[Any]] | NDArray[Any],
    val: Sequence[NDArray[Any]] | NDArray[Any],
    single: bool = False,
    grid: tuple[NDArray[np.float64], NDArray[np.float64], float] | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
def duplicate_rows(
    columns: Sequence[NDArray[Any]] | NDArray[Any],
    single: bool = False,
    grid: tuple[NDArray[np.float64], NDArray[np.float64], float] | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...

# --- statistics between columns
_Columns = Sequence[NDArray[Any]] | NDArray[Any]

def ranks(columns: _Columns, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]: ...
def associations(
    ranks: NDArray[np.float32],
    y_ranks: NDArray[np.float32],
    abs_ranks: NDArray[np.float32],
    positive: NDArray[np.bool_] | None = None,
    bins: int = 32,
) -> NDArray[np.float64]: ...
def missing_by_class(columns: _Columns, classes: NDArray[np.uint8], count: int) -> NDArray[np.int64]: ...
def autocorrelations(
    columns: _Columns, order: NDArray[np.int64] | None, starts: NDArray[np.int64]
) -> NDArray[np.float64]: ...
def lag_profile(
    columns: _Columns,
    differenced: Sequence[bool],
    y: NDArray[Any],
    order: NDArray[np.int64] | None,
    starts: NDArray[np.int64],
    first: int,
    last: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...
def future_values(
    columns: _Columns,
    sources: _Columns,
    order: NDArray[np.int64] | None,
    starts: NDArray[np.int64],
    lags: NDArray[np.int64],
) -> NDArray[np.int64]: ...
def correlations(columns: _Columns, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]: ...
def drifts(
    first: _Columns,
    second: _Columns,
    first_rows: NDArray[np.int64] | None = None,
    second_rows: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]: ...

@final
class BlockSamples:
    def __new__(
        cls, columns: _Columns, rows: NDArray[np.int64] | None, numbers: NDArray[np.uint32], blocks: int
    ) -> BlockSamples: ...
    def drifts(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]: ...

def repeated_rows(
    columns: Sequence[NDArray[Any]] | NDArray[Any], previous: NDArray[np.uint32]
) -> NDArray[np.uint32]: ...

@final
class ColumnProfiler:
    def __new__(cls, assets: int | None = None, parts: int = 1) -> ColumnProfiler: ...
    def update(
        self,
        columns: Sequence[NDArray[Any]] | NDArray[Any],
        assets: NDArray[np.int32] | None = None,
        parts: NDArray[np.uint32] | None = None,
        order: NDArray[np.uint32] | None = None,
    ) -> None: ...
    def merge(self, other: ColumnProfiler) -> None: ...
    @property
    def rows(self) -> int: ...
    def finish(self) -> dict[str, NDArray[Any]]: ...
