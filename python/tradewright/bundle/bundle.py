"""Reading and writing of bundles: what the floors above call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

from tradewright.bundle.archive import check_written, read_archive, write_archive
from tradewright.bundle.atomic import opened, write_atomically
from tradewright.bundle.manifest import canonical, complete
from tradewright.bundle.migration import migrated
from tradewright.bundle.signature import check_signature, signature_of

__all__ = ["Bundle", "inspect_bundle", "read_bundle", "write_bundle"]


@dataclass(frozen=True, eq=False)
class Bundle:
    """The verified content of a bundle.

    Parameters
    ----------
    manifest : dict
        What was given to :func:`write_bundle`, as plain JSON values, with the writer's own keys. That of an older file
        is brought to today's shape; its ``format_version`` and ``digest`` are the file's.
    payloads : dict of str to bytes
        The payloads by name.
    signer : str or None
        The public key, in hex digits, whose signature was verified; None without one, or without the library that
        verifies it.
    """

    manifest: dict[str, Any]
    payloads: dict[str, bytes]
    signer: str | None = None


def write_bundle(
    path: str | PathLike[str], manifest: Mapping[str, Any], payloads: Mapping[str, bytes], *, sign_with: Any = None
) -> None:
    """Write a bundle, atomically: a crash at any moment leaves the old file or the new one.

    The bundle is written to a temporary file in the same folder, flushed to the disk, read back and compared, moved
    over ``path``, and the move itself is flushed. The temporary file is removed on any failure; a killed process
    leaves it behind as ``.….tw.tmp``.

    Parameters
    ----------
    path : path-like
        The file to write. An existing regular file is replaced and keeps its permissions.
    manifest : mapping
        Plain JSON values; NaN and infinity are not JSON.
    payloads : mapping of str to bytes
        Names of letters, digits, ``.``, ``_`` and ``-``.
    sign_with : Ed25519PrivateKey or path-like, optional
        A private key of the library cryptography, or the path of its PEM file without password.

    Raises
    ------
    ParameterError
        When the manifest is not JSON, a name is not allowed, ``path`` is a folder, a symbolic link or a device, or the
        key is none.
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
    full = complete(manifest, payloads)
    if sign_with is not None:
        full["signature"] = signature_of(full["digest"], sign_with)
    text = canonical(full)

    def write(file: IO[bytes], temporary: Path) -> None:
        write_archive(file, text, payloads)
        file.flush()
        os.fsync(file.fileno())
        check_written(file, temporary, text, payloads)

    write_atomically(path, write)


def read_bundle(path: str | PathLike[str], *, trusted_keys: Iterable[Any] | None = None) -> Bundle:
    """Read a bundle and verify every digest, and the signature where there is one; nothing is unpacked to the disk.

    Costs one read of the file and one copy of the payloads in memory.

    Parameters
    ----------
    path : path-like
        The file; a symbolic link to one is followed.
    trusted_keys : iterable of Ed25519PublicKey, str or path-like, optional
        The file must be signed by one of these keys: objects of the library cryptography, their 64 hex digits, or the
        paths of PEM files.

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
    SignatureError
        When the signature does not hold, or is not by one of ``trusted_keys``.
    """
    with opened(path) as file:
        manifest, payloads = read_archive(file, Path(path), keep=True)
    signer = check_signature(manifest, trusted_keys, Path(path))
    return Bundle(migrated(manifest), payloads, signer)


def inspect_bundle(path: str | PathLike[str], *, trusted_keys: Iterable[Any] | None = None) -> dict[str, Any]:
    """Return the manifest of a bundle after verifying it and all payloads; holds one block of them at a time.

    Raises
    ------
    ModelLoadError
        As :func:`read_bundle`.
    """
    with opened(path) as file:
        manifest = read_archive(file, Path(path), keep=False)[0]
    check_signature(manifest, trusted_keys, Path(path))
    return migrated(manifest)
