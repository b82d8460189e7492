"""Optimizers of neural models and their learning-rate schedules, by name."""

from __future__ import annotations

from tradewright.optimizers.registry import OptimizerRegistry
from tradewright.optimizers.schedules import Schedule, ScheduleRegistry

__all__ = ["OptimizerRegistry", "Schedule", "ScheduleRegistry"]
