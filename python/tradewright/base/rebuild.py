"""From a verified bundle back to the model it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from tradewright.base.metadata import ModelMetadata
from tradewright.base.versions import check_versions
from tradewright.bundle import Bundle
from tradewright.errors import FormatMismatchError, ModelLoadError, TradewrightError

if TYPE_CHECKING:
    from tradewright.base.model import BaseModel

__all__ = ["rebuild"]

M = TypeVar("M", bound="BaseModel")


def rebuild(model_class: type[M], bundle: Bundle) -> M:
    """Rebuild the model of a bundle; see :meth:`BaseModel.from_bundle`."""
    name = bundle.manifest.get("model_class")
    if name != model_class.__name__:
        raise FormatMismatchError(
            f"the bundle holds a {name}, not a {model_class.__name__}: use tradewright.load_model, which finds the class",
            code="bundle.model_class",
            got=name,
            expected=model_class.__name__,
        )
    metadata = bundle.manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        raise ModelLoadError(
            f"the manifest's metadata is {metadata!r:.40}, not a table of facts: save the model again",
            code="bundle.metadata",
        )
    check_versions(bundle.manifest)
    try:
        config, payload_format = bundle.manifest["config"], bundle.manifest["payload_format"]
        model = model_class._from_bundle(config, payload_format, bundle.payloads)
        if not bundle.manifest.get(
            "bare"
        ):  # a file of another origin says no such things; the model knows what it says
            model._metadata = ModelMetadata.from_dict(metadata)
    except TradewrightError:
        raise
    except Exception as error:  # whatever a library's parser raises
        raise ModelLoadError(
            f"the bundle is whole, but its {name} cannot be rebuilt ({type(error).__name__}: {error}): load it with"
            f" the versions it was saved with: {metadata.get('library_versions')}",
            code="bundle.rebuild",
        ) from error
    return model
