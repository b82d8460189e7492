"""Recurrent networks over windows: LSTM and GRU."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from tradewright.models.neural.module_parameters import check_counts, check_dropout
from tradewright.models.torch_model import TorchModel

__all__ = ["GRU", "LSTM", "gru", "lstm"]

Task = Literal["regression", "classification"]


class GRU(nn.Module):
    """A gated recurrent unit (Cho et al., 2014) that reads a window in time order; the head sees its last state.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    hidden : int
        Width of the state.
    layers : int
        Recurrent layers, one over the other.
    dropout : float
        Share of units dropped in training between layers and before the head, in [0, 1).
    """

    def __init__(
        self, n_features: int, n_outputs: int = 1, *, hidden: int = 64, layers: int = 1, dropout: float = 0.1
    ) -> None:
        super().__init__()
        check_counts("gru", hidden=hidden, layers=layers)
        check_dropout("gru", dropout)
        between = dropout if layers > 1 else 0.0
        self.recurrent = nn.GRU(n_features, hidden, layers, batch_first=True, dropout=between)
        _remember(self.recurrent)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_rows, window, n_features) to (n_rows, n_outputs)."""
        states, _ = self.recurrent(x)
        out: Tensor = self.head(states[:, -1])
        return out


class LSTM(nn.Module):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) that reads a window in time order.

    The head sees the last state. Forget gates start open (Jozefowicz et al., 2015).

    Parameters
    ----------
    n_features, n_outputs, hidden, layers, dropout
        As in :class:`GRU`.
    """

    def __init__(
        self, n_features: int, n_outputs: int = 1, *, hidden: int = 64, layers: int = 1, dropout: float = 0.1
    ) -> None:
        super().__init__()
        check_counts("lstm", hidden=hidden, layers=layers)
        check_dropout("lstm", dropout)
        between = dropout if layers > 1 else 0.0
        self.recurrent = nn.LSTM(n_features, hidden, layers, batch_first=True, dropout=between)
        _remember(self.recurrent)
        for name, bias in self.recurrent.named_parameters():
            if name.startswith("bias_ih"):  # gates lie in the order input, forget, cell, output
                nn.init.ones_(bias.data[hidden : 2 * hidden])
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_rows, window, n_features) to (n_rows, n_outputs)."""
        states, _ = self.recurrent(x)
        out: Tensor = self.head(states[:, -1])
        return out


def _remember(recurrent: nn.RNNBase) -> None:
    """Start the recurrent weights of each gate orthogonal: states neither fade nor grow over a window."""
    for name, weight in recurrent.named_parameters():
        if name.startswith("weight_hh"):
            for first in range(0, len(weight), recurrent.hidden_size):
                nn.init.orthogonal_(weight.data[first : first + recurrent.hidden_size])


def gru(
    task: Task = "regression",
    *,
    hidden: int = 64,
    layers: int = 1,
    dropout: float = 0.1,
    window: int = 20,
    **params: Any,
) -> TorchModel:
    """Build a gated recurrent unit over the latest rows of each asset.

    Parameters
    ----------
    task : {"regression", "classification"}
        What is predicted; classification is of two classes.
    hidden, layers, dropout
        See :class:`GRU`.
    window : int
        How many rows are read: the row itself and those before it.
    **params
        Parameters of :class:`tradewright.TorchModel`: ``epochs``, ``batch_size``, ``lr``, ``seed`` …

    Examples
    --------
    >>> import numpy as np
    >>> from tradewright.panel import Panel
    >>> X = np.sin(np.arange(60.0)).reshape(-1, 1)
    >>> panel = Panel.from_arrays(X, X[:, 0], time=np.arange(60))
    >>> model = gru(hidden=4, window=5, epochs=2, seed=0, device="cpu").fit(panel)
    >>> np.isnan(model.predict(panel)).sum()  # the first four rows have too short a past
    np.int64(4)
    """
    module_params = {"hidden": hidden, "layers": layers, "dropout": dropout}
    return TorchModel("gru", module_params=module_params, task=task, window=window, **params)


def lstm(
    task: Task = "regression",
    *,
    hidden: int = 64,
    layers: int = 1,
    dropout: float = 0.1,
    window: int = 20,
    **params: Any,
) -> TorchModel:
    """Build a long short-term memory over the latest rows of each asset.

    Parameters
    ----------
    task, window, **params
        As in :func:`gru`.
    hidden, layers, dropout
        See :class:`LSTM`.
    """
    module_params = {"hidden": hidden, "layers": layers, "dropout": dropout}
    return TorchModel("lstm", module_params=module_params, task=task, window=window, **params)
