"""What the contract suites of losses across rows share."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import LossError, TradewrightError
from tradewright.loss_functions import BaseLoss
from tradewright.testing import losses_boosting
from tradewright.testing.loss_problem import Problem

__all__ = ["Rows", "boosting", "close", "raises", "run", "slope", "value_semantics", "with_params"]

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

    def take(self, rows: Any) -> Rows:
        """Return some of the rows, in that order."""
        assets = None if self.assets is None else self.assets[rows]
        extra = {name: values[rows] for name, values in self.extra.items()}
        return Rows(self.y[rows], self.s[rows], self.w[rows], self.groups[rows], assets, extra)


def run(loss: BaseLoss, rows: Rows, checks: Sequence[Callable[[Any, Rows], None]]) -> list[str]:
    """Run checks and return their names; the first broken promise raises."""
    for check in checks:
        try:
            check(loss, rows)
        except (AssertionError, TradewrightError) as error:
            raise AssertionError(f"{loss!r} fails {check.__name__.strip('_')}: {error}") from error
    return [check.__name__.strip("_") for check in checks]


def with_params(loss: Any, **changes: Any) -> Any:
    """Return the loss with other parameters."""
    return dataclasses.replace(loss, **changes)


def close(got: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    """Compare numbers."""
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


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


def raises(call: Callable[[], Any], row: int | None = None) -> None:
    """Require a LossError that names the row."""
    try:
        call()
    except LossError as error:
        named = error.fields.get("row")
        if row not in (None, named):
            raise AssertionError(f"the error names row {named}, not {row}: {error}") from error
        return
    raise AssertionError("bad input went through")


def value_semantics(loss: Any, rows: Rows) -> None:
    """Pickle, JSON, hash, frozen fields."""
    again = pickle.loads(pickle.dumps(loss))
    assert again == loss, "pickle does not give the same loss back"
    assert hash(again) == hash(loss)
    rebuilt = type(loss).from_dict(json.loads(json.dumps(loss.to_dict())))
    assert rebuilt == loss, "JSON does not give the same loss back"
    close(rebuilt(rows.y, rows.s, **rows.call), loss(rows.y, rows.s, **rows.call), 0, 0)
    assert isinstance(loss, BaseLoss)
    assert np.isfinite(loss.init_score(rows.y))
    frozen: Any = loss
    try:
        frozen.reduction = "sum"
    except AttributeError:
        return
    raise AssertionError("the loss is not frozen")


def boosting(loss: Any, rows: Rows) -> None:
    """Objectives and metrics of boosting libraries, bound to the rows."""
    losses_boosting.boosting(loss, Problem(rows.y, rows.s, rows.w, rows.call))
