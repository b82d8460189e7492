"""The temporal convolutional network."""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional

from tradewright.models.neural.module_parameters import check_counts, check_dropout
from tradewright.models.torch_model import TorchModel

__all__ = ["TCN", "tcn"]


class TCN(nn.Module):
    """Causal convolutions of doubling reach with residual connections (Bai, Kolter and Koltun, 2018).

    The head sees the last step, which reads the latest ``1 + 2 (kernel - 1) (2^layers - 1)`` rows of the window. There
    is no batch normalisation: it would let the rows of a batch, of any time and asset, see each other.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    hidden : int
        Channels.
    layers : int
        Residual blocks; block *i* skips 2^i steps between the rows it reads.
    kernel : int
        Rows a convolution reads.
    dropout : float
        Share of units dropped in training after each convolution, in [0, 1).
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int = 1,
        *,
        hidden: int = 64,
        layers: int = 3,
        kernel: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_counts("tcn", hidden=hidden, layers=layers, kernel=kernel)
        check_dropout("tcn", dropout)
        widths = [n_features, *[hidden] * layers]
        self.blocks = nn.Sequential(
            *(_Block(widths[i], hidden, kernel, dilation=2**i, dropout=dropout) for i in range(layers))
        )
        self.head = nn.Linear(hidden, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_rows, window, n_features) to (n_rows, n_outputs)."""
        out: Tensor = self.head(self.blocks(x.transpose(1, 2))[:, :, -1])
        return out


class _Block(nn.Module):
    """Two causal convolutions and a way around them."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.first = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)
        self.second = nn.Conv1d(outputs, outputs, kernel, dilation=dilation)
        self.around = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        # Zeros before the window, none behind it: a step reads itself and what came before.
        inner = self.dropout(functional.relu(self.first(functional.pad(x, (self.reach, 0)))))
        inner = self.dropout(functional.relu(self.second(functional.pad(inner, (self.reach, 0)))))
        return functional.relu(inner + self.around(x))


def tcn(
    task: Literal["regression", "classification"] = "regression",
    *,
    hidden: int = 64,
    layers: int | None = None,
    kernel: int = 3,
    dropout: float = 0.1,
    window: int = 20,
    **params: Any,
) -> TorchModel:
    """Build a temporal convolutional network over the latest rows of each asset.

    Parameters
    ----------
    task, window, **params
        As in :func:`tradewright.models.neural.recurrent.gru`.
    hidden, kernel, dropout
        See :class:`TCN`.
    layers : int, optional
        By default as many as it takes to read the whole window.
    """
    check_counts("tcn", kernel=kernel, window=window)
    if layers is None:
        layers = 1 if kernel == 1 else max(1, math.ceil(math.log2(1 + (window - 1) / (2 * (kernel - 1)))))
    module_params = {"hidden": hidden, "layers": layers, "kernel": kernel, "dropout": dropout}
    return TorchModel("tcn", module_params=module_params, task=task, window=window, **params)
