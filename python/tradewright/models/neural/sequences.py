"""Rows of a panel on their way into a module that reads windows."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tradewright.base import Samples
from tradewright.base.history import History
from tradewright.errors import DataError
from tradewright.models.neural.feature_scaler import FeatureScaler
from tradewright.models.neural.scoring import score_rows
from tradewright.models.neural.window_source import WindowSource
from tradewright.models.neural.windows import WindowIndex
from tradewright.runtime.device_layer_torch import open_layer

__all__ = ["Sequences"]


class Sequences:
    """Turns rows into windows: tells which rows have one, and brings those to the device.

    Rows of one table share the index that finds their windows, so that it is built once for train and validation rows.

    Parameters
    ----------
    window : int
        How many rows a window has.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._index: WindowIndex | None = None
        self._indexed: History | None = None

    def complete(self, samples: Samples, which: str) -> Samples:
        """Return the rows that have a whole window; warn of assets none of whose rows has.

        Raises
        ------
        DataError
            When no row has one.
        """
        history = _history(samples)
        index = self._index_of(history)
        kept = index.complete(history.rows)
        if kept.all():
            return samples
        if not kept.any():
            raise DataError(
                f"none of the {len(kept)} {which} rows has the {self._window - 1} earlier rows of its asset that"
                f" window={self._window} reads: pass more rows, or a shorter window",
                code="windows.none_complete",
                count=len(kept),
            )
        owners = index.assets_of(history.rows)
        seen = np.bincount(owners, minlength=index.n_assets)
        used = np.bincount(owners[kept], minlength=index.n_assets)
        lost = int(((seen > 0) & (used == 0)).sum())
        if lost:
            warnings.warn(
                f"{lost} of {int((seen > 0).sum())} assets have no {which} row with the {self._window - 1} earlier rows"
                f" that window={self._window} reads: they are left out",
                UserWarning,
                stacklevel=2,
            )
        return samples.take(kept)

    def source(self, history: History, scaler: FeatureScaler, device: str) -> WindowSource:
        """Return the scaled windows of rows that have whole ones. Each row that is read is held once, as float32."""
        plan = self._index_of(history).plan(history.rows)
        values = torch.from_numpy(scaler.transform(history.at(plan.rows)))
        return WindowSource(values.to(device), torch.from_numpy(plan.starts).to(device), self._window)

    def scores(self, module: nn.Module, history: History, scaler: FeatureScaler, device: str) -> NDArray[np.float64]:
        """Return the module's output per row, shape (n_rows,), NaN where a window is short; holds a batch at a time."""
        index = self._index_of(history)
        out, layer = np.full(len(history), np.nan), open_layer(device)
        whole = np.flatnonzero(index.complete(history.rows))
        # Neighbours share most of their windows' rows.
        whole = whole[index.in_order(history.rows[whole])]
        step = WindowSource.rows_at_a_time(self._window)
        for start in range(0, len(whole), step):
            part = whole[start : start + step]
            source = self.source(history.at(history.rows[part]), scaler, device)
            out[part] = score_rows(module, source, layer).cpu().numpy()
        return out

    def _index_of(self, history: History) -> WindowIndex:
        known = self._indexed
        if self._index is None or known is None or known.time is not history.time or known.asset is not history.asset:
            self._index = WindowIndex(history.time, history.asset, self._window)
            self._indexed = history
        return self._index


def _history(samples: Samples) -> History:
    if samples.history is None:
        raise DataError(
            "these rows come without their past: collect them with Samples.collect(panel, rows=..., history=True)",
            code="data.no_history",
        )
    return samples.history
