"""The zip around manifest and payloads: stored members, nothing extracted, nothing believed.

Python's zip reader finds the members; sizes, kinds and names are checked before a byte of one is read, and members are
read where they stand in the file: their SHA-256 takes the place of the zip's own checksum.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tradewright.bundle.layout import MANIFEST, MAX_DIRECTORY_BYTES, MAX_MANIFEST_BYTES, MAX_MEMBERS, NAME
from tradewright.bundle.manifest import listed_payloads, parse
from tradewright.bundle.refusals import damaged, not_a_bundle, unsafe
from tradewright.errors import ModelLoadError

__all__ = ["check_written", "read_archive", "write_archive"]

_CHUNK = 1 << 20
#: Of what stands in front of a member, without its name.
_HEADER_BYTES = 30
#: A member may say that its name is UTF-8; not that it is encrypted, or that its size follows later.
_FLAGS = 0x800
#: What Python's zip reader raises on damaged archives, beside BadZipFile.
_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    KeyError,
    OSError,
)


def write_archive(file: IO[bytes], manifest: bytes, payloads: Mapping[str, bytes]) -> None:
    """Write the members in their order; no clock and no system in the bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_member(MANIFEST), manifest)
        for name in sorted(payloads):
            archive.writestr(_member(name), payloads[name])


def check_written(file: IO[bytes], path: Path, manifest: bytes, payloads: Mapping[str, bytes]) -> None:
    """Read back what :func:`write_archive` was given, byte by byte: the digests are of these very bytes.

    Raises
    ------
    ModelLoadError
        When the file holds anything else.
    """
    contents = {MANIFEST: manifest, **payloads}
    with _archive(file, path) as members:
        if members.keys() != contents.keys():
            raise damaged(path, "it does not hold the members that were written")
        for name, data in contents.items():
            at = 0
            for block in _blocks(file, members[name], path):
                if block != data[at : at + len(block)]:
                    raise damaged(path, f"{name} is not what was written")
                at += len(block)
            if at != len(data):
                raise damaged(path, f"{name} is not what was written")


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # the same bytes on every system
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def read_archive(file: IO[bytes], path: Path, *, keep: bool) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Verify an open bundle; return its manifest as it stands and, with ``keep``, its payloads.

    Raises
    ------
    ModelLoadError
        Of the subclass that says what is wrong.
    """
    with _archive(file, path) as members:
        manifest = parse(b"".join(_blocks(file, members[MANIFEST], path)), path)
        listed = listed_payloads(manifest, path)
        _check_same_names(listed, members, path)
        payloads = {}
        for name, (length, digest) in listed.items():
            data = _verified(file, members[name], length, digest, path, keep=keep)
            if keep:
                payloads[name] = data
    return manifest, payloads


@contextmanager
def _archive(file: IO[bytes], path: Path) -> Iterator[dict[str, zipfile.ZipInfo]]:
    """Give the checked members of an archive; what the zip reader raises becomes an error of ours."""
    try:
        size = _check_frame(file, path)
        with zipfile.ZipFile(file) as archive:
            yield _check_members(archive, size, path)
    except ModelLoadError:  # before the next line: ours are ValueErrors too
        raise
    except _ZIP_DAMAGE as error:
        # A damaged offset makes the zip reader seek to before the file; other system errors are the disk's.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise damaged(path, f"the archive cannot be read ({error})") from error


def _check_frame(file: IO[bytes], path: Path) -> int:
    """Check both ends of the file before the zip reader sees it, so that it never holds a huge directory."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise damaged(path, "it is empty")
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        raise not_a_bundle(path, "not a tradewright bundle: save the model with tradewright.save_model")
    start = max(size - 98, 0)
    file.seek(start)
    tail = file.read(98)
    end = tail[-22:]
    # The last record of a zip ends in the length of a comment; a bundle has none.
    if len(end) < 22 or end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0":
        raise damaged(path, "its end is missing or followed by other bytes")
    members, length = struct.unpack("<HI", end[10:16])
    if tail[-42:-38] == b"PK\x06\x07":  # archives above 4 GiB have a second, wider record in front of it
        wide = tail[-98:-42]
        if len(wide) < 56 or wide[:4] != b"PK\x06\x06":
            raise damaged(path, "its 64-bit end record is damaged")
        members, length = struct.unpack("<QQ", wide[32:48])
    if members > MAX_MEMBERS or length > MAX_DIRECTORY_BYTES:
        raise unsafe(path, f"{members} members in a directory of {length} bytes are more than a bundle may have")
    file.seek(0)
    return size


