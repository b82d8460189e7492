"""What a loss is checked on, and the comparisons every family's checks are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import LossError, TradewrightError
from tradewright.loss_functions import BaseLoss

__all__ = ["Problem", "assert_close", "assert_raises", "changed", "run", "slope"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """The rows of one call; ``further`` holds groups, assets and per-row arguments by name."""

    target: Array
    prediction: Array
    weight: Array
    further: Mapping[str, Array] = field(default_factory=dict)
    #: What a change of a prediction is measured in.
    unit: float = 1.0

    @property
    def given(self) -> dict[str, Array]:
        """Every argument besides target and prediction."""
        return {"sample_weight": self.weight, **self.further}

    def rows(self, which: Any) -> Problem:
        """Some of the rows, in the given order."""
        further = {name: value[which] for name, value in self.further.items()}
        return Problem(self.target[which], self.prediction[which], self.weight[which], further, self.unit)

    def replace(self, **changes: Any) -> Problem:
        """The same with other values."""
        return dataclasses.replace(self, **changes)

    def call(self, loss: BaseLoss, **changes: Any) -> Any:
        """The loss of the rows."""
        return loss(self.target, self.prediction, **{**self.given, **changes})

    def value_and_grad(self, loss: BaseLoss, **changes: Any) -> tuple[Any, Array]:
        """Value and gradient of the rows."""
        return loss.value_and_grad(self.target, self.prediction, **{**self.given, **changes})

    def grad_hess(self, loss: BaseLoss, **changes: Any) -> tuple[Array, Array]:
        """Gradient and curvature of the rows."""
        return loss.grad_hess(self.target, self.prediction, **{**self.given, **changes})


def run(loss: BaseLoss, rows: Any, checks: Sequence[Callable[[Any, Any], None]]) -> list[str]:
    """Run checks on rows and return their names; the first broken promise raises."""
    names = [check.__name__.strip("_") for check in checks]
    for name, check in zip(names, checks, strict=True):
        try:
            check(loss, rows)
        except (AssertionError, TradewrightError) as error:
            raise AssertionError(f"{loss!r} fails {name}: {error}") from error
    return names


def changed(loss: BaseLoss, **changes: Any) -> Any:
    """The loss with other parameters."""
    return dataclasses.replace(loss, **changes)


def assert_close(got: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    """Assert near equality, value by value."""
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


def slope(f: Callable[[Array], Array], at: Array, step: float) -> tuple[Array, Array]:
    """Differentiate value by value by fourth-order central differences; with it where there is a kink nearby."""
    right, left, far_right, far_left, here = (f(at + k * step) for k in (1, -1, 2, -2, 0))
    found = (8 * (right - left) - (far_right - far_left)) / (12 * step)
    bend = np.maximum(abs(right - 2 * here + left), abs(far_right - 2 * here + far_left)) / step
    return found, bend > 0.01 * max(float(abs(found).max()), 1e-300)


def assert_raises(call: Callable[[], Any], row: int | None = None) -> None:
    """Assert that a call raises a :class:`LossError`, which names ``row`` where one is given."""
    try:
        call()
    except LossError as error:
        named = error.fields.get("row")
        if row not in (None, named):
            raise AssertionError(f"the error names row {named}, not {row}: {error}") from error
        return
    raise AssertionError("bad input went through")
