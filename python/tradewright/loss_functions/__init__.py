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
from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.registry import LossRegistry
from tradewright.loss_functions.regression import HuberLoss, MAELoss, MSELoss, PseudoHuberLoss, QuantileLoss
from tradewright.loss_functions.trading_custom import MADL, DirectionalLoss

__all__ = [
    "MADL",
    "BaseLoss",
    "BinaryCrossEntropy",
    "CombinedLoss",
    "CostSensitiveLoss",
    "DirectionalLoss",
    "FocalLoss",
    "HuberLoss",
    "LabelSmoothingBCE",
    "LossRegistry",
    "MAELoss",
    "MSELoss",
    "PointLoss",
    "PseudoHuberLoss",
    "QuantileLoss",
    "WeightedBCE",
]
