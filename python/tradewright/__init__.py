"""The modelling layer for trading machine learning.

From a table of features and labels over time to a trained, tracked, reloadable model whose out-of-sample score can
be believed: ``Panel`` → ``SplitPlan`` → ``SanityReport`` → ``ModelTrainer`` → saved bundle.

Names are imported when first used; ``import tradewright`` itself loads numpy only.
"""

from __future__ import annotations

import importlib
from typing import Any

from tradewright import errors
from tradewright.errors import *  # noqa: F403  every error class is public here

__version__ = "0.1.0"

#: Public name → the module that defines it.
_LAZY = {
    "Panel": "panel",
    "datasets": "",  # a package, not a name in one
    # splitting
    "Fold": "splitting",
    "PurgedKFold": "splitting",
    "Rows": "splitting",
    "SplitPlan": "splitting",
    "WalkForward": "splitting",
    # losses
    "BaseLoss": "loss_functions",
    "BinaryCrossEntropy": "loss_functions",
    "LossRegistry": "loss_functions",
    "MSELoss": "loss_functions",
    # models
    "BaseModel": "base",
    "BoostingModel": "models",
    "ModelMetadata": "base",
    "ModelRegistry": "models",
    "OptimizerRegistry": "optimizers",
    "SklearnModel": "models",
    "TorchModel": "models",
    # training
    "Callback": "base",
    "EarlyStopping": "callbacks",
    "MLflowLogger": "tracking",
    "ModelCheckpoint": "callbacks",
    "ModelTrainer": "training",
    "ProgressBar": "callbacks",
    "TrainingResult": "training",
    "default_callbacks": "training",
    # sanity checks
    "Finding": "sanity_checks",
    "ModelSanityChecker": "sanity_checks",
    "SanityReport": "sanity_checks",
    "check": "sanity_checks",
    # saved models
    "ModelSerializer": "serialization",
    "load_model": "serialization",
    "save_model": "serialization",
    # runtime
    "set_num_threads": "runtime",
    "set_seed": "runtime",
    "show_versions": "runtime",
}

__all__ = ["__version__", *errors.__all__, *_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tradewright' has no attribute {name!r}")
    module = importlib.import_module(f"tradewright.{_LAZY[name] or name}")
    value = getattr(module, name) if _LAZY[name] else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
