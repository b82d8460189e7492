"""What the contract suites of losses across rows share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.testing import losses_boosting, losses_common
from tradewright.testing.loss_problem import Problem

__all__ = ["Rows", "boosting", "slope", "value_semantics"]

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows that a loss is checked on; ``call`` are the keywords every call takes."""

    y: Array
    s: Array
    w: Array
    groups: Array
    assets: Array | None = None
    extra: dict[str, Array] = dataclasses.field(default_factory=dict)

    @property
    def ids(self) -> dict[str, Any]:
        """Groups, and assets where there are any."""
        return {"groups": self.groups} if self.assets is None else {"groups": self.groups, "assets": self.assets}

    @property
    def call(self) -> dict[str, Any]:
        """All keywords but the weights."""
        return {**self.ids, **self.extra}

    @property
    def problem(self) -> Problem:
        """The same rows for checks that know no dates."""
        return Problem(self.y, self.s, self.w, self.call)

    def take(self, rows: Any) -> Rows:
        """Return some of the rows, in that order."""
        assets = None if self.assets is None else self.assets[rows]
        extra = {name: values[rows] for name, values in self.extra.items()}
        return Rows(self.y[rows], self.s[rows], self.w[rows], self.groups[rows], assets, extra)


def slope(f: Callable[[Array], float], at: Array, rows: Sequence[int] | Array, step: float = 1e-4) -> Array:
    """Differentiate a scalar by some of its arguments: fourth-order central differences."""

    def moved(row: int, by: float) -> float:
        there = at.copy()
        there[row] += by
        return f(there)

    found = [
        (8 * (moved(row, step) - moved(row, -step)) - moved(row, 2 * step) + moved(row, -2 * step)) / (12 * step)
        for row in rows
    ]
    return np.array(found)


def value_semantics(loss: Any, rows: Rows) -> None:
    """Pickle, JSON, hash, frozen fields."""
    losses_common.value_semantics(loss, rows.problem)


def boosting(loss: Any, rows: Rows) -> None:
    """Objectives and metrics of boosting libraries, bound to the rows."""
    losses_boosting.boosting(loss, rows.problem)
