"""Which rows each step of an epoch is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from tradewright.loss_functions.group_index import GroupIndex

__all__ = ["AllRows", "BatchOrder", "DateBatches", "RowBatches", "Shuffle"]

#: In random order; whole stretches of rows in random order, and random inside; or as the rows come.
Shuffle = Literal["full", "block", False]

#: A stretch of a block shuffle is so many steps long: rows are read in few places at a time, and yet mix.
_BLOCK_STEPS = 16


class BatchOrder(Protocol):
    """Draws the steps of an epoch."""

    def draw(self, generator: torch.Generator, device: str | torch.device = "cpu") -> Sequence[Tensor | slice]:
        """Return the rows of each step: int64 on the device, or a slice of consecutive rows with both ends.

        Drawn on the host, and sent to the device at once.
        """


class AllRows:
    """An epoch of one step: all rows.

    Parameters
    ----------
    n_rows : int
        How many there are.
    """

    def __init__(self, n_rows: int) -> None:
        self._steps = [slice(0, n_rows)]

    def draw(self, generator: torch.Generator, device: str | torch.device = "cpu") -> Sequence[Tensor | slice]:
        """Return the one step."""
        return self._steps


class RowBatches:
    """Steps of rows that stand each for itself.

    Parameters
    ----------
    n_rows, step_rows : int
        How many rows there are, and how many a step has; the last one may have fewer.
    shuffle : {"full", "block", False}
        The order of the rows.
    """

    def __init__(self, n_rows: int, step_rows: int, shuffle: Shuffle) -> None:
        self._n_rows, self._step_rows, self._shuffle = n_rows, step_rows, shuffle

    def draw(self, generator: torch.Generator, device: str | torch.device = "cpu") -> Sequence[Tensor | slice]:
        """Return the rows of each step; every row is in one."""
        order = permuted(self._n_rows, self._shuffle, _BLOCK_STEPS * self._step_rows, generator)
        if order is not None:
            return torch.split(order.to(device), self._step_rows)
        starts = range(0, self._n_rows, self._step_rows)
        return [slice(start, min(start + self._step_rows, self._n_rows)) for start in starts]


class DateBatches:
    """Steps of whole dates, for losses that look across the rows of a date.

    Parameters
    ----------
    dates : GroupIndex
        The dates of the rows.
    step_rows : int
        A step ends with the date that fills it: it has fewer rows than this and one date.
    shuffle : {"full", "block", False}
        The order of the dates.

    Notes
    -----
    O(n log n) once, O(n) an epoch.
    """

    def __init__(self, dates: GroupIndex, step_rows: int, shuffle: Shuffle = "full") -> None:
        numbers = dates.group_numbers()
        self._order = np.argsort(numbers, kind="stable")
        self._counts = np.bincount(numbers, minlength=dates.n_groups)
        self._starts = np.cumsum(self._counts) - self._counts
        self._step_rows, self._shuffle = step_rows, shuffle
        self._block = max(1, _BLOCK_STEPS * step_rows * dates.n_groups // max(1, len(numbers)))

    def draw(self, generator: torch.Generator, device: str | torch.device = "cpu") -> Sequence[Tensor | slice]:
        """Return the rows of each step; every row is in one."""
        drawn = permuted(len(self._counts), self._shuffle, self._block, generator)
        order = np.arange(len(self._counts)) if drawn is None else drawn.numpy()
        counts = self._counts[order]
        ends = np.cumsum(counts)
        # Row k of the drawn dates, one after the other, is row k - (where its date begins there) of its date.
        rows = self._order[np.arange(ends[-1]) + np.repeat(self._starts[order] - (ends - counts), counts)]
        step = (ends - counts) // self._step_rows
        cuts = ends[:-1][np.diff(step) > 0]
        lengths = np.diff(cuts, prepend=0, append=len(rows))
        return torch.split(torch.from_numpy(rows).to(device), lengths.tolist())


def permuted(n: int, shuffle: Shuffle, block: int, generator: torch.Generator) -> Tensor | None:
    """Return 0 … n−1 in a random order, int64; None where the order stays.

    With ``"block"``, stretches of ``block`` come in random order and are permuted inside. Where the first one ends is
    random, so that its ends are others each time.
    """
    if shuffle is False:
        return None
    if shuffle == "full" or block >= n:
        return torch.randperm(n, generator=generator)
    first = int(torch.randint(1, block + 1, (1,), generator=generator))
    edges = [0, *range(first, n, block), n]
    drawn = torch.randperm(len(edges) - 1, generator=generator).tolist()
    return torch.cat([edges[at] + torch.randperm(edges[at + 1] - edges[at], generator=generator) for at in drawn])
