"""torch's optimizers behind one signature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

__all__ = ["adam", "adamw", "sgd"]


def sgd(
    params: Iterable[Any], *, lr: float = 1e-2, weight_decay: float = 0.0, momentum: float = 0.0, **options: Any
) -> torch.optim.Optimizer:
    """Build stochastic gradient descent.

    Parameters
    ----------
    params : iterable of tensors or parameter groups
        What is optimized.
    lr, weight_decay, momentum : float
        Step size; L2 penalty, added to the gradient; share of the last step that is kept.
    **options
        Further keywords of ``torch.optim.SGD``.
    """
    return torch.optim.SGD(params, lr=lr, weight_decay=weight_decay, momentum=momentum, **options)


def adam(
    params: Iterable[Any], *, lr: float = 1e-3, weight_decay: float = 0.0, **options: Any
) -> torch.optim.Optimizer:
    """Build Adam (Kingma and Ba, 2015); ``weight_decay`` is an L2 penalty, added to the gradient.

    ``options`` are further keywords of ``torch.optim.Adam``.
    """
    return torch.optim.Adam(params, lr=lr, weight_decay=weight_decay, **options)


def adamw(
    params: Iterable[Any], *, lr: float = 1e-3, weight_decay: float = 1e-2, **options: Any
) -> torch.optim.Optimizer:
    """Build AdamW (Loshchilov and Hutter, 2019); ``weight_decay`` shrinks the weights, apart from the gradient.

    ``options`` are further keywords of ``torch.optim.AdamW``.
    """
    return torch.optim.AdamW(params, lr=lr, weight_decay=weight_decay, **options)
