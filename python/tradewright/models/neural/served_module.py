"""A TorchModel around a module that comes without the code it was built by: from TorchScript or torch.export."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tradewright.errors import UnsupportedError
from tradewright.loss_functions import BaseLoss
from tradewright.models import parameters
from tradewright.models.neural.feature_scaler import FeatureScaler
from tradewright.models.neural.label_code import LabelCode
from tradewright.models.neural.plain_defaults import plain_defaults
from tradewright.models.neural.weights_payload import from_payload, to_payload
from tradewright.models.torch_model import TorchModel
from tradewright.runtime.device import resolve_device

__all__ = ["FrozenModule", "example_of", "host_copy", "rebuild_served", "served_config", "served_payload"]


class FrozenModule(nn.Module):
    """A module that only computes: what torch.export made has no training mode."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        out: Tensor = self.inner(x)
        return out

    def train(self, mode: bool = True) -> FrozenModule:
        """Refuse to train; evaluation is all it does.

        Raises
        ------
        UnsupportedError
            For ``mode=True``.
        """
        if mode:
            raise UnsupportedError(
                "a module from torch.export only predicts: fit the model it was saved from", code="torch.export_fit"
            )
        return self


def host_copy(model: TorchModel) -> nn.Module:
    """Return a copy of the trained module, on the host, set to predict."""
    return copy.deepcopy(model.module_).to("cpu").eval()


def example_of(model: TorchModel) -> Tensor:
    """Return rows of the shape the module reads."""
    shape = (3, model.scaler_.n_outputs) if model.window is None else (3, int(model.window), model.scaler_.n_outputs)
    return torch.zeros(shape)


def served_config(model: TorchModel) -> dict[str, Any]:
    """Return the parameters and labels of a model, without those that build its module."""
    params = model.get_params(deep=False)
    params["loss"] = model.loss.to_dict() if isinstance(model.loss, BaseLoss) else model.loss
    params["module"], params["module_params"] = "", None
    labels = model._labels
    return {
        "params": parameters.encode(params),
        "shift": labels.shift,
        "scale": labels.scale,
        "classes": None if labels.classes is None else list(labels.classes),
    }


def served_payload(scaler: FeatureScaler) -> bytes:
    """Return the scaling of the features as safetensors."""
    return to_payload(nn.Identity(), scaler)


@plain_defaults()
def rebuild_served(config: Mapping[str, Any], scaling: bytes, module: nn.Module, *, movable: bool) -> TorchModel:
    """Return the model around a module that was loaded; ``movable`` says whether it may leave the host."""
    params = parameters.decode(config["params"])
    if isinstance(params["loss"], Mapping):
        params["loss"] = BaseLoss.from_dict(params["loss"])
    model = TorchModel(**{**params, "module": module})
    _, model.scaler_ = from_payload(scaling)
    classes = None if config["classes"] is None else tuple(config["classes"])
    model._labels = LabelCode(classes, float(config["shift"]), float(config["scale"]))
    model._device = resolve_device(model.device) if movable else "cpu"
    model.module_ = module.to(model._device) if movable else module
    return model
