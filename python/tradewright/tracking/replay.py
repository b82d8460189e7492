"""Bringing spooled runs into a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from tradewright import _optional
from tradewright.errors import TrackingError
from tradewright.tracking.bounded import bounded_requests
from tradewright.tracking.health import masked, unreachable
from tradewright.tracking.journal import SUFFIX, Entry, Journal, Spool, lock_of, read_spool
from tradewright.tracking.opening import import_mlflow, open_client
from tradewright.tracking.operations import Metrics, Operation, Terminate, Text
from tradewright.tracking.quiet import quiet
from tradewright.tracking.refusals import Part, is_refusal, send_apart
from tradewright.tracking.run import NONFINITE_FILE, nonfinite_text
from tradewright.tracking.store import Store, operation_key, requests_of

__all__ = ["Replayed", "replay_mlflow"]

#: What a spool is called when the store has all of it.
DONE = ".done"
#: Operations read from a spool at a time.
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one spooled run.

    Parameters
    ----------
    path : Path
        The spool file. When the store has everything, it has been renamed to end in ``.done`` and may be deleted.
    uri : str
        The store it was replayed to.
    run_id : str or None
        The run in the store; None when it could not be made.
    status : str or None
        How the run ended: FINISHED, FAILED, or KILLED, also when its process was killed.
    written : int
        How many operations were done now.
    left : int
        How many still are to be done.
    problem : str or None
        Why some are left, or what the store refused.
    """

    path: Path
    uri: str
    run_id: str | None
    status: str | None
    written: int
    left: int
    problem: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the store has all of the run."""
        return self.problem is None

    def __str__(self) -> str:
        name = self.path.name.removesuffix(DONE).removesuffix(SUFFIX) if self.run_id is None else self.run_id
        if not self.is_complete:
            return f"run {name}: {self.left} writes left in {self.path}: {self.problem}"
        if self.written == 0:
            return f"run {name}: all of it was in the store ({self.status})"
        return f"run {name}: {self.written} writes brought into the store ({self.status})"


def replay_mlflow(path: str | PathLike[str], uri: str | None = None) -> list[Replayed]:
    """Bring spooled runs into the store: what a dead or unreachable tracking server has not got.

    A run that was never made is made, with its times; one whose process was killed is closed as KILLED. Doing it twice
    changes nothing: every write is looked up before it is repeated. A run that a living process still writes is left
    alone.

    Parameters
    ----------
    path : path
        A spool file, or a folder of them.
    uri : str, optional
        Where the store is now, if not at the address the run was meant for: the same store after a move, or another one,
        which then gets the whole run.

    Returns
    -------
    list of Replayed
        One for each spool, parents first; empty when the folder holds none.

    Raises
    ------
    TrackingError
        There is nothing at ``path``, or the file is no spool.
    MissingExtraError
        Without MLflow.
    """
    spools = _spools(Path(path))
    import_mlflow()
    stores: dict[str, Store | str] = {}
    runs: dict[str, str] = {}
    found = []
    for spool in spools:
        place = spool.spec.uri if uri is None else uri
        if place not in stores:
            stores[place] = _open(place)
        result = _replay_locked(stores[place], place, spool, runs)
        if result.run_id is not None:
            runs[spool.spec.key] = result.run_id
        found.append(result)
    return found


def _spools(path: Path) -> list[Spool]:
    """Read the spools at a path, those of parents before those of the runs nested in them."""
    if path.is_dir():
        spools = [read_spool(file) for file in sorted(path.rglob(f"*{SUFFIX}"))]
    elif path.is_file():
        spools = [read_spool(path)]
    elif path.with_name(path.name + DONE).is_file():
        spools = [read_spool(path.with_name(path.name + DONE))]
    else:
        raise TrackingError(f"{path} is not there: pass a spool file or a folder of them", code="tracking.no_spool")
    keys = {spool.spec.key: spool for spool in spools}

    def depth(spool: Spool) -> int:
        parent = keys.get(spool.spec.parent_key or "")
        return 0 if parent is None else 1 + depth(parent)

    return sorted(spools, key=lambda spool: (depth(spool), spool.spec.start_time))


def _open(uri: str) -> Store | str:
    """Return a store, or why there is none."""
    reason = unreachable(uri)
    if reason is not None:
        return f"{masked(uri)} {reason}"
    try:
        with quiet():
            return Store(open_client(uri), uri)
    except Exception as error:  # noqa: BLE001  it is reported for each run
        return f"{masked(uri)} cannot be used: {error}"


def _replay_locked(store: Store | str, uri: str, spool: Spool, runs: dict[str, str]) -> Replayed:
    left = spool.count - len(spool.done)
    if isinstance(store, str):
        return Replayed(spool.path, uri, spool.run_id, spool.ended, 0, left, store)
    lock = lock_of(spool.path)
    filelock = _optional.require("filelock", "replay_mlflow")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        process = spool.process
        reason = f"process {process.get('pid')} on {process.get('host')} is still writing it"
        return Replayed(spool.path, uri, spool.run_id, spool.ended, 0, left, reason)
    # What was read before the lock was taken may be old.
    replay = _Replay(store, uri, read_spool(spool.path), Journal(spool.path, lock), runs)
    try:
        with quiet(), bounded_requests():
            return replay.run()
    finally:
        replay.close()


class _Replay:
    """One spool on its way into a store."""

    def __init__(self, store: Store, uri: str, spool: Spool, journal: Journal, runs: dict[str, str]) -> None:
        self.store, self.uri, self.spool, self.journal, self.runs = store, uri, spool, journal, runs
        self.run_id: str | None = None
        self.written = 0
        self.done = set(spool.done)
        self.refused: dict[int, str] = {}
        self.is_complete = False

    def run(self) -> Replayed:
        spool = self.spool
        status = spool.ended
        problem: str | None = None
        try:
            self.run_id = self._find_or_make()
            if spool.ended is None:
                self._send(self._infinite())
            self._send(entry for entry in spool.entries() if entry.number not in self.done)
            if spool.ended is None:
                status = self._end_killed(self.run_id)
        except Exception as error:  # noqa: BLE001  what is done is noted, the rest stays
            problem = f"{type(error).__name__}: {error}"
        if problem is None and self.refused:
            number, reason = next(iter(self.refused.items()))
            problem = f"{len(self.refused)} were refused, the first is operation {number}: {reason}"
        self.is_complete = problem is None
        path = spool.path
        if self.is_complete and not path.name.endswith(DONE):
            path = path.with_name(path.name + DONE)
        left = spool.count - len(self.done)
        return Replayed(path, self.uri, self.run_id, status, self.written, left, problem)

    def close(self) -> None:
        """Put the spool away: renamed when the store has all of it, as it was otherwise."""
        path = self.spool.path
        if self.is_complete and not path.name.endswith(DONE):
            self.journal.finish(path.with_name(path.name + DONE))
        else:
            self.journal.release()

    def _find_or_make(self) -> str:
        spool, store = self.spool, self.store
        spec = spool.spec
        if spool.run_id is not None and (self.uri == spec.uri or store.has_run(spool.run_id)):
            return spool.run_id
        # A run this store does not have, although part of it may be in another one.
        self.done.clear()
        parent_id = self.runs.get(spec.parent_key or "", spec.parent_id)
        if spec.parent_key is not None and spec.parent_key not in self.runs:
            parent_id = store.find_run(spec.parent_key, store.experiment_id(spec.experiment)) or parent_id
        run_id = store.create_run(spec, parent_id, again=True)
        if self.uri == spec.uri:
            self.journal.note_run(run_id)
        return run_id

    def _send(self, entries: Iterable[Entry]) -> None:
        chunk: list[Entry] = []
        for entry in entries:
            chunk.append(entry)
            if len(chunk) == CHUNK:
                self._send_chunk(chunk)
                chunk = []
        if chunk:
            self._send_chunk(chunk)

    def _send_chunk(self, entries: Sequence[Entry]) -> None:
        sent = 0
        for requests, done in requests_of([entry.operation for entry in entries]):
            parts = [(entries[place], part) for place, part in requests]
            try:
                self._write(parts)
            except Exception as error:
                if not is_refusal(error):
                    raise
                send_apart(self._write, parts, error, self._refuse)
            self._note([entry for entry in entries[sent:done] if entry.number not in self.refused])
            sent = done

    def _refuse(self, entry: Entry, reason: str) -> None:
        self.refused.setdefault(entry.number, reason)

    def _write(self, parts: Sequence[Part]) -> None:
        key = operation_key(self.spool.spec, parts[0][0])
        self.store.write(str(self.run_id), [part for _, part in parts], again=True, key=key)

    def _note(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.number < 0:
                continue
            self.written += 1
            self.done.add(entry.number)
            if self.uri == self.spool.spec.uri:
                self.journal.note_done(entry.number, entry.number)

    def _infinite(self) -> list[Entry]:
        """What a run writes of its infinite metrics when it is closed, which this one was not."""
        points = [
            point
            for entry in self.spool.entries()
            if isinstance(entry.operation, Metrics)
            for point in entry.operation.points
            if point[1] in (float("inf"), float("-inf"))
        ]
        return [Entry(-1, self.spool.last_at, Text(nonfinite_text(points), NONFINITE_FILE))] if points else []

    def _end_killed(self, run_id: str) -> str:
        """Close a run whose process was killed, unless somebody has."""
        status = str(self.store.client.get_run(run_id).info.status)
        if status != "RUNNING":
            return status
        end: Operation = Terminate("KILLED", self.spool.last_at)
        self.store.write(run_id, [end])
        return "KILLED"
