"""Losses of trading: of the forecast's direction, and of what positions earn."""

from __future__ import annotations

from tradewright.loss_functions.trading_custom.crra import CRRALoss
from tradewright.loss_functions.trading_custom.cvar import CVaRLoss
from tradewright.loss_functions.trading_custom.differential_sharpe import DifferentialSharpeLoss
from tradewright.loss_functions.trading_custom.directional import DirectionalLoss
from tradewright.loss_functions.trading_custom.drawdown import CalmarLoss, MaxDrawdownLoss
from tradewright.loss_functions.trading_custom.madl import MADL
from tradewright.loss_functions.trading_custom.profit import ProfitBasedLoss
from tradewright.loss_functions.trading_custom.sharpe import SharpeLoss
from tradewright.loss_functions.trading_custom.sortino import SortinoLoss

__all__ = [
    "MADL",
    "CRRALoss",
    "CVaRLoss",
    "CalmarLoss",
    "DifferentialSharpeLoss",
    "DirectionalLoss",
    "MaxDrawdownLoss",
    "ProfitBasedLoss",
    "SharpeLoss",
    "SortinoLoss",
]
