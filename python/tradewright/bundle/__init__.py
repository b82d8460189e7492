"""One file that holds a model: a zip of ``manifest.json`` and payloads, each with its SHA-256.

This package moves bytes and knows no model. A bundle is stored, not compressed, and carries no clock: the same content
gives the same bytes. Digests find damage, they don't prove where a file comes from: whoever can write the file can
write its digests too. A signature proves that the holder of a key wrote it.

On disk, in this order: ``manifest.json`` (canonical JSON: sorted keys, no spaces), then the payloads by name. The
manifest names its format, the version that wrote it and the oldest reader that understands it, lists size and SHA-256
of each payload, and ends in a digest of itself.
"""

from __future__ import annotations

from tradewright.bundle.bundle import Bundle, inspect_bundle, read_bundle, write_bundle
from tradewright.bundle.manifest import manifest_schema

__all__ = ["Bundle", "inspect_bundle", "manifest_schema", "read_bundle", "write_bundle"]
