"""Modules built without initial weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["WithoutDraws"]

_DRAWS = frozenset(
    (
        *(nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_),
        *(Tensor.uniform_, Tensor.normal_),
    )
)


class WithoutDraws(TorchFunctionMode):
    """Inside ``with``, parameters are not filled with random numbers: for modules whose weights are about to be replaced.

    Drawing is most of what it costs to build a module. Buffers, and what else is no parameter, are drawn as ever.

    Examples
    --------
    >>> import torch
    >>> before = torch.get_rng_state()
    >>> with WithoutDraws():
    ...     nn.Linear(3, 2).weight.shape
    torch.Size([2, 3])
    >>> bool((torch.get_rng_state() == before).all())
    True
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS:
            tensor = args[0] if args else kwargs.get("tensor")
            if isinstance(tensor, nn.Parameter):
                return tensor
        return func(*args, **kwargs)
