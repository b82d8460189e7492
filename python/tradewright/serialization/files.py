"""Plain files that are replaced whole or not at all."""

from __future__ import annotations

import os
import secrets
from os import PathLike
from pathlib import Path

from tradewright.bundle import _check_target, _sync_folder

__all__ = ["write_file"]


def write_file(path: str | PathLike[str], data: bytes) -> None:
    """Write a file atomically: a crash at any moment leaves the old file or the new one.

    Raises
    ------
    ParameterError
        When ``path`` is a folder, a symbolic link or a device, or its folder does not exist.
    OSError
        When the disk is full or the folder cannot be written to; the old file is then untouched.
    """
    target = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow a link that is to be refused
    mode = _check_target(target)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tw.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)  # noqa: PTH105  as the documentation of atomicity calls it
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