def _check_members(archive: zipfile.ZipFile, size: int, path: Path) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    members = {info.filename: info for info in infos}
    if len(members) != len(infos):
        raise unsafe(path, "it holds two members of one name")
    if MANIFEST not in members:
        raise not_a_bundle(path, f"a zip archive but not a tradewright bundle: it has no {MANIFEST}")
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not NAME.fullmatch(info.filename):
            raise unsafe(path, f"a member is called {info.filename!r}")
        if kind not in (0, stat.S_IFREG):
            raise unsafe(path, f"the member {info.filename!r} is a link or a device")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise unsafe(path, f"the member {info.filename!r} is compressed, which no bundle is")
    # Stored members that don't overlap are no larger than the file: this is the cap on sizes.
    if sum(info.file_size for info in infos) > size:
        raise unsafe(path, "its members claim more bytes than the file has")
    if members[MANIFEST].file_size > MAX_MANIFEST_BYTES:
        raise unsafe(path, f"its manifest is larger than {MAX_MANIFEST_BYTES >> 20} MiB")
    _check_no_gaps(infos, archive.start_dir, path)
    return members


def _check_no_gaps(infos: Sequence[zipfile.ZipInfo], end: int, path: Path) -> None:
    """Refuse bytes that belong to no member, in front of the first one or in between: no reader would verify them."""
    at = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        # A member above 4 GiB has its sizes in a field of 20 bytes behind its name.
        if info.header_offset - at not in (0, 20 if at else 0):
            raise unsafe(path, f"there are bytes in front of the member {info.filename!r} that belong to none")
        at = info.header_offset + _HEADER_BYTES + len(info.filename) + info.file_size
    if end - at not in (0, 20):
        raise unsafe(path, "there are bytes behind the last member that belong to none")


def _check_same_names(
    listed: Mapping[str, tuple[int, str]], members: Mapping[str, zipfile.ZipInfo], path: Path
) -> None:
    extra = sorted(members.keys() - listed.keys() - {MANIFEST})
    if extra:
        raise unsafe(path, f"the members {', '.join(extra)} are not in its manifest")
    missing = sorted(listed.keys() - members.keys())
    if missing:
        raise damaged(path, f"the payloads {', '.join(missing)} are missing")


def _verified(file: IO[bytes], info: zipfile.ZipInfo, size: int, digest: str, path: Path, *, keep: bool) -> bytes:
    """Read one payload and compare size and digest; returns it with ``keep``, else holds one block of it at a time."""
    wrong = damaged(path, f"the payload {info.filename} does not match its digest")
    if info.file_size != size:
        raise wrong
    hashed = hashlib.sha256()
    kept = []
    for block in _blocks(file, info, path, size if keep else _CHUNK):
        hashed.update(block)
        if keep:
            kept.append(block)
    if hashed.hexdigest() != digest:
        raise wrong
    return b"".join(kept)  # the block itself where there is one


def _blocks(file: IO[bytes], info: zipfile.ZipInfo, path: Path, length: int = _CHUNK) -> Iterator[bytes]:
    """Read a member where it stands, after a look at the header in front of it."""
    file.seek(info.header_offset)
    header = file.read(_HEADER_BYTES)
    name = info.filename.encode("ascii")  # as checked
    # The directory at the end of the file has the same checksum and name once more.
    same = header[:4] == b"PK\x03\x04" and header[14:18] == struct.pack("<L", info.CRC)
    if not same or file.read(len(name)) != name or info.flag_bits & ~_FLAGS:
        raise damaged(path, f"the header of {info.filename} and the directory differ")
    (extra,) = struct.unpack("<H", header[28:30])
    file.seek(extra, os.SEEK_CUR)
    left = info.file_size
    while left:
        block = file.read(min(length, left))
        if not block:
            raise damaged(path, f"{info.filename} ends early")
        left -= len(block)
        yield block
