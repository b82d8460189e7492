"""The contracts of a model, of its training loop and of a callback; everything above is written against these."""

from __future__ import annotations

from tradewright.base.callback import Callback, MetricSink, TrainerView
from tradewright.base.loop import LoopObserver, ModelState, Resume, SilentObserver, TrainState
from tradewright.base.metadata import ModelMetadata
from tradewright.base.model import BaseModel
from tradewright.base.samples import Samples
from tradewright.base.trained_rows import TrainedRowsWarning

__all__ = [
    "BaseModel",
    "Callback",
    "LoopObserver",
    "MetricSink",
    "ModelMetadata",
    "ModelState",
    "Resume",
    "Samples",
    "SilentObserver",
    "TrainState",
    "TrainedRowsWarning",
    "TrainerView",
]
