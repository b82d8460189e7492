"""Losses with exact gradients: one definition serves numpy, torch and boosting."""

from __future__ import annotations

from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.classification import BinaryCrossEntropy
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
from tradewright.loss_functions.regression import MSELoss
from tradewright.loss_functions.series import SeriesLoss
from tradewright.loss_functions.trading_custom import (
    CalmarLoss,
    CRRALoss,
    CVaRLoss,
    DifferentialSharpeLoss,
    MaxDrawdownLoss,
    ProfitBasedLoss,
    SharpeLoss,
    SortinoLoss,
)

__all__ = [
    "ApproxNDCGLoss",
    "BaseLoss",
    "BinaryCrossEntropy",
    "CRRALoss",
    "CVaRLoss",
    "CalmarLoss",
    "DifferentialSharpeLoss",
    "GroupIndex",
    "GroupLoss",
    "ICLoss",
    "LambdaRankLoss",
    "ListMLELoss",
    "ListNetLoss",
    "LossRegistry",
    "MSELoss",
    "MaxDrawdownLoss",
    "PairwiseHingeLoss",
    "PairwiseLogisticLoss",
    "PointLoss",
    "ProfitBasedLoss",
    "SeriesLoss",
    "SharpeLoss",
    "SoftSpearmanLoss",
    "SortinoLoss",
]
