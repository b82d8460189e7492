"""The compiled core. Everything here has a Python wrapper; use that one."""

from collections.abc import Mapping, Sequence
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
# A loss is (name, parameters); rows are (prediction, target, weight or None, further per-row arguments).
_Loss = tuple[str, Mapping[str, float]]
_Rows = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, Sequence[NDArray[Any]]]

def loss_value(spec: _Loss, rows: _Rows, reduction: str, nan_policy: str) -> float: ...
def loss_value_grad(
    spec: _Loss, rows: _Rows, reduction: str, nan_policy: str, gradient: NDArray[Any]
) -> float: ...
def loss_rows(spec: _Loss, rows: _Rows, nan_policy: str, values: NDArray[Any]) -> None: ...
def loss_rows_grad(
    spec: _Loss, rows: _Rows, nan_policy: str, values: NDArray[Any], gradient: NDArray[Any]
) -> None: ...
def loss_grad_hess(
    spec: _Loss, rows: _Rows, nan_policy: str, choice: str, gradient: NDArray[Any], hessian: NDArray[Any]
) -> None: ...

# --- scan
