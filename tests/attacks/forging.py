"""Bundles as an attacker writes them, who knows how digests are made."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradewright.bundle import read_bundle
from tradewright.bundle.manifest import canonical, digest_of

Members = list[tuple[zipfile.ZipInfo, bytes]]


def member(name: str, mode: int = stat.S_IFREG | 0o644, compress: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = compress
    return info


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return [(info, archive.read(info)) for info in archive.infolist()]


def archive_of(members: Members) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # two members of one name are an attack
        with zipfile.ZipFile(buffer, "w") as archive:
            for info, data in members:
                archive.writestr(info, data)
    return buffer.getvalue()


def forged(
    path: Path,
    *,
    manifest: Callable[[dict[str, Any]], Any] | None = None,
    payloads: Callable[[dict[str, bytes]], Any] | None = None,
) -> bytes:
    """The bundle at ``path`` with manifest and payloads changed in place, and every digest made anew."""
    bundle = read_bundle(path)
    values, contents = bundle.manifest, dict(bundle.payloads)
    if payloads is not None:
        payloads(contents)
    values["payloads"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in contents.items()
    }
    if manifest is not None:
        manifest(values)
    values["digest"] = digest_of(values)
    head = (member("manifest.json"), canonical(values))
    return archive_of([head, *((member(name), contents[name]) for name in sorted(contents))])


def flipped(data: bytes, place: int, mask: int = 0x20) -> bytes:
    changed = bytearray(data)
    changed[place % len(changed)] ^= mask
    return bytes(changed)


def with_sizes(data: bytes, size: int) -> bytes:
    """The archive whose directory claims that its last member is so large."""
    changed = bytearray(data)
    entry = changed.rfind(b"PK\x01\x02")
    changed[entry + 20 : entry + 28] = struct.pack("<II", size, size)
    return bytes(changed)
