"""Tracking: runs, metrics and artifacts in MLflow, without ever touching the caller's own runs."""

from __future__ import annotations

from tradewright.tracking.client import TrackingClient, connect
from tradewright.tracking.mlflow_logger import MLflowLogger
from tradewright.tracking.operations import RunStatus
from tradewright.tracking.replay import Replayed, replay_mlflow
from tradewright.tracking.run import TrackingRun

__all__ = ["MLflowLogger", "Replayed", "RunStatus", "TrackingClient", "TrackingRun", "connect", "replay_mlflow"]
