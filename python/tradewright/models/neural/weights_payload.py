"""A module's weights and its features' scaling as safetensors, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext

import safetensors.torch
import torch
from torch import Tensor, nn

from tradewright.errors import IntegrityError
from tradewright.models.neural.feature_scaler import FeatureScaler
from tradewright.models.neural.without_draws import WithoutDraws

__all__ = ["built", "check_shapes", "from_payload", "host_state", "to_payload"]

_SCALER = ("mean", "scale", "indicated")


def host_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the module's state, on the host."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in module.state_dict().items()}


def to_payload(module: nn.Module, scaler: FeatureScaler) -> bytes:
    """Return both as one file."""
    tensors = {f"module.{name}": value for name, value in host_state(module).items()}
    for name in _SCALER:
        tensors[f"scaler.{name}"] = torch.from_numpy(getattr(scaler, name))
    payload: bytes = safetensors.torch.save(tensors)
    return payload


def from_payload(payload: bytes) -> tuple[dict[str, Tensor], FeatureScaler]:
    """Undo :func:`to_payload`."""
    tensors = safetensors.torch.load(payload)
    scaler = FeatureScaler(**{name: tensors[f"scaler.{name}"].numpy() for name in _SCALER})
    return {
        name.removeprefix("module."): value for name, value in tensors.items() if name.startswith("module.")
    }, scaler


def check_shapes(build: Callable[[], nn.Module], state: Mapping[str, Tensor]) -> bool:
    """Compare the shapes the parameters ask for with the payload's, before memory is taken for them.

    Returns
    -------
    bool
        Whether that could be told: not of a builder that reads its own weights. What it asks for shows when it is built.

    Raises
    ------
    IntegrityError
        When they differ.
    """
    try:
        with torch.device("meta"), WithoutDraws():
            wanted = {name: tuple(value.shape) for name, value in build().state_dict().items()}
    except RuntimeError:
        return False
    found = {name: tuple(value.shape) for name, value in state.items()}
    if wanted != found:
        name = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))[0]
        raise IntegrityError(
            f"the manifest asks for {name} of shape {wanted.get(name)}, the payload has {found.get(name)}: the"
            " bundle does not belong together; save the model again",
            code="bundle.payload",
        )
    return True


def built(build: Callable[[], nn.Module], state: Mapping[str, Tensor]) -> nn.Module:
    """Build a module, on the default device, and give it the state.

    Raises
    ------
    IntegrityError
        When the module asks for other shapes.
    """
    with WithoutDraws() if check_shapes(build, state) else nullcontext():
        module = build()
    module.load_state_dict(state)
    return module
