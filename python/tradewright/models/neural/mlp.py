"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn

from tradewright.errors import ParameterError
from tradewright.models.torch_model import TorchModel

__all__ = ["MLP", "mlp"]

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class MLP(nn.Module):
    """Fully connected layers: (linear, activation, dropout) per hidden width, and a linear head.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    hidden : sequence of int
        Widths of the hidden layers; none makes a linear model.
    dropout : float
        Share of units dropped in training, in [0, 1).
    activation : {"relu", "gelu", "silu", "tanh"}
        The non-linearity.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int = 1,
        *,
        hidden: Sequence[int] = (64, 32),
        dropout: float = 0.0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise ParameterError(
                f"activation={activation!r}: pass one of {', '.join(_ACTIVATIONS)}", code="mlp.activation"
            )
        if not 0.0 <= dropout < 1.0:
            raise ParameterError(f"dropout={dropout}: pass a share in [0, 1)", code="mlp.dropout")
        if any(width < 1 for width in hidden):
            raise ParameterError(f"hidden={tuple(hidden)}: widths are at least 1", code="mlp.hidden")
        layers: list[nn.Module] = []
        width = n_features
        for units in hidden:
            layers += [nn.Linear(width, units), _ACTIVATIONS[activation]()]
            if dropout > 0.0:
                layers.append(nn.Dropout(dropout))
            width = units
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_rows, n_features) to (n_rows, n_outputs)."""
        out: Tensor = self.layers(x)
        return out


def mlp(
    task: Literal["regression", "classification"] = "regression",
    *,
    hidden: Sequence[int] = (64, 32),
    dropout: float = 0.0,
    activation: str = "relu",
    **params: Any,
) -> TorchModel:
    """Build a multi-layer perceptron.

    Parameters
    ----------
    task : {"regression", "classification"}
        What is predicted; classification is of two classes.
    hidden, dropout, activation
        See :class:`MLP`.
    **params
        Parameters of :class:`tradewright.TorchModel`: ``epochs``, ``batch_size``, ``lr``, ``seed`` …

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1.0, 1.0, 64).reshape(-1, 1)
    >>> model = mlp(hidden=[8], epochs=3, seed=0, device="cpu").fit(X, X[:, 0])
    >>> model.predict(X).shape
    (64,)
    """
    module_params = {"hidden": list(hidden), "dropout": dropout, "activation": activation}
    return TorchModel("mlp", module_params=module_params, task=task, **params)
