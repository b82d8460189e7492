"""A folder that cannot be written to, whoever runs the tests: root may write everywhere, so it becomes nobody."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

NOBODY = 65534


@contextlib.contextmanager
def read_only_folder(prepare: Callable[[Path], object] = lambda folder: None) -> Iterator[Path]:
    """Yield a folder without write permission, after ``prepare`` has put files into it."""
    # Not pytest's own folder: only its owner may pass through that.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        prepare(folder)
        folder.chmod(0o555)
        try:
            with _no_root():
                yield folder
        finally:
            folder.chmod(0o755)


@contextlib.contextmanager
def _no_root() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    # The real user too: os.access asks for that one. The saved one is the way back.
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
