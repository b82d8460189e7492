"""One file that holds a model: a zip of ``manifest.json`` and payloads, each with its SHA-256.

This module moves bytes and knows no model. A bundle is stored, not compressed, and carries no clock: the same content
gives the same bytes. Digests find damage, they don't prove where a file comes from: whoever can write the file can
write its digests too.

On disk, in this order: ``manifest.json`` (canonical JSON: sorted keys, no spaces), then the payloads by name. The
manifest names its format, the version that wrote it and the oldest reader that understands it, lists size and SHA-256
of each payload, and ends in a digest of itself.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

from tradewright.errors import (
    FormatMismatchError,
    IntegrityError,
    ModelLoadError,
    ModelNotFoundError,
    ParameterError,
    UnsafeArchiveError,
    VersionMismatchError,
)

__all__ = ["Bundle", "inspect_bundle", "read_bundle", "write_bundle"]

FORMAT = "tradewright-bundle"
#: The version of the layout this module writes, and the newest it reads.
VERSION = 1

MAX_MEMBERS = 64
MAX_MANIFEST_BYTES = 16 << 20
#: The central directory of 64 members with names of at most 128 characters is far smaller.
MAX_DIRECTORY_BYTES = 1 << 16

_MANIFEST = "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
#: Keys of the manifest that the writer fills in.
_RESERVED = ("format", "format_version", "reader_version", "payloads", "digest")
_CHUNK = 1 << 20
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


@dataclass(frozen=True, eq=False)
class Bundle:
    """The verified content of a bundle.

    Parameters
    ----------
    manifest : dict
        What was given to :func:`write_bundle`, as plain JSON values, with the writer's own keys.
    payloads : dict of str to bytes
        The payloads by name.
    """

    manifest: dict[str, Any]
    payloads: dict[str, bytes]


def write_bundle(path: str | PathLike[str], manifest: Mapping[str, Any], payloads: Mapping[str, bytes]) -> None:
    """Write a bundle, atomically: a crash at any moment leaves the old file or the new one.

    The bundle is written to a temporary file in the same folder, flushed to the disk, read back and verified, moved
    over ``path``, and the move itself is flushed. The temporary file is removed on any failure; a killed process
    leaves it behind as ``.NAME.….tmp``.

    Parameters
    ----------
    path : path-like
        The file to write. An existing regular file is replaced and keeps its permissions.
    manifest : mapping
        Plain JSON values; NaN and infinity are not JSON.
    payloads : mapping of str to bytes
        Names of letters, digits, ``.``, ``_`` and ``-``.

    Raises
    ------
    ParameterError
        When the manifest is not JSON, a name is not allowed, or ``path`` is a folder, a symbolic link or a device.
    OSError
        When the disk is full or the folder cannot be written to; the old file is then untouched.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.tw"
    >>> write_bundle(path, {"answer": 42}, {"weights.bin": b"abc"})
    >>> bundle = read_bundle(path)
    >>> bundle.manifest["answer"], bundle.payloads
    (42, {'weights.bin': b'abc'})
    """
    full = _complete(manifest, payloads)
    target = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow a link that is to be refused
    mode = _check_target(target)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    # The system call applies the umask; tempfile would make the file private for good.
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
            _write_zip(file, full, payloads)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            _read(file, temporary, keep=False)
        os.replace(temporary, target)  # noqa: PTH105  as the documentation of atomicity calls it
        _sync_folder(target.parent)
    finally:
        # After the move there is nothing left to remove.
        temporary.unlink(missing_ok=True)


def read_bundle(path: str | PathLike[str]) -> Bundle:
    """Read a bundle and verify every digest; nothing is unpacked to the disk.

    Costs one read of the file and one copy of the payloads in memory.

    Raises
    ------
    ModelNotFoundError
        When there is no file at ``path``; also a FileNotFoundError.
    FormatMismatchError
        When the file is not a bundle.
    VersionMismatchError
        When a newer tradewright wrote it in a layout this one cannot read.
    UnsafeArchiveError
        When the archive has what no bundle has: links, folders, compressed, unlisted or duplicate members, too many.
    IntegrityError
        When a digest, a size or the archive itself does not hold.
    """
    with _opened(path) as file:
        manifest, payloads = _read(file, Path(path), keep=True)
    return Bundle(manifest, payloads)


def inspect_bundle(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the manifest of a bundle after verifying it and all payloads; holds one block of them at a time.

    Raises
    ------
    ModelLoadError
        As :func:`read_bundle`.
    """
    with _opened(path) as file:
        return _read(file, Path(path), keep=False)[0]


