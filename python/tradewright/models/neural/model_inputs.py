"""Rows on their way into a module: scaled, on the device, with their windows where the module reads those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tradewright.base import Samples
from tradewright.base.history import History
from tradewright.loss_functions import BaseLoss
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.models.loss_rows import looks_across
from tradewright.models.neural.batch_source import BatchSource, Rows, ScaledSource, place
from tradewright.models.neural.feature_scaler import FeatureScaler
from tradewright.models.neural.label_code import LabelCode
from tradewright.models.neural.scoring import score_rows
from tradewright.models.neural.sequences import Sequences
from tradewright.runtime.device_layer_torch import open_layer

__all__ = ["ModelInputs"]

#: Rows that are scaled and sent to the device at a time where nothing else needs them all.
_PREDICT_ROWS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class ModelInputs:
    """What was learnt from the train rows, applied to any rows.

    Parameters
    ----------
    scaler : FeatureScaler
        Of the features.
    labels : LabelCode
        Of the labels.
    sequences : Sequences or None
        The windows, for modules that read them.
    device : str
        Where the module computes.
    """

    scaler: FeatureScaler
    labels: LabelCode
    sequences: Sequences | None
    device: str

    def rows(self, samples: Samples, loss: BaseLoss, dates: GroupIndex | None) -> Rows:
        """Scale rows and put them on the device, a copy.

        Rows of weight 0 say nothing and are left out, unless the loss looks across rows: there they hold positions.
        """
        weight, labels = samples.sample_weight, self.labels.numbers(samples.y)
        if weight is not None and (weight == 0).any() and not looks_across(loss):
            kept = weight > 0
            samples, labels, weight = samples.take(kept), labels[kept], weight[kept]
        return Rows(
            self._source(samples.features),
            torch.from_numpy(labels.astype(np.float32)).to(self.device),
            None if weight is None else torch.from_numpy(weight.astype(np.float32)).to(self.device),
            dates,
        )

    def scores(self, module: nn.Module, X: NDArray[Any] | History) -> NDArray[np.float64]:
        """Return the module's scores in the units of the labels, shape (n_rows,); NaN where a window is short.

        Holds a batch of scaled rows at a time.
        """
        if isinstance(X, History):
            assert self.sequences is not None
            out = self.sequences.scores(module, X, self.scaler, self.device)
        else:
            out, layer = np.empty(X.shape[0]), open_layer(self.device)
            for start in range(0, X.shape[0], _PREDICT_ROWS):
                part = self._source(X[start : start + _PREDICT_ROWS])
                out[start : start + len(part)] = score_rows(module, part, layer).cpu().numpy()
        return out * self.labels.scale + self.labels.shift

    def _source(self, X: NDArray[Any] | History) -> BatchSource:
        if isinstance(X, History):
            assert self.sequences is not None
            return self.sequences.source(X, self.scaler, self.device)
        scaler = self.scaler
        if self.device == "cpu" and X.dtype == np.float32 and scaler.is_single and X.flags.c_contiguous:
            return ScaledSource(
                torch.utils.dlpack.from_dlpack(X),
                torch.from_numpy(scaler.mean.astype(np.float32)),
                torch.from_numpy(scaler.scale.astype(np.float32)),
                torch.from_numpy(scaler.indicated),
                scaler.look(X),
            )
        return place(torch.from_numpy(scaler.transform(X)), self.device, open_layer(self.device))
