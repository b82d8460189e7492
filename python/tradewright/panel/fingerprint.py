"""The content hash of a panel: what was trained on, provable later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _core

if TYPE_CHECKING:
    from tradewright.panel.panel import Panel

__all__ = ["HashedColumns", "hashed_columns", "panel_fingerprint", "rows_fingerprint"]


@dataclass(frozen=True, slots=True, eq=False)
class HashedColumns:
    """Columns as the hash takes them; a slice of it is a slice of the rows.

    Parameters
    ----------
    names : tuple of str
        Role and name of each: the same numbers as a feature and as a label are not the same rows.
    arrays : tuple of ndarray
        The values, of one length.
    units : tuple of str or None
        The unit of each time; None for other columns.
    texts : tuple of list or None
        What the codes of a text stand for; None for other columns.
    """

    names: tuple[str, ...]
    arrays: tuple[NDArray[Any], ...]
    units: tuple[str | None, ...]
    texts: tuple[list[str] | None, ...]

    def __getitem__(self, rows: slice) -> HashedColumns:
        return HashedColumns(self.names, tuple(values[rows] for values in self.arrays), self.units, self.texts)

    def digests(self) -> list[str]:
        """Return the 128-bit hash of each column, as hex digits; one pass in Rust, spread over the threads."""
        return _core.fingerprint_columns(self.arrays, self.names, self.units, self.texts)


def panel_fingerprint(panel: Panel) -> str:
    """Hash names, kinds, lengths and values of every column of a panel; see :attr:`Panel.fingerprint`."""
    return _core.combine_fingerprints(hashed_columns(panel).digests())


def hashed_columns(panel: Panel) -> HashedColumns:
    """Return the columns of a panel as they are hashed: views of its memory."""
    return _hashed(
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


def rows_fingerprint(columns: Mapping[str, NDArray[Any]], y: NDArray[Any] | None, **others: Any) -> str:
    """Hash rows that are, or could be, a panel; what is None does not count.

    ``others`` are ``target``, ``time``, ``time_unit``, ``label_end``, ``asset``, ``asset_names``, ``weight`` and
    ``returns``, as a panel has them. One pass in Rust over the caller's memory.
    """
    return _core.combine_fingerprints(_hashed(columns, y, **others).digests())


def _hashed(
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
) -> HashedColumns:
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
    return HashedColumns(
        tuple(part[0] for part in known),
        tuple(_scannable(np.asarray(part[1])) for part in known),
        tuple(part[2] for part in known),
        tuple(part[3] for part in known),
    )


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
