"""joblib, whose pickles hold large arrays apart; loading runs code from the file, so it needs ``trusted=True``."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright.base import BaseModel
from tradewright.bundle import Bundle
from tradewright.serialization.formats.base import Loading, Saving
from tradewright.serialization.formats.pickled import load_payload, require_trust, run, save_payload

__all__ = ["JoblibFormat"]

_PAYLOAD = "model.joblib"
#: What compressed files begin with: zlib, gzip, bz2, xz, lzma, lz4.
_COMPRESSED = (b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00", b"\x04\x22\x4d\x18")
#: The class that stands for an array in a pickle of joblib's.
_ARRAY = b"joblib.numpy_pickle"


class JoblibFormat:
    """The whole model as joblib dumps it, inside a bundle, whose digests are checked before it is touched."""

    name = "joblib"

    def save(self, model: BaseModel, path: Path, how: Saving) -> None:
        """Write the bundle."""
        save_payload(model, path, how, self.name, _PAYLOAD, _dump)

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the payload is joblib's."""
        return manifest.get("payload_format") == self.name

    def load(self, bundle: Bundle, how: Loading) -> BaseModel:
        """Run the payload of a verified bundle."""
        return load_payload(bundle, how, self.name, _PAYLOAD, _load)

    def owns_bare(self, head: bytes) -> bool:
        """Whether the file begins as what joblib compresses, or as a pickle that names its arrays."""
        return head.startswith(_COMPRESSED) or (head[:1] == b"\x80" and _ARRAY in head)

    def load_bare(self, how: Loading) -> BaseModel:
        """Run a file that is not a bundle: nothing vouches that it is whole."""
        require_trust(how, self.name)
        return run(how.path.read_bytes(), how, self.name, _load)


def _dump(value: Any) -> bytes:
    import joblib

    file = io.BytesIO()
    joblib.dump(value, file)
    return file.getvalue()


def _load(data: bytes) -> Any:
    import joblib

    return joblib.load(io.BytesIO(data))
