"""What the train rows say of themselves, for the metadata of a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.base.trained_rows import describe_trained
from tradewright.panel import Panel
from tradewright.panel.evidence import take_evidence

__all__ = ["facts_of", "proof_of"]


def facts_of(X: Any) -> dict[str, Any]:
    """Return fingerprint, time range and evidence of a panel; nothing for other tables."""
    if not isinstance(X, Panel):
        return {}
    times = X.times
    return {"time_range": (str(times.min()), str(times.max()))} | proof_of(X)


def proof_of(
    panel: Panel, ranges: NDArray[np.int64] | None = None, order: NDArray[Any] | None = None
) -> dict[str, Any]:
    """Return what a bundle keeps of a panel to prove later what was trained on; see :func:`describe_trained`.

    The fingerprint is taken afresh: the panel's columns are views, and the caller may have written to them since.
    """
    fingerprint, evidence = take_evidence(panel)
    return {
        "data_fingerprint": fingerprint,
        "target": panel.target or None,
        "evidence": evidence,
        "trained": describe_trained(panel, ranges, order),
    }
