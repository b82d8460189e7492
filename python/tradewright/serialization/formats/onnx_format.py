"""ONNX: what ONNX Runtime serves; comes back as a model that only predicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright import _optional
from tradewright.base import BaseModel
from tradewright.bundle import Bundle
from tradewright.serialization.formats.bare import require_trust_of_bare
from tradewright.serialization.formats.base import Loading, Saving
from tradewright.serialization.formats.native import parse_payload

__all__ = ["OnnxFormat"]


class OnnxFormat:
    """The ONNX file inside a bundle, its parity in the manifest; loading runs no code, and gives an ``OnnxModel``."""

    name = "onnx"

    def save(self, model: BaseModel, path: Path, how: Saving) -> None:
        """Export, compare, and write the bundle."""
        for library in ("onnx", "onnxruntime"):
            _optional.require(library, "format='onnx'")
        from tradewright.serialization.onnx_export import to_onnx

        to_onnx(model, how.X, allow_mismatch=how.allow_mismatch).save(path, sign_with=how.sign_with)

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the payload is an ONNX file."""
        return manifest.get("payload_format") == self.name

    def load(self, bundle: Bundle, how: Loading) -> BaseModel:
        """Open the file of a verified bundle; needs no trust."""
        return parse_payload(bundle, how)

    def owns_bare(self, head: bytes) -> bool:
        """Whether the file begins with an ONNX version and a field that may follow it."""
        return (
            len(head) > 3 and head[0] == 0x08 and 3 <= head[1] < 64 and head[2] in (0x12, 0x1A, 0x22, 0x2A, 0x3A, 0x42)
        )

    def load_bare(self, how: Loading) -> BaseModel:
        """Open a file that is not a bundle; needs trust, or a process of its own."""
        require_trust_of_bare(how, "an ONNX file")
        data = how.path.read_bytes()
        _optional.require("onnxruntime", "OnnxModel")
        manifest = {"model_class": "OnnxModel", "payload_format": "onnx", "config": {}, "metadata": {}, "bare": True}
        return parse_payload(Bundle(manifest, {"model.onnx": data}), how)
