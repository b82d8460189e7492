"""The data boundary: a table of features and labels over time, for one or many assets."""

from __future__ import annotations

from tradewright.panel.panel import Panel

__all__ = ["Panel"]
