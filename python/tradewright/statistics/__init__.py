"""Statistics of forecasts and of the returns they earn."""

from __future__ import annotations

from tradewright.statistics.performance import RankIC, portfolio_returns, rank_ic, sharpe_ratio

__all__ = ["RankIC", "portfolio_returns", "rank_ic", "sharpe_ratio"]
