"""Losses with exact gradients: one definition serves numpy, torch and boosting."""

from __future__ import annotations

from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.classification import (
    BinaryCrossEntropy,
    CostSensitiveLoss,
    FocalLoss,
    LabelSmoothingBCE,
    WeightedBCE,
)
from tradewright.loss_functions.combined import CombinedLoss
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.loss_functions.grouped import GroupLoss
from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.ranking import (
    ApproxNDCGLoss,
    ICLoss,
    LambdaRankLoss,
    ListMLELoss,
    ListNetLoss,
    PairwiseHingeLoss,
    PairwiseLogisticLoss,
    SoftSpearmanLoss,
)
from tradewright.loss_functions.registry import LossRegistry
from tradewright.loss_functions.regression import HuberLoss, MAELoss, MSELoss, PseudoHuberLoss, QuantileLoss
from tradewright.loss_functions.series import SeriesLoss
from tradewright.loss_functions.trading_custom import (
    MADL,
    CalmarLoss,
    CRRALoss,
    CVaRLoss,
    DifferentialSharpeLoss,
    DirectionalLoss,
    MaxDrawdownLoss,
    ProfitBasedLoss,
    SharpeLoss,
    SortinoLoss,
)

__all__ = [
    "MADL",
    "ApproxNDCGLoss",
    "BaseLoss",
    "BinaryCrossEntropy",
    "CRRALoss",
    "CVaRLoss",
    "CalmarLoss",
    "CombinedLoss",
    "CostSensitiveLoss",
    "DifferentialSharpeLoss",
    "DirectionalLoss",
    "FocalLoss",
    "GroupIndex",
    "GroupLoss",
    "HuberLoss",
    "ICLoss",
    "LabelSmoothingBCE",
    "LambdaRankLoss",
    "ListMLELoss",
    "ListNetLoss",
    "LossRegistry",
    "MAELoss",
    "MSELoss",
    "MaxDrawdownLoss",
    "PairwiseHingeLoss",
    "PairwiseLogisticLoss",
    "PointLoss",
    "ProfitBasedLoss",
    "PseudoHuberLoss",
    "QuantileLoss",
    "SeriesLoss",
    "SharpeLoss",
    "SoftSpearmanLoss",
    "SortinoLoss",
    "WeightedBCE",
]
