"""Pickle, for what no safe format can hold; loading runs code from the file, so it needs ``trusted=True``."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tradewright.base import BaseModel
from tradewright.bundle import Bundle
from tradewright.serialization.formats.base import Loading, Saving
from tradewright.serialization.formats.pickled import load_payload, require_trust, run, save_payload

__all__ = ["PickleFormat"]

_PAYLOAD = "model.pkl"


class PickleFormat:
    """The whole model as one pickle inside a bundle, whose digests are checked before the pickle is touched."""

    name = "pickle"

    def save(self, model: BaseModel, path: Path, how: Saving) -> None:
        """Write the bundle."""
        save_payload(model, path, how, self.name, _PAYLOAD, partial(pickle.dumps, protocol=5))

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the payload is a pickle."""
        return manifest.get("payload_format") == "pickle"

    def load(self, bundle: Bundle, how: Loading) -> BaseModel:
        """Run the pickle of a verified bundle."""
        return load_payload(bundle, how, self.name, _PAYLOAD, pickle.loads)

    def owns_bare(self, head: bytes) -> bool:
        """Whether the file begins as pickles of protocol 2 and newer do."""
        return len(head) >= 2 and head[0] == 0x80 and 2 <= head[1] <= pickle.HIGHEST_PROTOCOL

    def load_bare(self, how: Loading) -> BaseModel:
        """Run a pickle that is not in a bundle: nothing vouches that it is whole."""
        require_trust(how, self.name)
        return run(how.path.read_bytes(), how, self.name, pickle.loads)
