"""Where an epoch takes its batches from: rows on the device, whole or made when asked for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tradewright.loss_functions.group_index import GroupIndex
from tradewright.runtime.device_layer_torch import DeviceLayer

__all__ = ["BatchSource", "HostSource", "Rows", "ScaledSource", "TensorSource", "place"]


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
class ScaledSource:
    """Features that lie on the host as the caller has them; each batch is scaled when it is taken.

    So a fit holds no second copy of the features. Scaling a batch, which the processor's cache holds, costs about as much
    as reading it.

    Parameters
    ----------
    X : Tensor of float32, shape (n_rows, n_features)
        Unscaled features; a view of the caller's.
    mean, scale : Tensor of float32, shape (n_features,)
        As :class:`FeatureScaler` has them.
    indicated : Tensor of int64, shape (k,)
        Columns that get a further column: 1 where the value is NaN, else 0.
    missing : bool
        Whether any feature is NaN.
    """

    X: Tensor
    mean: Tensor
    scale: Tensor
    indicated: Tensor
    missing: bool

    @property
    def scoring_rows(self) -> int:
        """16,384: a batch is a copy."""
        return 1 << 14

    @property
    def step_rows(self) -> None:
        """None: a step on all rows takes a copy of them, which the module's own outputs outweigh."""
        return None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def take(self, index: Tensor) -> Tensor:
        """Return these rows, scaled."""
        return self._scale(self.X.index_select(0, index))

    def slice(self, start: int, stop: int) -> Tensor:
        """Return consecutive rows, scaled; a copy."""
        return self._scale(self.X[start:stop].clone())

    def _scale(self, X: Tensor) -> Tensor:
        """Scale in place, in the operations and the order of :meth:`FeatureScaler.transform`, and so to the same bits."""
        flags = X.index_select(1, self.indicated).isnan() if len(self.indicated) else None
        X.sub_(self.mean).div_(self.scale)
        if self.missing:
            X.nan_to_num_(0.0, torch.inf, -torch.inf)
        return X if flags is None else torch.cat([X, flags.to(X.dtype)], dim=1)


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
