"""The losses by name."""

from __future__ import annotations

from tradewright.loss_functions.base import BaseLoss
from tradewright.registry import Registry

__all__ = ["LossRegistry"]

#: Every loss by name: ``LossRegistry.create("bce", reduction="sum")``.
LossRegistry: Registry[BaseLoss] = Registry("loss", entry_points="tradewright.losses")

_PACKAGE = "tradewright.loss_functions"
# Strings, so that asking for one loss does not import the others.
LossRegistry.register(
    "bce",
    f"{_PACKAGE}.classification.binary_cross_entropy:BinaryCrossEntropy",
    aliases=["binary_cross_entropy"],
    tags=["classification", "point"],
)
LossRegistry.register("mse", f"{_PACKAGE}.regression.mse:MSELoss", tags=["regression", "point"])
