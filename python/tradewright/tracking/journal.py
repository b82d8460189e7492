"""The spool: one file of JSON lines for each run, with what it was told and what of it has reached the store."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tradewright import _optional
from tradewright.errors import TrackingError
from tradewright.tracking.operations import (
    Artifact,
    ArtifactFolder,
    LoggedModel,
    Operation,
    RunSpec,
    operation_from_json,
)

__all__ = ["SUFFIX", "Entry", "Journal", "Spool", "lock_of", "read_spool"]

SUFFIX = ".mlflow.jsonl"
FORMAT = 1
#: Larger files are linked instead of copied, where the disk allows.
COPIED_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation of a run: its number, when it was asked for (ms since 1970), and what it is."""

    number: int
    at: int
    operation: Operation


class Journal:
    """The spool of a run that is being written.

    Every operation is a line before it is queued, so that nothing is lost when the process is killed; what has reached
    the store is noted after. A run that is all there leaves no spool. While its process lives, the spool is locked.

    Only its owner may read it: the address of a store may hold a password. Lines are written at once and survive the
    death of the process; :meth:`sync` makes them survive that of the machine.

    Parameters
    ----------
    path : Path
        The file.
    lock : filelock.BaseFileLock
        Held until :meth:`release`.
    """

    def __init__(self, path: Path, lock: Any) -> None:
        self.path = path
        self.files = files_of(path)
        #: Why the spool is not whole; None as long as it is.
        self.problem: OSError | None = None
        self._lock = lock
        self._writing = threading.Lock()
        self._file: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._torn = _is_torn(path)
        #: How many bytes the file has.
        self.size = path.stat().st_size
        self._numbers = itertools.count()

    @classmethod
    def create(cls, folder: Path, spec: RunSpec) -> Journal:
        """Begin the spool of a run in ``folder``, which is made.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{spec.key}{SUFFIX}"
        lock = lock_of(path)
        lock.acquire(timeout=0)
        try:
            journal = cls(path, lock)
            journal._write(
                {
                    "tradewright_spool": FORMAT,
                    "run": asdict(spec),
                    "process": {"pid": os.getpid(), "host": socket.gethostname()},
                }
            )
            if journal.problem is not None:
                raise journal.problem
        except OSError:
            lock.release()
            path.unlink(missing_ok=True)
            raise
        return journal

    # --- what happened --------------------------------------------------------------------------------------------

    def append(self, entry: Entry) -> None:
        """Write down an operation, before it is done."""
        values = entry.operation.to_json()
        if "path" in values:
            path = Path(values["path"])
            if path.is_relative_to(self.files):
                values["path"] = path.relative_to(self.path.parent).as_posix()
        self._write({"n": entry.number, "at": entry.at, **values})

    def note_run(self, run_id: str) -> None:
        """Write down that the run exists in the store."""
        self._write({"run_id": run_id})

    def note_done(self, first: int, last: int) -> None:
        """Write down that the operations ``first`` to ``last`` are in the store."""
        self._write({"done": [first, last]})

    def note_refused(self, number: int, reason: str) -> None:
        """Write down that the store does not take an operation."""
        self._write({"refused": number, "reason": reason})

    def _write(self, values: dict[str, Any]) -> None:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        with self._writing:
            if self._file is None:
                return
            line = (("\n" if self._torn else "") + text).encode("utf-8", "surrogatepass")
            try:
                written = os.write(self._file, line)
                self.size += written
                self._torn = written != len(line)
                if self._torn:
                    raise OSError(f"{self.path}: the disk took only a part of a line")
            except OSError as error:
                self.problem = error

    # --- files ----------------------------------------------------------------------------------------------------

    def keep(self, operation: Operation) -> Operation:
        """Put the file or folder of an operation beside the spool, as it is now; return the operation on the copy.

        Files of more than 16 MB are linked where the disk allows: those may be replaced and deleted, but not changed in
        place until they have been sent.

        Raises
        ------
        OSError
            It cannot be read, or the disk is full.
        """
        if not isinstance(operation, Artifact | ArtifactFolder | LoggedModel):
            return operation
        source = Path(operation.path)
        target = self.files / str(next(self._numbers)) / (source.name or "files")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, copy_function=_copy)
            else:
                _copy(source, target)
        except OSError:
            shutil.rmtree(target.parent, ignore_errors=True)
            raise
        return replace(operation, path=str(target))

    def drop(self, operation: Operation) -> None:
        """Delete the kept files of an operation that is done."""
        if isinstance(operation, Artifact | ArtifactFolder | LoggedModel):
            path = Path(operation.path)
            if path.is_relative_to(self.files):
                shutil.rmtree(path.parent, ignore_errors=True)

    # --- the end --------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Make what is written survive a crash of the machine."""
        with self._writing:
            if self._file is None:
                return
            file = os.dup(self._file)
        try:
            # Not under the lock: it may take a while, and the training goes on writing.
            os.fsync(file)
        except OSError as error:
            self.problem = error
        finally:
            os.close(file)

    def release(self) -> None:
        """Close the spool and leave it for a replay."""
        self.sync()
        with self._writing:
            if self._file is not None:
                os.close(self._file)
                self._file = None
        self._lock.release()

    def finish(self, path: Path) -> None:
        """Close the spool and rename it: the store has everything, and nothing will be read from it."""
        self.release()
        self.path.rename(path)
        Path(self._lock.lock_file).unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)

    def remove(self) -> None:
        """Delete the spool: the store has everything."""
        with self._writing:
            if self._file is not None:
                os.close(self._file)
                self._file = None
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


