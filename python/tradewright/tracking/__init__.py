"""Tracking: runs, metrics and artifacts in MLflow, without ever touching the caller's own runs."""

from __future__ import annotations

from tradewright.tracking.client import TrackingClient, connect
from tradewright.tracking.mlflow_logger import MLflowLogger
from tradewright.tracking.run import RunStatus, TrackingRun

__all__ = ["MLflowLogger", "RunStatus", "TrackingClient", "TrackingRun", "connect"]
