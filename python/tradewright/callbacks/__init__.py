"""Callbacks: hooks into a training, the same for torch epochs, boosting rounds and one-shot fits."""

from __future__ import annotations

from tradewright.base import Callback
from tradewright.callbacks.checkpoint import ModelCheckpoint
from tradewright.callbacks.early_stopping import EarlyStopping
from tradewright.callbacks.learning_rate import LearningRateScheduler
from tradewright.callbacks.progress import ProgressBar
from tradewright.callbacks.time_budget import TimeBudget

__all__ = ["Callback", "EarlyStopping", "LearningRateScheduler", "ModelCheckpoint", "ProgressBar", "TimeBudget"]