@dataclass(slots=True)
class Spool:
    """What a spool file says.

    Parameters
    ----------
    path : Path
        The file.
    spec : RunSpec
        The run.
    process : mapping
        Process number and host of whoever wrote it.
    run_id : str or None
        The run in the store, where it was made.
    count : int
        How many operations there are.
    done : set of int
        Their numbers that the store has.
    refused : dict of int to str
        Those it does not take, and why.
    ended : str or None
        The status the run ended with; None when its process was killed first.
    last_at : int
        When the run was last heard of, in milliseconds since 1970.
    unreadable : int
        How many lines are no JSON: the last one is, when the process was killed while it wrote.
    """

    path: Path
    spec: RunSpec
    process: dict[str, Any]
    run_id: str | None = None
    count: int = 0
    done: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)
    ended: str | None = None
    last_at: int = 0
    unreadable: int = 0

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Yield the operations from number ``start`` on, in order, with the places of files as they are now."""
        for values in _lines(self.path):
            if values is not None and "op" in values and values["n"] >= start:
                yield _entry(values, self.path.parent)


def read_spool(path: Path) -> Spool:
    """Read what a spool says, but not its operations, which may be many.

    Raises
    ------
    TrackingError
        The file is no spool, or of a newer version.
    """
    lines = _lines(path)
    head = next(lines, None)
    if not isinstance(head, dict) or "tradewright_spool" not in head:
        raise TrackingError(f"{path} is no spool of a tracking run", code="tracking.no_spool", path=str(path))
    if head["tradewright_spool"] > FORMAT:
        raise TrackingError(
            f"{path} was written by a newer version of tradewright: replay it with that", code="tracking.newer_spool"
        )
    spool = Spool(path, RunSpec(**head["run"]), dict(head["process"]), last_at=head["run"]["start_time"])
    for values in lines:
        if values is None:
            spool.unreadable += 1
        elif "op" in values:
            spool.count = max(spool.count, values["n"] + 1)
            spool.last_at = max(spool.last_at, values["at"])
            if values["op"] == "terminate":
                spool.ended = values["status"]
        elif "done" in values:
            first, last = values["done"]
            spool.done.update(range(first, last + 1))
        elif "refused" in values:
            spool.refused[values["refused"]] = values["reason"]
        elif "run_id" in values:
            spool.run_id = values["run_id"]
    return spool


def entries_from(path: Path, offset: int, most: int) -> tuple[list[Entry], int]:
    """Read up to ``most`` operations from a byte offset; return them and the offset after them."""
    found: list[Entry] = []
    with path.open("rb") as file:
        file.seek(offset)
        while len(found) < most:
            line = file.readline()
            if not line.endswith(b"\n"):
                break
            offset = file.tell()
            values = _parsed(line)
            if values is not None and "op" in values:
                found.append(_entry(values, path.parent))
    return found, offset


def lock_of(path: Path) -> Any:
    """Return the lock of a spool, not taken: the process that writes the run holds it, and loses it when it dies."""
    filelock = _optional.require("filelock", "tracking")
    return filelock.FileLock(path.with_name(f"{path.name}.lock"), thread_local=False)


def files_of(path: Path) -> Path:
    """Return the folder of the files that belong to a spool."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ".files")


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def _copy(source: str | Path, target: str | Path) -> None:
    if Path(source).stat().st_size > COPIED_BYTES:
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(source, target)


def _entry(values: dict[str, Any], folder: Path) -> Entry:
    if "path" in values:
        values = {**values, "path": str(folder / values["path"])}
    return Entry(values["n"], values["at"], operation_from_json(values))


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the lines as values; None for what is no JSON."""
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield _parsed(line)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _is_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
