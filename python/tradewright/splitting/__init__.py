"""Purged, embargoed splits: splitters lay out blocks of time, a plan says what every row of every fold is."""

from __future__ import annotations

from tradewright.splitting.audit import SplitAudit, audit_splits
from tradewright.splitting.base import BaseSplitter
from tradewright.splitting.combinatorial import CombinatorialPurgedCV
from tradewright.splitting.data_splitter import DataSplitter
from tradewright.splitting.fold import Fold
from tradewright.splitting.plan import SplitPlan
from tradewright.splitting.purged import PurgedKFold
from tradewright.splitting.rows import Rows
from tradewright.splitting.sequential import PurgedSplit, SequentialSplit
from tradewright.splitting.walk_forward import WalkForward

__all__ = [
    "BaseSplitter",
    "CombinatorialPurgedCV",
    "DataSplitter",
    "Fold",
    "PurgedKFold",
    "PurgedSplit",
    "Rows",
    "SequentialSplit",
    "SplitAudit",
    "SplitPlan",
    "WalkForward",
    "audit_splits",
]
