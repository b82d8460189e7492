"""Losses from the plain values they are stored as."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tradewright.errors import ParameterError
from tradewright.loss_functions.base import BaseLoss
from tradewright.loss_functions.combined import CombinedLoss
from tradewright.loss_functions.registry import LossRegistry

__all__ = ["loss_of"]


def loss_of(cls: type[BaseLoss], data: Mapping[str, Any]) -> BaseLoss:
    """Return the loss of :meth:`BaseLoss.to_dict`: of class ``cls`` where that is a concrete one, else of the tag's."""
    tag, params = data.get("loss"), data.get("params", {})
    if not isinstance(tag, str):
        raise ParameterError(
            f"the loss has no tag: 'loss' is {tag!r} and not a name; pass what to_dict returned",
            code="loss.tag",
            tag=tag,
        )
    made: Any = cls
    if "name" not in cls.__dict__ and cls.__abstractmethods__:
        # A sum is made, not looked up.
        made = CombinedLoss if tag == CombinedLoss.name else LossRegistry.get(tag)
    elif tag != cls.name:
        raise ParameterError(
            f"the loss is tagged {tag!r}, not {cls.name!r}; use BaseLoss.from_dict", code="loss.tag", tag=tag
        )
    known = {f.name for f in dataclasses.fields(made) if f.init}
    if unknown := sorted(set(params) - known):
        raise ParameterError(
            f"{made.__name__} has no parameter {unknown[0]!r}; it has {', '.join(sorted(known))}",
            code="parameter.unknown",
            name=unknown[0],
        )
    loss: BaseLoss = made._from_params(params)
    return loss