# --- writing ------------------------------------------------------------------------------------------------------


def _canonical(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _complete(manifest: Mapping[str, Any], payloads: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the manifest with format, payload list and digest."""
    taken = [key for key in _RESERVED if key in manifest]
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
        if not _NAME.fullmatch(name) or name == _MANIFEST:
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
        digest = hashlib.sha256(_canonical(full)).hexdigest()
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(
            f"the manifest is not plain JSON ({error}): use str, int, finite float, bool, None, list and dict",
            code="bundle.not_json",
        ) from error
    full["digest"] = digest
    if len(_canonical(full)) > MAX_MANIFEST_BYTES:
        raise ParameterError(
            f"the manifest is larger than {MAX_MANIFEST_BYTES >> 20} MiB: put large values into a payload",
            code="bundle.manifest_size",
        )
    return full


def _check_target(target: Path) -> int | None:
    """Return the permissions of the file to be replaced, None when there is none; refuse what is no plain file."""
    if not target.parent.is_dir():
        raise ParameterError(
            f"cannot save to {target}: the folder {target.parent} does not exist; make it first",
            code="bundle.no_folder",
            path=str(target),
        )
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return stat.S_IMODE(mode)
    kind = "a folder" if stat.S_ISDIR(mode) else "a symbolic link" if stat.S_ISLNK(mode) else "not a plain file"
    raise ParameterError(
        f"cannot save to {target}: it is {kind}; name a file" + (", or the one it points to" if "link" in kind else ""),
        code="bundle.target",
        path=str(target),
    )


def _write_zip(file: IO[bytes], manifest: Mapping[str, Any], payloads: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_member(_MANIFEST), _canonical(manifest))
        for name in sorted(payloads):
            archive.writestr(_member(name), payloads[name])


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # the same bytes on every system
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there; the move is journaled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- reading ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a plain file"
            raise FormatMismatchError(
                f"{path} is {kind}: name a file that was written by save", code="bundle.not_a_file", path=str(path)
            )
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFoundError(
            f"there is no file {path}: check the path (the working directory is {Path.cwd()})",
            code="bundle.not_found",
            path=str(path),
        ) from None
    with file:
        yield file


def _read(file: IO[bytes], path: Path, *, keep: bool) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Verify an open bundle; return its manifest and, with ``keep``, its payloads."""
    size = _check_frame(file, path)
    try:
        with zipfile.ZipFile(file) as archive:
            members = _check_members(archive, size, path)
            manifest = _parse_manifest(archive.read(members[_MANIFEST]), path)
            listed = _check_listed(manifest, members, path)
            payloads = {}
            for name, (length, digest) in listed.items():
                blocks = _verified(archive, members[name], length, digest, path)
                if keep:
                    payloads[name] = b"".join(blocks)
                else:
                    for _ in blocks:
                        pass
    except ModelLoadError:  # before the next line: ours are ValueErrors too
        raise
    except _ZIP_DAMAGE as error:
        # A damaged offset makes the zip reader seek to before the file; other system errors are the disk's.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise _damaged(path, f"the archive cannot be read ({error})") from error
    return manifest, payloads


def _check_frame(file: IO[bytes], path: Path) -> int:
    """Check both ends of the file before the zip reader sees it, so that it never holds a huge directory."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise _damaged(path, "it is empty")
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        raise FormatMismatchError(
            f"{path} is not a tradewright bundle: save the model with tradewright.save_model",
            code="bundle.not_a_bundle",
            path=str(path),
        )
    start = max(size - 98, 0)
    file.seek(start)
    tail = file.read(98)
    end = tail[-22:]
    # The last record of a zip ends in the length of a comment; a bundle has none.
    if len(end) < 22 or end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0":
        raise _damaged(path, "its end is missing or followed by other bytes")
    members, length = struct.unpack("<HI", end[10:16])
    if tail[-42:-38] == b"PK\x06\x07":  # archives above 4 GiB have a second, wider record in front of it
        wide = tail[-98:-42]
        if len(wide) < 56 or wide[:4] != b"PK\x06\x06":
            raise _damaged(path, "its 64-bit end record is damaged")
        members, length = struct.unpack("<QQ", wide[32:48])
    if members > MAX_MEMBERS or length > MAX_DIRECTORY_BYTES:
        raise _unsafe(path, f"{members} members in a directory of {length} bytes are more than a bundle may have")
    file.seek(0)
    return size


def _check_members(archive: zipfile.ZipFile, size: int, path: Path) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    members = {info.filename: info for info in infos}
    if len(members) != len(infos):
        raise _unsafe(path, "it holds two members of one name")
    if _MANIFEST not in members:
        raise FormatMismatchError(
            f"{path} is a zip archive but not a tradewright bundle: it has no {_MANIFEST}",
            code="bundle.not_a_bundle",
            path=str(path),
        )
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not _NAME.fullmatch(info.filename):
            raise _unsafe(path, f"a member is called {info.filename!r}")
        if kind not in (0, stat.S_IFREG):
            raise _unsafe(path, f"the member {info.filename!r} is a link or a device")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise _unsafe(path, f"the member {info.filename!r} is compressed, which no bundle is")
    # Stored members that don't overlap are no larger than the file: this is the cap on sizes.
    if sum(info.file_size for info in infos) > size:
        raise _unsafe(path, "its members claim more bytes than the file has")
    if members[_MANIFEST].file_size > MAX_MANIFEST_BYTES:
        raise _unsafe(path, f"its manifest is larger than {MAX_MANIFEST_BYTES >> 20} MiB")
    return members


def _parse_manifest(data: bytes, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its manifest is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatMismatchError(
            f"{path} is not a tradewright bundle: its manifest does not say so",
            code="bundle.not_a_bundle",
            path=str(path),
        )
    needed = manifest.get("reader_version")
    if not isinstance(needed, int) or needed > VERSION:
        raise VersionMismatchError(
            f"{path} needs a reader of version {needed}, this tradewright has {VERSION}: upgrade tradewright",
            code="bundle.version",
            path=str(path),
            needed=needed,
            have=VERSION,
        )
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    try:
        same = data == _canonical(manifest) and manifest["digest"] == hashlib.sha256(_canonical(rest)).hexdigest()
    except (KeyError, ValueError):
        same = False
    if not same:
        raise _damaged(path, "its manifest does not match its own digest")
    return manifest


def _check_listed(
    manifest: Mapping[str, Any], members: Mapping[str, zipfile.ZipInfo], path: Path
) -> dict[str, tuple[int, str]]:
    """Return size and digest of each listed payload; members and list must be the same set."""
    try:
        listed = {str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in manifest["payloads"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, "its manifest has no proper list of payloads") from error
    extra = sorted(members.keys() - listed.keys() - {_MANIFEST})
    if extra:
        raise _unsafe(path, f"the members {', '.join(extra)} are not in its manifest")
    missing = sorted(listed.keys() - members.keys())
    if missing:
        raise _damaged(path, f"the payloads {', '.join(missing)} are missing")
    return listed


def _verified(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int, digest: str, path: Path) -> Iterator[bytes]:
    """Yield a payload in blocks; raises at its end when size or digest differ."""
    hashed = hashlib.sha256()
    seen = 0
    with archive.open(info) as member:
        while block := member.read(_CHUNK):
            hashed.update(block)
            seen += len(block)
            yield block
    if seen != size or hashed.hexdigest() != digest:
        raise _damaged(path, f"the payload {info.filename} does not match its digest")


def _damaged(path: Path, what: str) -> IntegrityError:
    return IntegrityError(
        f"{path} is damaged: {what}. Copy it again from where it was saved", code="bundle.damaged", path=str(path)
    )


def _unsafe(path: Path, what: str) -> UnsafeArchiveError:
    return UnsafeArchiveError(
        f"{path} was not written by tradewright: {what}. Don't load it", code="bundle.unsafe", path=str(path)
    )
