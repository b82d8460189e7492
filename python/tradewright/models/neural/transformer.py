"""The transformer encoder, reading causally."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tradewright.errors import ParameterError
from tradewright.models.neural.module_parameters import check_counts, check_dropout
from tradewright.models.torch_model import TorchModel

__all__ = ["Transformer", "transformer"]


class Transformer(nn.Module):
    """A transformer encoder (Vaswani et al., 2017) in which each step of a window attends to itself and earlier ones.

    Layers normalise before they compute (Xiong et al., 2020), which trains without a warm-up; the head sees the last
    step. Positions count back from the row that is predicted, so that it has the same one whatever the window.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    hidden : int
        Width of a step's state; a multiple of ``heads``, and even.
    heads, layers : int
        Attention heads a layer, and layers.
    feedforward : int, optional
        Width inside a layer's feed-forward part; by default twice ``hidden``.
    dropout : float
        Share of units dropped in training, in [0, 1).
    positions : {"sinusoidal", "learned"}
        How steps know where they are.
    max_window : int
        The longest window learned positions are made for; sinusoidal ones know no end.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int = 1,
        *,
        hidden: int = 64,
        heads: int = 4,
        layers: int = 2,
        feedforward: int | None = None,
        dropout: float = 0.1,
        positions: str = "sinusoidal",
        max_window: int = 256,
    ) -> None:
        super().__init__()
        feedforward = 2 * hidden if feedforward is None else feedforward
        counts = {"hidden": hidden, "heads": heads, "layers": layers, "max_window": max_window}
        check_counts("transformer", **counts, feedforward=feedforward)
        check_dropout("transformer", dropout)
        if hidden % heads or hidden % 2:
            raise ParameterError(
                f"hidden={hidden} with heads={heads}: pass an even multiple of heads", code="transformer.hidden"
            )
        if positions not in ("sinusoidal", "learned"):
            raise ParameterError(
                f"positions={positions!r}: pass 'sinusoidal' or 'learned'", code="transformer.positions"
            )
        self.inputs = nn.Linear(n_features, hidden)
        self.places = None
        if positions == "learned":
            self.places = nn.Parameter(torch.empty(max_window, hidden))
            nn.init.normal_(self.places, std=0.02)
        self.dropout = nn.Dropout(dropout)
        # A list of layers, each with its own initial weights: nn.TransformerEncoder copies one.
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                hidden, heads, feedforward, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.head = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_rows, window, n_features) to (n_rows, n_outputs)."""
        window = x.shape[1]
        steps = self.dropout(self.inputs(x) + self._places(window, x))
        mask = nn.Transformer.generate_square_subsequent_mask(window, device=x.device, dtype=steps.dtype)
        for layer in self.layers:
            steps = layer(steps, src_mask=mask, is_causal=True)
        out: Tensor = self.head(steps[:, -1])
        return out

    def _places(self, window: int, x: Tensor) -> Tensor:
        """Return the codes of the steps, shape (window, hidden); the last step's is always the same."""
        width = self.inputs.out_features
        if self.places is None:
            return sinusoids(window, width, x.device)
        if window > len(self.places):
            raise ParameterError(
                f"window={window} is longer than the {len(self.places)} learned positions: pass"
                " module_params={'max_window': ...}, or positions='sinusoidal'",
                code="transformer.max_window",
            )
        return self.places[:window].flip(0)


def sinusoids(window: int, width: int, device: torch.device) -> Tensor:
    """Return the sine and cosine of each step's distance from the last at falling frequencies, (window, width)."""
    back = torch.arange(window - 1, -1, -1, device=device, dtype=torch.float32)[:, None]
    half = torch.arange(width // 2, device=device, dtype=torch.float32)
    angles = back * torch.exp(half * (-math.log(10_000.0) / (width // 2)))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def transformer(
    task: Literal["regression", "classification"] = "regression",
    *,
    hidden: int = 64,
    heads: int = 4,
    layers: int = 2,
    feedforward: int | None = None,
    dropout: float = 0.1,
    positions: Literal["sinusoidal", "learned"] = "sinusoidal",
    window: int = 20,
    **params: Any,
) -> TorchModel:
    """Build a causal transformer encoder over the latest rows of each asset.

    Parameters
    ----------
    task, window, **params
        As in :func:`tradewright.models.neural.recurrent.gru`.
    hidden, heads, layers, feedforward, dropout, positions
        See :class:`Transformer`.
    """
    module_params = {
        "hidden": hidden,
        "heads": heads,
        "layers": layers,
        "feedforward": feedforward,
        "dropout": dropout,
        "positions": positions,
        "max_window": window,
    }
    return TorchModel("transformer", module_params=module_params, task=task, window=window, **params)
