"""What the train rows say of themselves, for the metadata of a fit."""

from __future__ import annotations

from typing import Any

from tradewright.panel import Panel
from tradewright.panel.fingerprint import panel_fingerprint

__all__ = ["facts_of"]


def facts_of(X: Any) -> dict[str, Any]:
    """Return fingerprint and time range of a panel; nothing for other tables.

    The fingerprint is taken afresh: the panel's columns are views, and the caller may have written to them since.
    """
    if not isinstance(X, Panel):
        return {}
    times = X.times
    return {"data_fingerprint": panel_fingerprint(X), "time_range": (str(times.min()), str(times.max()))}
