"""Losses of binary targets."""

from __future__ import annotations

from tradewright.loss_functions.classification.binary_cross_entropy import BinaryCrossEntropy
from tradewright.loss_functions.classification.cost_sensitive import CostSensitiveLoss
from tradewright.loss_functions.classification.focal import FocalLoss
from tradewright.loss_functions.classification.label_smoothing import LabelSmoothingBCE
from tradewright.loss_functions.classification.weighted_bce import WeightedBCE

__all__ = ["BinaryCrossEntropy", "CostSensitiveLoss", "FocalLoss", "LabelSmoothingBCE", "WeightedBCE"]
