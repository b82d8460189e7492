"""Real market data to try things on, shipped in the package."""

from __future__ import annotations

from tradewright.datasets.sp500 import load_sp500, sp500_panel

__all__ = ["load_sp500", "sp500_panel"]
