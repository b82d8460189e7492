"""Where an epoch takes its batches from: rows on the device, whole or made when asked for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from tradewright.loss_functions.group_index import GroupIndex
from tradewright.runtime.device_layer_torch import DeviceLayer

__all__ = ["BatchSource", "HostSource", "Rows", "TensorSource", "place"]


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
        # A fifth of the time of X[index] on the CPU.
        return self.X.index_select(0, index)

    def slice(self, start: int, stop: int) -> Tensor:
        """Return a view of consecutive rows."""
        return self.X[start:stop]


@dataclass(frozen=True, slots=True, eq=False)
class HostSource:
    """Features that stay on the host because the device has no room for all of them; each batch is sent there.

    Parameters
    ----------
    X : Tensor of float32, shape (n_rows, n_inputs)
        Scaled features, on the host.
    device : str
        Where batches go.
    """

    X: Tensor
    device: str

    @property
    def scoring_rows(self) -> int:
        """65,536."""
        return 1 << 16

    @property
    def step_rows(self) -> int:
        """The same: there is no room for all rows at once."""
        return self.scoring_rows

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def take(self, index: Tensor) -> Tensor:
        """Return a copy of these rows, on the device."""
        return self.X.index_select(0, index.cpu()).to(self.device)

    def slice(self, start: int, stop: int) -> Tensor:
        """Return a copy of consecutive rows, on the device."""
        return self.X[start:stop].to(self.device)


def place(X: Tensor, device: str, layer: DeviceLayer) -> TensorSource | HostSource:
    """Return features as a source on a device: all at once where there is room, else batch by batch.

    Warns
    -----
    UserWarning
        When there is no room.
    """
    try:
        return TensorSource(X.to(device))
    except RuntimeError as error:
        if not layer.recovers or not layer.ran_out(error):
            raise
    # Outside of the except block: its traceback would keep what had been taken.
    layer.empty_cache()
    warnings.warn(
        f"{device} has no room for the features of all {len(X)} rows: they stay on the host and are sent there batch by"
        " batch, which is slower",
        UserWarning,
        stacklevel=3,
    )
    return HostSource(X, device)


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
