"""The contract suites tradewright ships: what a plug-in of yours must hold, checked without pytest."""

from __future__ import annotations

from tradewright.testing.splitting import check_splitter

__all__ = ["check_splitter"]
