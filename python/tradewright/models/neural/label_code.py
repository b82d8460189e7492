"""Labels as the numbers a module learns, and scores as labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError

__all__ = ["LabelCode"]


@dataclass(frozen=True, slots=True)
class LabelCode:
    """What the train labels said of all labels.

    Parameters
    ----------
    classes : tuple or None
        The two classes, ascending; None for numbers.
    shift, scale : float
        The module learns (label − shift) / scale.

    Examples
    --------
    >>> code = LabelCode.of_classes(np.array(["up", "down", "up"]))
    >>> code.classes, code.numbers(np.array(["down", "up"]))
    (('down', 'up'), array([0., 1.]))
    """

    classes: tuple[Any, ...] | None = None
    shift: float = 0.0
    scale: float = 1.0

    @classmethod
    def of_classes(cls, y: Any) -> LabelCode:
        """Learn the classes.

        Raises
        ------
        DataError
            When there are not two.
        """
        classes = tuple(np.unique(np.asarray(y)).tolist())
        if len(classes) != 2:
            raise DataError(
                f"Only binary classification is supported. The train labels have {len(classes)} classes",
                code="model.n_classes",
                count=len(classes),
            )
        return cls(classes)

    @classmethod
    def of_numbers(cls, y: Any, *, scaled: bool) -> LabelCode:
        """Learn shift and scale, or leave the labels as they are; constant labels are only shifted."""
        if not scaled:
            return cls()
        numbers = np.asarray(y, dtype=np.float64)
        shift, spread = float(numbers.mean()), float(numbers.std())
        return cls(None, shift, spread if spread > 1e-12 * max(1.0, abs(shift)) else 1.0)

    def numbers(self, y: Any) -> NDArray[np.float64]:
        """Return labels as numbers in their own units; 0 and 1 for classes.

        Raises
        ------
        DataError
            When a label is of a class that no train row has.
        """
        if self.classes is None:
            return np.asarray(y, dtype=np.float64)
        hit: NDArray[np.bool_] = np.asarray(y)[:, None] == np.asarray(self.classes)
        if not hit.any(axis=1).all():
            row = int(np.flatnonzero(~hit.any(axis=1))[0])
            raise DataError(
                f"validation row {row} is of class {y[row]!r}, which no train row has: drop such rows, or train on"
                " more",
                code="model.unknown_class",
                row=row,
            )
        return hit[:, 1].astype(np.float64)

    def labels(self, scores: NDArray[np.float64], *, can_miss: bool) -> NDArray[Any]:
        """Return the class of each score: the second above 0.

        Where scores may be missing (NaN), so may labels: they are then float64, or objects.
        """
        labels: NDArray[Any] = np.asarray(self.classes)[(scores > 0).astype(np.intp)]
        if can_miss:
            labels = labels.astype(np.float64 if labels.dtype.kind in "biuf" else object)
            labels[np.isnan(scores)] = np.nan
        return labels
