"""Optimizers of neural models, by name."""

from __future__ import annotations

from tradewright.optimizers.registry import OptimizerRegistry

__all__ = ["OptimizerRegistry"]
