"""The modelling layer for trading machine learning.

From a table of features and labels over time to a trained, tracked, reloadable model whose out-of-sample score can
be believed: ``Panel`` → ``SplitPlan`` → ``SanityReport`` → ``ModelTrainer`` → saved bundle.

Names are imported when first used: ``import tradewright`` itself loads no other library. ``__init__.pyi`` tells type
checkers and editors the same names.
"""

from __future__ import annotations

import importlib
from typing import Any

from tradewright import errors
from tradewright.errors import *  # noqa: F403  every error class is public here

__version__ = "0.1.0"

#: Package → the public names it defines.
_PUBLIC = {
    "panel": "Panel PanelScan",
    "splitting": (
        "CombinatorialPurgedCV DataSplitter Fold PurgedKFold PurgedSplit Rows SequentialSplit SplitAudit "
        "SplitPlan WalkForward audit_splits"
    ),
    "loss_functions": (
        "ApproxNDCGLoss BaseLoss BinaryCrossEntropy CRRALoss CVaRLoss CalmarLoss CostSensitiveLoss "
        "DifferentialSharpeLoss DirectionalLoss FocalLoss GroupIndex HuberLoss ICLoss LabelSmoothingBCE "
        "LambdaRankLoss ListMLELoss ListNetLoss LossRegistry MADL MAELoss MSELoss MaxDrawdownLoss "
        "PairwiseHingeLoss PairwiseLogisticLoss ProfitBasedLoss PseudoHuberLoss QuantileLoss SharpeLoss "
        "SoftSpearmanLoss SortinoLoss WeightedBCE"
    ),
    "base": "BaseModel Callback ModelMetadata TrainedRowsWarning",
    "models": "BoostingModel ModelRegistry OnnxModel SklearnModel TorchModel as_model",
    "optimizers": "OptimizerRegistry Schedule ScheduleRegistry",
    "callbacks": "EarlyStopping LearningRateScheduler ModelCheckpoint ProgressBar TimeBudget",
    "tracking": "MLflowLogger replay_mlflow",
    "training": "ModelTrainer TrainingResult default_callbacks",
    "sanity_checks": "Finding ModelSanityChecker SanityReport check check_pipeline",
    "serialization": "ModelSerializer Proof Verification load_model save_model stamp_predictions verify",
    "runtime": "set_num_threads set_seed show_versions",
}
_HOME = {name: package for package, names in _PUBLIC.items() for name in names.split()}
_PACKAGES = ("datasets", "statistics", "testing")

__all__ = ["__version__", *errors.__all__, *_HOME, *_PACKAGES]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"tradewright.{_HOME[name]}"), name)
    elif name in _PACKAGES:
        value = importlib.import_module(f"tradewright.{name}")
    else:
        raise AttributeError(f"module 'tradewright' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
