"""The names of torch modules."""

from __future__ import annotations

from typing import Any

from tradewright.registry import Registry

__all__ = ["ModuleRegistry"]

#: Builders of torch modules by name. A builder takes ``n_features``, ``n_outputs`` and keywords that are plain JSON
#: values, and returns a ``torch.nn.Module`` that maps (n_rows, n_features) to (n_rows, n_outputs). A saved TorchModel
#: names its builder and keywords, so that loading runs no code from the file; register your own modules here.
ModuleRegistry: Registry[Any] = Registry("torch module", entry_points="tradewright.modules")

ModuleRegistry.register("mlp", "tradewright.models.neural.mlp:MLP", tags=["tabular"], requires=["torch"])
