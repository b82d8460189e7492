"""What a bundle looks like on the disk: names, versions and caps."""

from __future__ import annotations

import re

__all__ = [
    "FORMAT",
    "MANIFEST",
    "MAX_DIRECTORY_BYTES",
    "MAX_MANIFEST_BYTES",
    "MAX_MEMBERS",
    "NAME",
    "OLDEST",
    "RESERVED",
    "VERSION",
]

FORMAT = "tradewright-bundle"
#: The version of the layout that is written, and the newest that is read.
VERSION = 2
#: The oldest that is read; what is between is brought up to date by :mod:`tradewright.bundle.migration`.
OLDEST = 1

MANIFEST = "manifest.json"
#: What a payload may be called.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
#: Keys of the manifest that the writer fills in.
RESERVED = ("format", "format_version", "reader_version", "payloads", "digest", "signature")

MAX_MEMBERS = 64
MAX_MANIFEST_BYTES = 16 << 20
#: The central directory of 64 members with names of at most 128 characters is far smaller.
MAX_DIRECTORY_BYTES = 1 << 16
