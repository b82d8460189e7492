"""What a format is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tradewright.base import BaseModel
from tradewright.bundle import Bundle

__all__ = ["Format", "Loading", "Saving"]


@dataclass(frozen=True, slots=True)
class Saving:
    """How a model is saved.

    Parameters
    ----------
    X : table, optional
        Real rows, for formats that are compared with the model before they are written.
    allow_mismatch : bool
        Whether such a format is written all the same when they differ.
    sign_with : private key, optional
        What the bundle is signed with.
    """

    X: Any = None
    allow_mismatch: bool = False
    sign_with: Any = None


@dataclass(frozen=True, slots=True)
class Loading:
    """How a file is loaded.

    Parameters
    ----------
    path : Path
        The file, for messages.
    trusted : bool
        Whether code from the file may be run.
    isolate : bool
        Whether a library's own format is tried in a process of its own before this one parses it.
    """

    path: Path
    trusted: bool = False
    isolate: bool = False


class Format(Protocol):
    """One way to turn a model into a file and back; stateless."""

    #: What users call it.
    name: str

    def save(self, model: BaseModel, path: Path, how: Saving) -> None:
        """Write the fitted model to ``path``, atomically."""

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether a bundle with this manifest was written in this format."""

    def load(self, bundle: Bundle, how: Loading) -> BaseModel:
        """Rebuild the model of a verified bundle."""

    def owns_bare(self, head: bytes) -> bool:
        """Whether a file that is not a bundle and begins with these bytes is of this format."""

    def load_bare(self, how: Loading) -> BaseModel:
        """Rebuild the model of a file that is not a bundle."""
