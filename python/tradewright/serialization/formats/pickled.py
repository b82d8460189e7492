"""What pickle and joblib share: bytes that run code when they are loaded, so that loading needs ``trusted=True``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradewright.base import BaseModel
from tradewright.base.versions import check_versions
from tradewright.bundle import Bundle, write_bundle
from tradewright.errors import FormatMismatchError, ModelLoadError, UnsafeFormatError, UnsupportedError
from tradewright.serialization.adopt import adopt
from tradewright.serialization.formats.base import Loading, Saving

__all__ = ["load_payload", "require_trust", "run", "save_payload"]


def save_payload(model: BaseModel, path: Path, how: Saving, kind: str, name: str, dump: Callable[[Any], bytes]) -> None:
    """Write a bundle with the whole model as one payload."""
    write_bundle(path, model.outer_manifest(kind), {name: _dumped(model, dump)}, sign_with=how.sign_with)


def _dumped(model: BaseModel, dump: Callable[[Any], bytes]) -> bytes:
    try:
        return dump(model)
    except Exception as error:  # whatever an object's own pickling raises
        attribute = next((name for name, value in vars(model).items() if not _can_be_dumped(value, dump)), None)
        raise UnsupportedError(
            f"this {type(model).__name__} cannot be pickled, because of its attribute {attribute!r}"
            f" ({type(error).__name__}: {error}): use functions and classes from a module, not lambdas or local ones",
            code="bundle.not_picklable",
            attribute=attribute,
        ) from error


def _can_be_dumped(value: Any, dump: Callable[[Any], bytes]) -> bool:
    try:
        dump(value)
    except Exception:  # noqa: BLE001  whatever an object's own pickling raises
        return False
    return True


def load_payload(bundle: Bundle, how: Loading, kind: str, name: str, load: Callable[[bytes], Any]) -> BaseModel:
    """Run the payload of a verified bundle."""
    if name not in bundle.payloads:
        raise FormatMismatchError(f"{how.path} says it holds a {kind}, and has none", code="bundle.payload")
    require_trust(how, kind)
    check_versions(bundle.manifest)
    return run(bundle.payloads[name], how, kind, load)


def require_trust(how: Loading, kind: str) -> None:
    """Refuse to run what nobody vouches for."""
    if not how.trusted:
        raise UnsafeFormatError(
            f"{how.path} is a {kind}: loading it runs whatever code is in it. If you know who wrote it, pass trusted=True;"
            " better, save the model again with format='auto'",
            code="bundle.pickle",
            path=str(how.path),
        )


def run(data: bytes, how: Loading, kind: str, load: Callable[[bytes], Any]) -> BaseModel:
    """Load trusted bytes; a fitted estimator in them becomes a model."""
    require_trust(how, kind)
    try:
        found = load(data)
    except Exception as error:
        raise ModelLoadError(
            f"{how.path}: the {kind} cannot be run ({type(error).__name__}: {error}): load it with the versions it was"
            " saved with",
            code="bundle.rebuild",
            path=str(how.path),
        ) from error
    model = found if isinstance(found, BaseModel) else adopt(found)
    if model is None:
        raise FormatMismatchError(
            f"{how.path} is a {kind} of a {type(found).__name__}, not of a tradewright model, nor of a fitted estimator",
            code="bundle.model_class",
        )
    return model
