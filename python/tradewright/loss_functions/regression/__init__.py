"""Losses of real targets."""

from __future__ import annotations

from tradewright.loss_functions.regression.mse import MSELoss

__all__ = ["MSELoss"]
