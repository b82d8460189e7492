"""Plain files that are replaced whole or not at all."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import IO

from tradewright.bundle.atomic import write_atomically

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

    def write(file: IO[bytes], _: Path) -> None:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

    write_atomically(path, write)
