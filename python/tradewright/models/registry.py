"""The names of models."""

from __future__ import annotations

from tradewright.base import BaseModel
from tradewright.registry import Registry

__all__ = ["ModelRegistry"]

#: Models by name: factories over SklearnModel, BoostingModel and TorchModel, and what users and plug-ins add.
ModelRegistry: Registry[BaseModel] = Registry("model", entry_points="tradewright.models")

ModelRegistry.register("ridge", "tradewright.models.linear.ridge:ridge", tags=["linear", "regression"])
ModelRegistry.register(
    "lightgbm",
    "tradewright.models.tree_based.lightgbm:lightgbm",
    aliases=["lgbm"],
    tags=["tree_based", "regression", "classification"],
    requires=["lightgbm"],
)
ModelRegistry.register(
    "xgboost",
    "tradewright.models.tree_based.xgboost:xgboost",
    aliases=["xgb"],
    tags=["tree_based", "regression", "classification"],
    requires=["xgboost"],
)
ModelRegistry.register(
    "catboost",
    "tradewright.models.tree_based.catboost:catboost",
    tags=["tree_based", "regression", "classification"],
    requires=["catboost"],
)
ModelRegistry.register(
    "mlp",
    "tradewright.models.neural.mlp:mlp",
    tags=["neural", "regression", "classification"],
    requires=["torch", "safetensors"],
)
for _name, _module in (("lstm", "recurrent"), ("gru", "recurrent"), ("tcn", "tcn"), ("transformer", "transformer")):
    ModelRegistry.register(
        _name,
        f"tradewright.models.neural.{_module}:{_name}",
        tags=["neural", "sequence", "regression", "classification"],
        requires=["torch", "safetensors"],
    )
