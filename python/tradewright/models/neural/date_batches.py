"""Batches for losses that look across rows: whole dates, or everything."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tradewright.loss_functions.group_index import GroupIndex

__all__ = ["DateBatches"]


class DateBatches:
    """Draws batches of whole dates in random order.

    Parameters
    ----------
    dates : GroupIndex
        The dates of the rows.
    batch_size : int
        A batch ends with the date that fills it: it has fewer rows than this and one date.

    Notes
    -----
    O(n log n) once, O(n) an epoch.
    """

    def __init__(self, dates: GroupIndex, batch_size: int) -> None:
        numbers = dates.group_numbers()
        self._order = np.argsort(numbers, kind="stable")
        self._counts = np.bincount(numbers, minlength=dates.n_groups)
        self._starts = np.cumsum(self._counts) - self._counts
        self._batch_size = batch_size

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        """Return the rows of each batch; every row is in one."""
        order = torch.randperm(len(self._counts), generator=generator).numpy()
        counts = self._counts[order]
        ends = np.cumsum(counts)
        # Row k of the drawn dates, one after the other, is row k - (where its date begins there) of its date.
        rows = self._order[np.arange(ends[-1]) + np.repeat(self._starts[order] - (ends - counts), counts)]
        batch = (ends - counts) // self._batch_size
        cuts = ends[:-1][np.diff(batch) > 0]
        return [torch.from_numpy(part) for part in np.split(rows, cuts)]
