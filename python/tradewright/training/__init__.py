"""The trainer: one call from rows to a checked, tracked, saved model."""

from __future__ import annotations

from tradewright.training.defaults import default_callbacks
from tradewright.training.fold_summary import log_fold_summary
from tradewright.training.result import TrainingResult
from tradewright.training.trainer import ModelTrainer

__all__ = ["ModelTrainer", "TrainingResult", "default_callbacks", "log_fold_summary"]
