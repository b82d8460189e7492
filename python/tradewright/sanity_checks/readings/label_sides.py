"""The labels of both sides in numbers: how many of each class, how far they spread, how they follow each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import Side
from tradewright.sanity_checks.checks.target_shape import classes_of, finite_labels
from tradewright.sanity_checks.readings.block_order import BlockOrder
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.fold_series import lag_one_of
from tradewright.sanity_checks.readings.series import series_of, worth_of

__all__ = ["LabelSides"]

Pair = tuple[float, float]

_KNOWN: WeakKeyDictionary[FoldBlocks, _BlockLabels] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class LabelSides:
    """What the labels of train and validation rows are; pairs are (train, validation).

    Attributes
    ----------
    known : (int, int)
        Labels that are numbers.
    worth : (float, float)
        How many independent labels the mean of a side is from.
    classes : ndarray or None
        The classes; None where labels are quantities. Under a plan those of the panel.
    counts : ndarray of int64, shape (2, n_classes)
        Labels of each class; of no meaning for quantities.
    spreads : (float, float)
        Interquartile ranges; NaN for classes.
    """

    known: tuple[int, int]
    worth: Pair
    classes: NDArray[Any] | None
    counts: NDArray[np.int64]
    spreads: Pair

    @classmethod
    def of(cls, train: Side, val: Side) -> LabelSides | None:
        """Look at the labels of both sides; None where one has none."""
        return cls._of_arrays(train, val) if train.blocks is None else cls._of_fold(train, val)

    @classmethod
    def _of_arrays(cls, train: Side, val: Side) -> LabelSides | None:
        labels = [finite_labels(side) for side in (train, val)]
        if not all(map(len, labels)):
            return None
        classes = classes_of(np.concatenate(labels))
        counts, spreads = np.zeros((2, 0), dtype=np.int64), (np.nan, np.nan)
        if classes is None:
            spreads = _spread(labels[0]), _spread(labels[1])
        else:
            counts = np.array([[int((y == label).sum()) for label in classes] for y in labels])
        known = len(labels[0]), len(labels[1])
        return cls(known, _worths(train, val), classes, counts, spreads)

    @classmethod
    def _of_fold(cls, train: Side, val: Side) -> LabelSides | None:
        assert train.blocks is not None
        labels = _KNOWN.get(train.blocks)
        if labels is None:
            labels = _KNOWN[train.blocks] = _BlockLabels.of(train)
        inside = np.stack([train.in_blocks, val.in_blocks])
        known = int(labels.known @ inside[0]), int(labels.known @ inside[1])
        if not all(known):
            return None
        spreads = np.nan, np.nan
        if labels.ordered is not None:
            low, high = zip(*(labels.ordered.quantiles(side, (0.25, 0.75)) for side in inside), strict=True)
            spreads = high[0] - low[0], high[1] - low[1]
        return cls(known, _worths(train, val), labels.classes, inside.astype(np.int64) @ labels.counts, spreads)


@dataclass(frozen=True, eq=False)
class _BlockLabels:
    """The labels of a panel by the blocks of a plan: of classes the counts, quantities in order."""

    known: NDArray[np.int64]
    classes: NDArray[Any] | None
    counts: NDArray[np.int64]
    ordered: BlockOrder | None

    @classmethod
    def of(cls, side: Side) -> _BlockLabels:
        assert side.y is not None
        assert side.blocks is not None
        blocks, n_blocks = side.blocks.numbers, len(side.blocks)
        finite = np.isfinite(side.y)
        y, blocks = side.y[finite], blocks[finite]
        known = np.bincount(blocks, minlength=n_blocks)
        classes = classes_of(y) if len(y) else None
        if classes is None:
            ordered = BlockOrder.of(y.astype(np.float64), blocks, n_blocks)
            return cls(known, None, np.zeros((n_blocks, 0), np.int64), ordered)
        cells = blocks.astype(np.int64) * len(classes) + np.searchsorted(classes, y)
        counts = np.bincount(cells, minlength=n_blocks * len(classes)).reshape(n_blocks, len(classes))
        return cls(known, classes, counts, None)


def _spread(y: NDArray[Any]) -> float:
    return float(np.subtract(*np.quantile(y.astype(np.float64), [0.75, 0.25])))


def _worths(train: Side, val: Side) -> Pair:
    """How many independent labels each side's mean is from; of both the stronger resemblance counts.

    A side of one class says nothing of how classes follow each other.
    """
    rho = max(_resemblance(train), _resemblance(val))
    return worth_of(train, len(train), rho), worth_of(val, len(val), rho)


def _resemblance(side: Side) -> float:
    """The autocorrelation of the labels, or of their magnitudes where that is larger."""

    @cache
    def labels() -> NDArray[np.float64]:
        assert side.y is not None
        return np.ascontiguousarray(side.y, dtype=np.float64)

    def sizes() -> NDArray[np.float64]:
        y = labels()
        finite = y[np.isfinite(y)]
        return np.abs(y - np.median(finite)) if len(finite) else y

    if side.blocks is None:
        return float(np.max(series_of(side).lag_one([labels(), sizes()])))
    return max(lag_one_of(side, "labels", labels), lag_one_of(side, "sizes of labels", sizes))
