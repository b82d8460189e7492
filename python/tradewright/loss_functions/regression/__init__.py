"""Losses of real targets."""

from __future__ import annotations

from tradewright.loss_functions.regression.huber import HuberLoss
from tradewright.loss_functions.regression.mae import MAELoss
from tradewright.loss_functions.regression.mse import MSELoss
from tradewright.loss_functions.regression.pseudo_huber import PseudoHuberLoss
from tradewright.loss_functions.regression.quantile import QuantileLoss

__all__ = ["HuberLoss", "MAELoss", "MSELoss", "PseudoHuberLoss", "QuantileLoss"]
