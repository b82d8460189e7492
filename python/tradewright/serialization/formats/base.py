"""What a format is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tradewright.base import BaseModel
from tradewright.bundle import Bundle

__all__ = ["Format"]


class Format(Protocol):
    """One way to turn a model into a file and back; stateless."""

    #: What users call it.
    name: str

    def save(self, model: BaseModel, path: Path, *, sign_with: Any = None) -> None:
        """Write the fitted model to ``path``, atomically, signed with a key where there is one."""

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether a bundle with this manifest was written in this format."""

    def load(self, bundle: Bundle, path: Path, *, trusted: bool) -> BaseModel:
        """Rebuild the model of a verified bundle."""

    def owns_bare(self, head: bytes) -> bool:
        """Whether a file that is not a bundle and begins with these bytes is of this format."""

    def load_bare(self, path: Path, *, trusted: bool) -> BaseModel:
        """Rebuild the model of a file that is not a bundle."""
