"""The contract suites we ship: hand them your own plug-in and they say what it breaks."""

from __future__ import annotations

from tradewright.testing.losses import check_loss
from tradewright.testing.models import check_model
from tradewright.testing.splitting import check_splitter

__all__ = ["check_loss", "check_model", "check_splitter"]
