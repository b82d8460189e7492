"""Muon for matrices, AdamW for everything else, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from tradewright.errors import ParameterError
from tradewright.optimizers.torch_optimizers import adamw

__all__ = ["MuonAdamW", "muon"]


class MuonAdamW(Optimizer):
    """Two optimizers that step together, since Muon takes nothing but matrices.

    Parameters
    ----------
    matrices, others : list of Tensor
        What Muon and what AdamW optimizes; either may be empty.
    lr, weight_decay : float
        Of both. Muon's steps are brought to the size of AdamW's, so that one rate serves.
    **options
        Further keywords of ``torch.optim.Muon``.
    """

    def __init__(
        self, matrices: list[Tensor], others: list[Tensor], *, lr: float, weight_decay: float, **options: Any
    ) -> None:
        options.setdefault("adjust_lr_fn", "match_rms_adamw")
        self._parts: list[Optimizer] = []
        if matrices:
            self._parts.append(torch.optim.Muon(matrices, lr=lr, weight_decay=weight_decay, **options))
        if others:
            self._parts.append(adamw(others, lr=lr, weight_decay=weight_decay))
        super().__init__([*matrices, *others], {"lr": lr, "weight_decay": weight_decay})
        # The groups are the parts' own: what sets a rate here sets it there.
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step with each part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for part in self._parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return the parts' states."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the parts' states."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]


def muon(params: Iterable[Any], *, lr: float = 1e-3, weight_decay: float = 0.1, **options: Any) -> Optimizer:
    """Build Muon (Jordan et al., 2024) for matrices, and AdamW for vectors, single rows and tensors of other shapes.

    Muon steps by the nearest orthogonal matrix to the momentum of the gradient.

    Parameters
    ----------
    params : iterable of tensors
        What is optimized; parameter groups are not taken.
    lr, weight_decay : float
        Of both optimizers; ``weight_decay`` shrinks the weights, apart from the gradient.
    **options
        Further keywords of ``torch.optim.Muon``.

    Raises
    ------
    ParameterError
        For parameter groups.
    """
    tensors = list(params)
    if any(not isinstance(tensor, Tensor) for tensor in tensors):
        raise ParameterError(
            "muon sorts tensors itself, by their shape: pass the tensors, not groups of them", code="optimizer.groups"
        )
    matrices = [tensor for tensor in tensors if tensor.ndim == 2 and min(tensor.shape) > 1]
    chosen = {id(tensor) for tensor in matrices}
    others = [tensor for tensor in tensors if id(tensor) not in chosen]
    return MuonAdamW(matrices, others, lr=lr, weight_decay=weight_decay, **options)
