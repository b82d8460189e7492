"""Optional libraries: the only place that knows which extra brings which import."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from tradewright.errors import MissingExtraError

__all__ = ["EXTRAS", "extra_of", "is_available", "is_loaded", "require"]

#: Import name → the extra of ``pip install tradewright[...]`` that brings it.
EXTRAS = {
    "torch": "torch",
    "safetensors": "torch",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "catboost": "catboost",
    "mlflow": "mlflow",
    "filelock": "mlflow",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "skl2onnx": "onnx",
    "ray": "ray",
    "matplotlib": "plots",
    "cryptography": "signing",
}


def extra_of(module: str) -> str | None:
    """Return the extra that brings ``module``, or None when it is not an optional library of ours."""
    return EXTRAS.get(module.partition(".")[0])


def is_available(module: str) -> bool:
    """Whether ``module`` can be imported. Imports nothing."""
    root = module.partition(".")[0]
    if root in sys.modules:
        return sys.modules[root] is not None
    return importlib.util.find_spec(root) is not None


def is_loaded(module: str) -> bool:
    """Whether ``module`` has been imported by anyone: then, and only then, can a value be of its types."""
    return sys.modules.get(module) is not None


def require(module: str, purpose: str) -> ModuleType:
    """Import an optional library, or say what to install.

    Parameters
    ----------
    module : str
        The import name, such as ``"torch"``.
    purpose : str
        What needs it, as the subject of the message: ``"TorchModel"``.

    Raises
    ------
    MissingExtraError
        When the library is not installed; also an ImportError.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        root = module.partition(".")[0]
        # A library that is there but misses a part of its own is not our user's missing extra.
        if error.name is None or error.name.partition(".")[0] != root:
            raise
        raise missing(module, purpose) from None


def missing(module: str, purpose: str) -> MissingExtraError:
    """Build the error for an optional library that is not installed."""
    root = module.partition(".")[0]
    extra = EXTRAS.get(root)
    install = f"pip install 'tradewright[{extra}]'" if extra else f"pip install {root}"
    return MissingExtraError(
        f"{purpose} needs {root}, which is not installed: {install}", code="extra.missing", module=root, extra=extra
    )
