"""Saving models to one verified file, and loading them."""

from __future__ import annotations

from tradewright.serialization.serializer import ModelSerializer, load_model, save_model

__all__ = ["ModelSerializer", "load_model", "save_model"]
