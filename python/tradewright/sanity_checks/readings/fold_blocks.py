"""The atomic blocks of a plan: what is known of each block is known of every role of every fold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tradewright.splitting import Rows, SplitPlan

__all__ = ["FoldBlocks"]


@dataclass(frozen=True, eq=False)
class FoldBlocks:
    """Stretches of time order that no fold of a plan cuts: all rows of a block have one role in each fold.

    Whatever adds up over rows is counted once a block, and a role of a fold is a sum of blocks. They are those of the
    whole plan, whichever of its folds are looked at, so that a fold is told the same on its own as among the others.

    Parameters
    ----------
    borders : ndarray of int64, shape (n_blocks + 1,)
        Where blocks begin and the last one ends, in time order: ascending, from 0 to the number of rows.
    order : ndarray or None
        The row of the panel at each place of time order; None where rows lie so.
    """

    borders: NDArray[np.int64]
    order: NDArray[Any] | None = None

    @classmethod
    def of(cls, plan: SplitPlan) -> FoldBlocks:
        """Cut time order wherever a range of any fold begins or ends."""
        edges = np.append(plan.table.segments[:, 2:].reshape(-1), [0, plan.n_rows])
        return cls(np.unique(edges).astype(np.int64), plan.order)

    def __len__(self) -> int:
        return len(self.borders) - 1

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """How many rows each block has."""
        return np.diff(self.borders)

    @cached_property
    def numbers(self) -> NDArray[np.uint32]:
        """The block of each row of the panel, in the panel's order."""
        in_time = np.repeat(np.arange(len(self), dtype=np.uint32), self.sizes)
        if self.order is None:
            return in_time
        numbers = np.empty_like(in_time)
        numbers[self.order] = in_time
        return numbers

    def within(self, rows: Rows) -> NDArray[np.bool_]:
        """Return whether each block belongs to a role of a fold of the plan."""
        chosen = np.zeros(len(self), dtype=bool)
        for start, stop in np.searchsorted(self.borders, rows.ranges).tolist():
            chosen[start:stop] = True
        return chosen
