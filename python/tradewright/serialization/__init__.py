"""Saving models to one verified file, loading them, and proving what they were trained on."""

from __future__ import annotations

from tradewright.serialization.proof import Proof, Verification, stamp_predictions, verify
from tradewright.serialization.serializer import ModelSerializer, load_model, save_model

__all__ = [
    "ModelSerializer",
    "Proof",
    "Verification",
    "load_model",
    "save_model",
    "stamp_predictions",
    "verify",
]
