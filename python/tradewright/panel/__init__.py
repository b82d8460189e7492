"""The data boundary: a table of features and labels over time, for one or many assets."""

from __future__ import annotations

from tradewright.panel.panel import Panel
from tradewright.panel.scan import PanelScan

__all__ = ["Panel", "PanelScan"]
