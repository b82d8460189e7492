"""torch's optimizers behind one signature: ``(params, *, lr, weight_decay, **options)``.

``options`` are the further keywords of the class in ``torch.optim``. Those that need another way of training are left
out: LBFGS, which evaluates the loss itself, and SparseAdam.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer

from tradewright.errors import ParameterError

__all__ = [
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
]

Params = Iterable[Any]


def sgd(
    params: Params, *, lr: float = 1e-2, weight_decay: float = 0.0, momentum: float = 0.0, **options: Any
) -> Optimizer:
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
    params = list(params)
    return torch.optim.SGD(
        params, lr=lr, weight_decay=weight_decay, momentum=momentum, **_in_one_kernel(params, options)
    )


def adam(params: Params, *, lr: float = 1e-3, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build Adam (Kingma and Ba, 2015); ``weight_decay`` is an L2 penalty, added to the gradient."""
    params = list(params)
    return torch.optim.Adam(params, lr=lr, weight_decay=weight_decay, **_in_one_kernel(params, options))


def adamw(params: Params, *, lr: float = 1e-3, weight_decay: float = 1e-2, **options: Any) -> Optimizer:
    """Build AdamW (Loshchilov and Hutter, 2019); ``weight_decay`` shrinks the weights, apart from the gradient."""
    params = list(params)
    return torch.optim.AdamW(params, lr=lr, weight_decay=weight_decay, **_in_one_kernel(params, options))


def adagrad(params: Params, *, lr: float = 1e-2, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build Adagrad (Duchi, Hazan and Singer, 2011); ``weight_decay`` is an L2 penalty."""
    return torch.optim.Adagrad(params, lr=lr, weight_decay=weight_decay, **options)


def adamax(params: Params, *, lr: float = 2e-3, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build Adamax, Adam by the largest gradient (Kingma and Ba, 2015); ``weight_decay`` is an L2 penalty."""
    return torch.optim.Adamax(params, lr=lr, weight_decay=weight_decay, **options)


def nadam(params: Params, *, lr: float = 2e-3, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build NAdam, Adam with Nesterov's momentum (Dozat, 2016); ``weight_decay`` is an L2 penalty.

    ``decoupled_weight_decay=True`` makes it shrink the weights as AdamW does.
    """
    return torch.optim.NAdam(params, lr=lr, weight_decay=weight_decay, **options)


def radam(params: Params, *, lr: float = 1e-3, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build RAdam, Adam with a variance that is rectified at the start (Liu et al., 2020).

    ``weight_decay`` is an L2 penalty; ``decoupled_weight_decay=True`` makes it shrink the weights as AdamW does.
    """
    return torch.optim.RAdam(params, lr=lr, weight_decay=weight_decay, **options)


def rmsprop(params: Params, *, lr: float = 1e-2, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build RMSprop (Hinton, 2012); ``weight_decay`` is an L2 penalty."""
    return torch.optim.RMSprop(params, lr=lr, weight_decay=weight_decay, **options)


def adadelta(params: Params, *, lr: float = 1.0, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build Adadelta (Zeiler, 2012), whose own step size ``lr`` multiplies; ``weight_decay`` is an L2 penalty."""
    return torch.optim.Adadelta(params, lr=lr, weight_decay=weight_decay, **options)


def adafactor(params: Params, *, lr: float = 1e-2, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build Adafactor (Shazeer and Stern, 2018): second moments by row and column, so that they take little memory.

    ``lr`` is a share of the size of the weights, and no more than one over the root of the step's number.
    """
    return torch.optim.Adafactor(params, lr=lr, weight_decay=weight_decay, **options)


def asgd(params: Params, *, lr: float = 1e-2, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build averaged stochastic gradient descent (Polyak and Juditsky, 1992); ``weight_decay`` is an L2 penalty."""
    return torch.optim.ASGD(params, lr=lr, weight_decay=weight_decay, **options)


def rprop(params: Params, *, lr: float = 1e-2, weight_decay: float = 0.0, **options: Any) -> Optimizer:
    """Build resilient backpropagation (Riedmiller and Braun, 1993), which goes by the signs of gradients.

    For steps on all rows, as losses of portfolio returns make them: signs of small batches are noise. It has no
    weight decay.

    Raises
    ------
    ParameterError
        When ``weight_decay`` is not 0.
    """
    if weight_decay:
        raise ParameterError(
            f"rprop has no weight decay, and weight_decay={weight_decay}: pass 0, or use another optimizer",
            code="optimizer.weight_decay",
        )
    return torch.optim.Rprop(params, lr=lr, **options)


def _in_one_kernel(params: list[Any], options: dict[str, Any]) -> dict[str, Any]:
    """Ask for the kernel that updates all weights at once: a third of the time on a CPU, and no wait on a GPU.

    Not where the caller chose an implementation, or a weight lies where there is no such kernel.
    """
    if {"fused", "foreach", "differentiable", "capturable"} & options.keys():
        return options
    tensors = [tensor for group in params for tensor in (group["params"] if isinstance(group, dict) else [group])]
    there = all(
        isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and tensor.device.type in ("cpu", "cuda")
        for tensor in tensors
    )
    return options | {"fused": True} if there else options
