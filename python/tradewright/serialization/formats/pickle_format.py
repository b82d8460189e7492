"""Pickle, for what no safe format can hold; loading runs code from the file, so it needs ``trusted=True``."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright.base import BaseModel
from tradewright.bundle import Bundle, write_bundle
from tradewright.errors import FormatMismatchError, ModelLoadError, UnsafeFormatError, UnsupportedError

__all__ = ["PickleFormat"]

_PAYLOAD = "model.pkl"


class PickleFormat:
    """The whole model as one pickle inside a bundle, whose digests are checked before the pickle is touched."""

    name = "pickle"

    def save(self, model: BaseModel, path: Path, *, sign_with: Any = None) -> None:
        """Write the bundle."""
        metadata = model.metadata.to_dict()
        manifest = {
            "model_class": type(model).__name__,
            "payload_format": "pickle",
            "config": {},
            "metadata": metadata,
        }
        write_bundle(path, manifest, {_PAYLOAD: _pickled(model)}, sign_with=sign_with)

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the payload is a pickle."""
        return manifest.get("payload_format") == "pickle"

    def load(self, bundle: Bundle, path: Path, *, trusted: bool) -> BaseModel:
        """Run the pickle of a verified bundle."""
        if _PAYLOAD not in bundle.payloads:
            raise FormatMismatchError(f"{path} says it holds a pickle, and has none", code="bundle.payload")
        return _unpickle(bundle.payloads[_PAYLOAD], path, trusted=trusted)

    def owns_bare(self, head: bytes) -> bool:
        """Whether the file begins as pickles of protocol 2 and newer do."""
        return len(head) >= 2 and head[0] == 0x80 and 2 <= head[1] <= pickle.HIGHEST_PROTOCOL

    def load_bare(self, path: Path, *, trusted: bool) -> BaseModel:
        """Run a pickle that is not in a bundle: nothing vouches that it is whole."""
        return _unpickle(path.read_bytes() if trusted else b"", path, trusted=trusted)


def _pickled(model: BaseModel) -> bytes:
    try:
        return pickle.dumps(model, protocol=5)
    except Exception as error:  # whatever an object's own pickling raises
        attribute = next((name for name, value in vars(model).items() if not _can_be_pickled(value)), None)
        raise UnsupportedError(
            f"this {type(model).__name__} cannot be pickled, because of its attribute {attribute!r}"
            f" ({type(error).__name__}: {error}): use functions and classes from a module, not lambdas or local ones",
            code="bundle.not_picklable",
            attribute=attribute,
        ) from error


def _can_be_pickled(value: Any) -> bool:
    try:
        pickle.dumps(value, protocol=5)
    except Exception:  # noqa: BLE001  whatever an object's own pickling raises
        return False
    return True


def _unpickle(data: bytes, path: Path, *, trusted: bool) -> BaseModel:
    if not trusted:
        raise UnsafeFormatError(
            f"{path} is a pickle: loading it runs whatever code is in it. If you know who wrote it, pass trusted=True;"
            " better, save the model again with format='auto'",
            code="bundle.pickle",
            path=str(path),
        )
    try:
        model = pickle.loads(data)
    except Exception as error:
        raise ModelLoadError(
            f"{path}: the pickle cannot be run ({type(error).__name__}: {error}): load it with the versions it was"
            " saved with",
            code="bundle.rebuild",
            path=str(path),
        ) from error
    if not isinstance(model, BaseModel):
        raise FormatMismatchError(
            f"{path} is a pickle of a {type(model).__name__}, not of a tradewright model", code="bundle.model_class"
        )
    return model
