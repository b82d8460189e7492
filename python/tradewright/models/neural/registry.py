"""The names of torch modules."""

from __future__ import annotations

from typing import Any

from tradewright.registry import Registry

__all__ = ["ModuleRegistry"]

#: Builders of torch modules by name. A builder takes ``n_features``, ``n_outputs`` and keywords that are plain JSON
#: values, and returns a ``torch.nn.Module`` that maps (n_rows, n_features) to (n_rows, n_outputs); one with the tag
#: "sequence" maps (n_rows, window, n_features), rows of a window in time order. A saved TorchModel names its builder and
#: keywords, so that loading runs no code from the file; register your own modules here.
ModuleRegistry: Registry[Any] = Registry("torch module", entry_points="tradewright.modules")

ModuleRegistry.register("mlp", "tradewright.models.neural.mlp:MLP", tags=["tabular"], requires=["torch"])
ModuleRegistry.register("lstm", "tradewright.models.neural.recurrent:LSTM", tags=["sequence"], requires=["torch"])
ModuleRegistry.register("gru", "tradewright.models.neural.recurrent:GRU", tags=["sequence"], requires=["torch"])
ModuleRegistry.register("tcn", "tradewright.models.neural.tcn:TCN", tags=["sequence"], requires=["torch"])
ModuleRegistry.register(
    "transformer", "tradewright.models.neural.transformer:Transformer", tags=["sequence"], requires=["torch"]
)
