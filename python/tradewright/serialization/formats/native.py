"""The library's own safe format inside a bundle: skops, safetensors, and what the boosting libraries write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright import models
from tradewright.base import BaseModel
from tradewright.bundle import Bundle
from tradewright.errors import FormatMismatchError
from tradewright.serialization.formats.bare import is_bare, read_bare
from tradewright.serialization.formats.base import Loading, Saving
from tradewright.serialization.isolation import parse_elsewhere

__all__ = ["Native", "parse_payload"]

#: The classes a bundle may ask for; the name is all that is taken from the file.
_CLASSES = ("BoostingModel", "OnnxModel", "SklearnModel", "TorchModel")
_PAYLOAD_FORMATS = ("catboost_cbm", "lightgbm_text", "safetensors", "skops", "xgboost_ubj")


class Native:
    """What ``format="auto"`` means: no code is run at loading, and predictions are bit-equal."""

    name = "native"

    def save(self, model: BaseModel, path: Path, how: Saving) -> None:
        """Write the bundle."""
        model.save(path, sign_with=how.sign_with)

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the payloads are of a library's own format."""
        return manifest.get("payload_format") in _PAYLOAD_FORMATS

    def load(self, bundle: Bundle, how: Loading) -> BaseModel:
        """Rebuild the model; needs no trust."""
        return parse_payload(bundle, how)

    def owns_bare(self, head: bytes) -> bool:
        """Whether a library wrote the file: LightGBM's text, XGBoost's UBJSON, CatBoost's cbm, skops."""
        return is_bare(head)

    def load_bare(self, how: Loading) -> BaseModel:
        """Make a model of a file that a library wrote; needs trust, or a process of its own."""
        bundle, finish = read_bare(how)
        model = parse_payload(bundle, how)
        finish(model)
        return model


def parse_payload(bundle: Bundle, how: Loading) -> BaseModel:
    """Rebuild the model of verified bytes: the one door through which they reach a library's parser."""
    name = bundle.manifest.get("model_class")
    if name not in _CLASSES:
        raise FormatMismatchError(
            f"{how.path} holds a {name}, which tradewright does not define: load it with {name}.load(path)",
            code="bundle.model_class",
            got=name,
        )
    if how.isolate and not how.trusted:
        parse_elsewhere(bundle, how.path)
    model_class: type[BaseModel] = getattr(models, name)
    return model_class.from_bundle(bundle)
