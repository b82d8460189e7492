"""Files that are replaced whole or not at all, and files that are opened without being surprised."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import IO

from tradewright.errors import FormatMismatchError, ModelNotFoundError, ParameterError

__all__ = ["opened", "write_atomically"]


def write_atomically(path: str | PathLike[str], write: Callable[[IO[bytes], Path], None]) -> None:
    """Call ``write`` with a temporary file in the folder of ``path`` and move it there; flushed before and after.

    On any failure the temporary file is removed and the old file is untouched; a killed process leaves it behind, as
    ``.….tw.tmp``.

    Parameters
    ----------
    path : path-like
        What is replaced; an existing file keeps its permissions.
    write : callable
        Takes the open file and its path; writes, and verifies what it wrote.

    Raises
    ------
    ParameterError
        When ``path`` is a folder, a symbolic link or a device, or its folder does not exist.
    OSError
        When the disk is full or the folder cannot be written to.
    """
    try:
        target = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow a link that is to be refused
        mode = _check_target(target)
    except ParameterError:  # before the next line: ours are ValueErrors too
        raise
    except ValueError as error:  # a zero byte, half a character
        raise ParameterError(f"{str(path)!r} is no path ({error})", code="bundle.target") from error
    # The target's own name in it could make it too long for the file system.
    temporary = target.with_name(f".{secrets.token_hex(8)}.tw.tmp")
    try:
        # The system call applies the umask; tempfile would make the file private for good.
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:  # of a file the caller never named
        raise OSError(
            error.errno, f"cannot save: nothing can be written in this folder ({error.strerror})", str(target)
        ) from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
            write(file, temporary)
        os.replace(temporary, target)  # noqa: PTH105  as the documentation of atomicity calls it
        _sync_folder(target.parent)
    finally:
        # After the move there is nothing left to remove.
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a plain file for reading; a link to one is followed.

    Raises
    ------
    ModelNotFoundError, FormatMismatchError
        When nothing is there; when it is a folder, a pipe or a device, none of which is waited for.
    """
    path = Path(path)
    try:
        # A pipe without a writer would make open wait, and one can be put there after a look at the path.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFoundError(
            f"there is no file {path}: check the path (the working directory is {Path.cwd()})",
            code="bundle.not_found",
            path=str(path),
        ) from None
    except ValueError as error:  # a zero byte
        raise ModelNotFoundError(f"{str(path)!r} is no path ({error})", code="bundle.not_found") from error
    except OSError as error:
        # Sockets cannot be opened, nor folders on some systems.
        if not path.is_file() and path.exists():
            raise _not_a_file(path, path.stat().st_mode) from error
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _not_a_file(path, mode)
        file = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with file:
        yield file


def _not_a_file(path: Path, mode: int) -> FormatMismatchError:
    kind = "a folder" if stat.S_ISDIR(mode) else "not a plain file"
    return FormatMismatchError(
        f"{path} is {kind}: name a file that was written by save", code="bundle.not_a_file", path=str(path)
    )


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


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there; the move is journaled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
