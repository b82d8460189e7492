"""Where an epoch takes its batches from: rows on the device, whole or made when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from tradewright.loss_functions.group_index import GroupIndex

__all__ = ["BatchSource", "Rows", "TensorSource"]


class BatchSource(Protocol):
    """Features of rows, given out in batches as the module takes them.

    A row's features may be a vector (tables) or a window of vectors (sequences): the first axis of a batch is its rows.
    """

    @property
    def scoring_rows(self) -> int:
        """How many rows fit into one forward pass where no gradient is needed."""

    @property
    def step_rows(self) -> int | None:
        """How many rows of a step are read at a time; None for all of them.

        A step of more rows, such as one on all of them, is computed in parts of this size, which are read and computed
        again for the gradient: it takes the memory of one part, and half as long again.
        """

    def __len__(self) -> int:
        """Return the number of rows."""

    def take(self, index: Tensor) -> Tensor:
        """Return the features of rows in any order, on the device; ``index`` is int64 and lives there too."""

    def slice(self, start: int, stop: int) -> Tensor:
        """Return the features of the rows from ``start`` to before ``stop``; a view where the source can give one."""


@dataclass(frozen=True, slots=True, eq=False)
class TensorSource:
    """Features that lie on the device as one tensor.

    Parameters
    ----------
    X : Tensor of float32, shape (n_rows, n_inputs)
        Scaled features.
    """

    X: Tensor

    @property
    def scoring_rows(self) -> int:
        """65,536: what a batch costs beside the layers' outputs is nothing, its rows are a view."""
        return 1 << 16

    @property
    def step_rows(self) -> None:
        """None: the rows are there anyway."""
        return None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def take(self, index: Tensor) -> Tensor:
        """Return a copy of these rows."""
        return self.X[index]

    def slice(self, start: int, stop: int) -> Tensor:
        """Return a view of consecutive rows."""
        return self.X[start:stop]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows on the device: features, labels and weights as the loss takes them.

    Parameters
    ----------
    source : BatchSource
        The features.
    y : Tensor of float32, shape (n_rows,)
        Labels in their own units; 0 and 1 for classes.
    weight : Tensor of float32 or None, shape (n_rows,)
        Row weights.
    dates : GroupIndex or None
        Dates and assets, for losses that look across rows.
    """

    source: BatchSource
    y: Tensor
    weight: Tensor | None
    dates: GroupIndex | None = None
