"""The contract suites we ship: hand them your own plug-in and they say what it breaks."""

from __future__ import annotations

from tradewright.testing.losses import check_loss

__all__ = ["check_loss"]
