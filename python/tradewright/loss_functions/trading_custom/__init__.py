"""Losses of trading: of the forecast's direction, and of what positions earn."""

from __future__ import annotations

from tradewright.loss_functions.trading_custom.directional import DirectionalLoss
from tradewright.loss_functions.trading_custom.madl import MADL

__all__ = ["MADL", "DirectionalLoss"]
