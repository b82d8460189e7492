"""Losses with exact gradients: one definition serves numpy, torch and boosting."""

from __future__ import annotations

from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.classification import BinaryCrossEntropy
from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.registry import LossRegistry
from tradewright.loss_functions.regression import MSELoss

__all__ = ["BaseLoss", "BinaryCrossEntropy", "LossRegistry", "MSELoss", "PointLoss"]
