"""Windows of rows as batches: slices of one tensor, gathered when asked for."""

from __future__ import annotations

from torch import Tensor

__all__ = ["WindowSource"]

#: Steps of windows that go through a module at a time: some dozen MB with a hundred inputs or states a step.
_STEPS = 1 << 16


class WindowSource:
    """Windows of rows; a batch of them is copied together when it is taken, never more.

    Parameters
    ----------
    values : Tensor of float32, shape (n_read, n_inputs)
        Scaled features by asset and time, each row once.
    starts : Tensor of int64, shape (n_rows,)
        Where each row's window starts in ``values``.
    window : int
        How many rows a window has.

    Examples
    --------
    >>> import torch
    >>> values = torch.arange(4.0).reshape(4, 1)
    >>> WindowSource(values, torch.tensor([1, 0]), window=3).take(torch.tensor([0]))[..., 0]
    tensor([[1., 2., 3.]])
    """

    def __init__(self, values: Tensor, starts: Tensor, window: int) -> None:
        n_read, n_inputs = values.shape
        self._starts = starts
        self._window = window
        # Every slice of `window` rows, as overlapping views of the same memory.
        self._windows = values.contiguous().as_strided(
            (max(n_read - window + 1, 0), window, n_inputs), (n_inputs, n_inputs, 1)
        )

    @staticmethod
    def rows_at_a_time(window: int) -> int:
        """Return how many windows go through a module at a time."""
        return max(1, _STEPS // window)

    @property
    def scoring_rows(self) -> int:
        """As many as make 65,536 steps: a window costs a module as much as that many rows of a table."""
        return self.rows_at_a_time(self._window)

    @property
    def step_rows(self) -> int:
        """The same: windows of all rows would be as many copies of the data as a window has rows."""
        return self.scoring_rows

    def __len__(self) -> int:
        return int(self._starts.shape[0])

    def take(self, index: Tensor) -> Tensor:
        """Return a copy of the windows of these rows, shape (n, window, n_inputs)."""
        return self._windows.index_select(0, self._starts[index])

    def slice(self, start: int, stop: int) -> Tensor:
        """Return a copy of the windows of consecutive rows."""
        return self._windows.index_select(0, self._starts[start:stop])
