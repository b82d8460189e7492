"""The library's own safe format inside a bundle: skops, safetensors, and what the boosting libraries write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright import models
from tradewright.base import BaseModel
from tradewright.bundle import Bundle
from tradewright.errors import FormatMismatchError

__all__ = ["Native"]

#: The classes a bundle may ask for; the name is all that is taken from the file.
_CLASSES = ("BoostingModel", "SklearnModel", "TorchModel")
_PAYLOAD_FORMATS = ("catboost_cbm", "lightgbm_text", "safetensors", "skops", "xgboost_ubj")


class Native:
    """What ``format="auto"`` means: no code is run at loading, and predictions are bit-equal."""

    name = "native"

    def save(self, model: BaseModel, path: Path, *, sign_with: Any = None) -> None:
        """Write the bundle."""
        model.save(path, sign_with=sign_with)

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the payloads are of a library's own format."""
        return manifest.get("payload_format") in _PAYLOAD_FORMATS

    def load(self, bundle: Bundle, path: Path, *, trusted: bool) -> BaseModel:
        """Rebuild the model; needs no trust."""
        name = bundle.manifest.get("model_class")
        if name not in _CLASSES:
            raise FormatMismatchError(
                f"{path} holds a {name}, which tradewright does not define: load it with {name}.load(path)",
                code="bundle.model_class",
                got=name,
            )
        model_class: type[BaseModel] = getattr(models, name)
        return model_class.from_bundle(bundle)

    def owns_bare(self, head: bytes) -> bool:
        """Return False: native payloads come in bundles."""
        return False

    def load_bare(self, path: Path, *, trusted: bool) -> BaseModel:
        """Refuse: native payloads come in bundles."""
        raise FormatMismatchError(f"{path} is not a bundle", code="bundle.not_a_bundle", path=str(path))
