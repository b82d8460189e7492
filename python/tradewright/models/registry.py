"""The names of models."""

from __future__ import annotations

from tradewright.base import BaseModel
from tradewright.registry import Registry

__all__ = ["ModelRegistry"]

#: Models by name: factories over SklearnModel, BoostingModel and TorchModel, and what users and plug-ins add.
ModelRegistry: Registry[BaseModel] = Registry("model", entry_points="tradewright.models")

_BOTH = ("regression", "classification")

# --- linear -------------------------------------------------------------------------------------------------------

ModelRegistry.register(
    "ridge", "tradewright.models.linear.ridge:ridge", aliases=["ridge_regression"], tags=["linear", "regression"]
)
ModelRegistry.register("lasso", "tradewright.models.linear.lasso:lasso", tags=["linear", "regression"])
ModelRegistry.register(
    "elastic_net",
    "tradewright.models.linear.elastic_net:elastic_net",
    aliases=["elasticnet"],
    tags=["linear", "regression"],
)
ModelRegistry.register(
    "logistic",
    "tradewright.models.linear.logistic:logistic",
    aliases=["logistic_regression", "logit"],
    tags=["linear", "classification"],
)
ModelRegistry.register(
    "linear_sgd", "tradewright.models.linear.linear_sgd:linear_sgd", aliases=["sgd"], tags=["linear", *_BOTH]
)

# --- tree_based ---------------------------------------------------------------------------------------------------

ModelRegistry.register(
    "random_forest",
    "tradewright.models.tree_based.forest:random_forest",
    aliases=["rf"],
    tags=["tree_based", *_BOTH],
)
ModelRegistry.register("extra_trees", "tradewright.models.tree_based.forest:extra_trees", tags=["tree_based", *_BOTH])
ModelRegistry.register(
    "hist_gradient_boosting",
    "tradewright.models.tree_based.hist_gradient_boosting:hist_gradient_boosting",
    aliases=["hgb"],
    tags=["tree_based", *_BOTH],
)
ModelRegistry.register(
    "lightgbm",
    "tradewright.models.tree_based.lightgbm:lightgbm",
    aliases=["lgbm"],
    tags=["tree_based", "regression", "classification"],
    requires=["lightgbm"],
)

# --- neural -------------------------------------------------------------------------------------------------------

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
