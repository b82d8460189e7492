"""Losses of binary targets."""

from __future__ import annotations

from tradewright.loss_functions.classification.binary_cross_entropy import BinaryCrossEntropy

__all__ = ["BinaryCrossEntropy"]
