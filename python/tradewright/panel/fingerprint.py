"""The content hash of a panel: what was trained on, provable later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _core

if TYPE_CHECKING:
    from tradewright.panel.panel import Panel

__all__ = ["panel_fingerprint", "rows_fingerprint"]


def panel_fingerprint(panel: Panel) -> str:
    """Hash names, kinds, lengths and values of every column of a panel; see :attr:`Panel.fingerprint`."""
    return rows_fingerprint(
        panel.columns,
        panel.y,
        target=panel.target,
        time=panel.time,
        time_unit=panel.time_unit,
        label_end=panel.label_end,
        asset=panel.asset,
        asset_names=panel.asset_names,
        weight=panel.weight,
        returns=panel.returns,
    )


def rows_fingerprint(
    columns: Mapping[str, NDArray[Any]],
    y: NDArray[Any] | None,
    *,
    target: str = "",
    time: NDArray[np.int64] | None = None,
    time_unit: str = "bar",
    label_end: NDArray[np.int64] | None = None,
    asset: NDArray[Any] | None = None,
    asset_names: Sequence[str] = (),
    weight: NDArray[Any] | None = None,
    returns: NDArray[Any] | None = None,
) -> str:
    """Hash rows that are, or could be, a panel; what is None does not count.

    One pass in Rust over the caller's memory, spread over the threads. A column's role is a part of its name, so the
    same numbers as a feature and as a label are not the same rows.
    """
    unit = None if time_unit == "bar" else time_unit
    parts: list[tuple[str, Any, str | None, list[str] | None]] = [
        *((f"feature:{name}", column, None, None) for name, column in columns.items()),
        (f"target:{target}", y, None, None),
        ("time:", time, unit, None),
        ("label_end:", label_end, unit, None),
        ("asset:", asset, None, list(asset_names)),
        ("weight:", weight, None, None),
        ("returns:", returns, None, None),
    ]
    known = [part for part in parts if part[1] is not None]
    names, arrays, units, texts = (list(column) for column in zip(*known, strict=True)) if known else ([], [], [], [])
    scannable = [_scannable(np.asarray(values)) for values in arrays]
    return _core.combine_fingerprints(_core.fingerprint_columns(scannable, names, units, texts))


def _scannable(values: NDArray[Any]) -> NDArray[Any]:
    """The array itself where Rust can read it in place; a copy of the rare ones it can't.

    Those are foreign byte order, half floats (widened to float32, exactly), and views that run backwards, repeat one
    value or lie between whole items, as fields of a structured array do.
    """
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    stride = values.strides[0] if values.ndim == 1 else 1
    if not values.flags.aligned or (values.ndim == 1 and len(values) > 1 and (stride <= 0 or stride % values.itemsize)):
        return np.array(values, order="C")
    return values
