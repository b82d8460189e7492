"""From a verified bundle back to the model it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from tradewright.base.metadata import ModelMetadata
from tradewright.base.trained_rows import check_trained
from tradewright.base.versions import check_versions
from tradewright.bundle import Bundle
from tradewright.errors import FormatMismatchError, IntegrityError, MissingExtraError, ModelLoadError
from tradewright.panel.evidence import check_evidence

if TYPE_CHECKING:
    from tradewright.base.model import BaseModel

__all__ = ["known_facts", "rebuild"]

M = TypeVar("M", bound="BaseModel")


def known_facts(metadata: Mapping[str, Any]) -> ModelMetadata:
    """Return the metadata of a bundle, after a look at what is read much later.

    Raises
    ------
    IntegrityError
        When what it keeps of data, train rows or predictions is not of the shape it is written in.
    """
    for name, check in {
        "evidence": check_evidence,
        "predictions": check_evidence,
        "trained": check_trained,
    }.items():
        if metadata.get(name) is None:
            continue
        try:
            check(metadata[name])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise IntegrityError(
                f"the manifest's {name} cannot be read ({type(error).__name__}: {error}): the bundle was written by other"
                " means than save",
                code="bundle.evidence",
                name=name,
            ) from error
    return ModelMetadata.from_dict(metadata)


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
        # A file of another origin says no such things; the model knows what it says.
        if not bundle.manifest.get("bare"):
            model._metadata = known_facts(metadata)
    except (ModelLoadError, MissingExtraError):
        raise
    except Exception as error:  # whatever a library's parser raises, or a constructor of ours
        raise ModelLoadError(
            f"the bundle is whole, but its {name} cannot be rebuilt ({type(error).__name__}: {error}): load it with"
            f" the versions it was saved with: {metadata.get('library_versions')}",
            code="bundle.rebuild",
        ) from error
    return model
