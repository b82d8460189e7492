"""The manifest: canonical JSON that lists every payload with its SHA-256 and ends in a digest of itself.

The schema of a model's manifest is ``manifest.schema.json`` in this package; :func:`manifest_schema` returns it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright.bundle.layout import (
    FORMAT,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    MAX_MEMBERS,
    NAME,
    OLDEST,
    RESERVED,
    VERSION,
)
from tradewright.bundle.refusals import damaged, not_a_bundle, unsafe
from tradewright.errors import ParameterError, VersionMismatchError

__all__ = ["canonical", "complete", "digest_of", "listed_payloads", "manifest_schema", "parse"]


def canonical(values: Mapping[str, Any]) -> bytes:
    """Return the one text that stands for these values: sorted keys, no spaces, ASCII."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest_of(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all but the digest itself and a signature of it."""
    rest = {key: value for key, value in manifest.items() if key not in ("digest", "signature")}
    return hashlib.sha256(canonical(rest)).hexdigest()


def complete(manifest: Mapping[str, Any], payloads: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the manifest with format, list of payloads and digest.

    Raises
    ------
    ParameterError
        For keys and names that are not allowed, and for what is not JSON or too large.
    """
    taken = [key for key in RESERVED if key in manifest]
    if taken:
        raise ParameterError(
            f"the manifest keys {', '.join(taken)} are filled in by the writer: leave them out",
            code="bundle.reserved",
            keys=taken,
        )
    if len(payloads) >= MAX_MEMBERS:
        raise ParameterError(
            f"{len(payloads)} payloads: a bundle holds at most {MAX_MEMBERS - 1}", code="bundle.members"
        )
    for name in payloads:
        if not NAME.fullmatch(name) or name == MANIFEST:
            raise ParameterError(
                f"a payload cannot be called {name!r}: use letters, digits, '.', '_' and '-'", code="bundle.name"
            )
    full = {
        **manifest,
        "format": FORMAT,
        "format_version": VERSION,
        "reader_version": VERSION,
        "payloads": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in payloads.items()
        },
    }
    try:
        full["digest"] = digest_of(full)
        size = len(canonical(full))
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(
            f"the manifest is not plain JSON ({error}): use str, int, finite float, bool, None, list and dict",
            code="bundle.not_json",
        ) from error
    if size > MAX_MANIFEST_BYTES:
        raise ParameterError(
            f"the manifest is larger than {MAX_MANIFEST_BYTES >> 20} MiB: put large values into a payload",
            code="bundle.manifest_size",
        )
    return full


def parse(data: bytes, path: Path) -> dict[str, Any]:
    """Return a manifest as it stands in the file, after checking format, version and digest.

    Raises
    ------
    FormatMismatchError, VersionMismatchError, IntegrityError
    """
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its manifest is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise not_a_bundle(path, "not a tradewright bundle: its manifest does not say so")
    needed = manifest.get("reader_version")
    if type(needed) is not int or not needed <= VERSION:
        raise VersionMismatchError(
            f"{path} needs a reader of version {needed!r:.40}, this tradewright has {VERSION}: upgrade tradewright",
            code="bundle.version",
            path=str(path),
            needed=needed,
            have=VERSION,
        )
    written = manifest.get("format_version")
    if needed < OLDEST or type(written) is not int or written < needed:
        raise damaged(path, f"it says that it is of version {written!r:.40} for readers of version {needed}")
    try:
        same = data == canonical(manifest) and manifest["digest"] == digest_of(manifest)
    except (KeyError, ValueError, RecursionError):
        same = False
    if not same:
        raise damaged(path, "its manifest does not match its own digest")
    if written == 1 and "signature" in manifest:  # whose digest did cover all keys
        raise unsafe(path, "it is of version 1, in which there were no signatures, and has one")
    return manifest


def listed_payloads(manifest: Mapping[str, Any], path: Path) -> dict[str, tuple[int, str]]:
    """Return size and digest of each payload by name."""
    try:
        return {str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in manifest["payloads"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise damaged(path, "its manifest has no proper list of payloads") from error


def manifest_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the manifest of a saved model.

    Examples
    --------
    >>> manifest_schema()["properties"]["format"]["const"]
    'tradewright-bundle'
    """
    schema: dict[str, Any] = json.loads((Path(__file__).parent / "manifest.schema.json").read_text("utf-8"))
    return schema
