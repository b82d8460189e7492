"""Unfitted copies of models."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, TypeVar

from tradewright.errors import UnsupportedError

if TYPE_CHECKING:
    from tradewright.base.model import BaseModel

__all__ = ["cloned"]

M = TypeVar("M", bound="BaseModel")


def cloned(model: M) -> M:
    """Return an unfitted copy; see :meth:`BaseModel.clone`."""
    if hasattr(model, "get_params"):
        from sklearn.base import clone

        made: M = clone(model)
        return made
    names = list(inspect.signature(type(model)).parameters)
    lacking = [name for name in names if not hasattr(model, name)]
    if lacking:
        raise UnsupportedError(
            f"a {type(model).__name__} cannot be cloned: keep the arguments of its constructor as attributes of the same"
            f" names ({', '.join(lacking)}), or define get_params",
            code="model.clone",
        )
    return type(model)(**{name: copy.deepcopy(getattr(model, name)) for name in names})
