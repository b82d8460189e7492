"""Models of every library behind one contract; what needs a heavy library is imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tradewright import _optional
from tradewright.models.registry import ModelRegistry
from tradewright.models.wrapping import as_model

if TYPE_CHECKING:
    from tradewright.models.boosting_model import BoostingModel as BoostingModel
    from tradewright.models.neural.registry import ModuleRegistry as ModuleRegistry
    from tradewright.models.onnx_model import OnnxModel as OnnxModel
    from tradewright.models.sklearn_model import SklearnModel as SklearnModel
    from tradewright.models.torch_model import TorchModel as TorchModel

__all__ = ["BoostingModel", "ModelRegistry", "ModuleRegistry", "OnnxModel", "SklearnModel", "TorchModel", "as_model"]

#: Public name → the module that defines it, and the optional libraries without which that cannot be imported.
_LAZY: dict[str, tuple[str, tuple[str, ...]]] = {
    "BoostingModel": ("boosting_model", ()),
    "ModuleRegistry": ("neural.registry", ()),
    "OnnxModel": ("onnx_model", ("onnxruntime",)),
    "SklearnModel": ("sklearn_model", ()),
    "TorchModel": ("torch_model", ("torch", "safetensors")),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tradewright.models' has no attribute {name!r}")
    module, libraries = _LAZY[name]
    for library in libraries:
        _optional.require(library, name)
    value = getattr(importlib.import_module(f"tradewright.models.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
