"""In what precision a step computes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

__all__ = ["Amp", "Precision"]

#: Half precision where torch finds it safe, in which format; None computes in float32 throughout.
Amp = Literal["bf16", "fp16"] | None

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Forward passes in mixed precision, and steps of the optimizer that fit them.

    Weights and losses stay float32. float16 has a short range: losses are scaled up before gradients are taken, and a
    step whose gradients overflow is left out.

    Parameters
    ----------
    amp : {"bf16", "fp16"} or None
        The format of the forward pass.
    device : str
        Where it runs.
    """

    def __init__(self, amp: Amp, device: str) -> None:
        self._amp = amp
        self._kind = torch.device(device).type
        self._scaler = torch.amp.GradScaler(self._kind) if amp == "fp16" else None

    def forward(self) -> AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        return nullcontext() if self._amp is None else torch.autocast(self._kind, _DTYPES[self._amp])

    def backward(self, loss: Tensor) -> None:
        """Take the gradients of a loss, scaled where the format needs it."""
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: torch.optim.Optimizer, weights: Iterable[Tensor], grad_clip: float | None) -> None:
        """Clip the gradients, in their own size, and let the optimizer step."""
        if self._scaler is None:
            if grad_clip is not None:
                nn.utils.clip_grad_norm_(weights, grad_clip)
            optimizer.step()
            return
        if grad_clip is not None:
            self._scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(weights, grad_clip)
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the scale and how long it has held, as plain values."""
        return {} if self._scaler is None else self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        if self._scaler is not None and state:
            self._scaler.load_state_dict(state)
