"""The content hash of a panel: what was trained on, provable later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _core

if TYPE_CHECKING:
    from tradewright.panel.panel import Panel

__all__ = ["panel_fingerprint"]


def panel_fingerprint(panel: Panel) -> str:
    """Hash names, kinds, lengths and values of every column of a panel; see :attr:`Panel.fingerprint`.

    One pass in Rust over the caller's memory, spread over the threads. A column's role is a part of its name, so the
    same numbers as a feature and as a label are not the same panel.
    """
    names: list[str] = []
    arrays: list[NDArray[Any]] = []
    units: list[str | None] = []
    texts: list[list[str] | None] = []

    def add(role: str, name: str, values: Any, unit: str | None = None, text: list[str] | None = None) -> None:
        if values is None:
            return
        names.append(f"{role}:{name}")
        arrays.append(_scannable(np.asarray(values)))
        units.append(unit)
        texts.append(text)

    unit = None if panel.time_unit == "bar" else panel.time_unit
    for name, column in panel.columns.items():
        add("feature", name, column)
    add("target", panel.target, panel.y)
    add("time", "", panel.time, unit)
    add("label_end", "", panel.label_end, unit)
    add("asset", "", panel.asset, text=list(panel.asset_names))
    add("weight", "", panel.weight)
    add("returns", "", panel.returns)
    return _core.combine_fingerprints(_core.fingerprint_columns(arrays, names, units, texts))


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
