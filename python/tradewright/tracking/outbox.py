"""What one run still has to send: a bounded queue in memory, and behind it the spool on disk."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tradewright.errors import TrackingError
from tradewright.tracking.journal import Entry, Journal, entries_from, now_ms
from tradewright.tracking.limits import METRICS_PER_CALL
from tradewright.tracking.operations import (
    Artifact,
    ArtifactFolder,
    LoggedModel,
    Metrics,
    Operation,
    Params,
    RunSpec,
    Tags,
)

__all__ = ["CAPACITY", "Outbox"]

#: How many operations wait in memory; more wait in the spool alone.
CAPACITY = 10_000
#: How old queued metrics, params and tags may get: the store's page follows the training, at little cost.
FLUSH_SECONDS = 5.0


class Outbox:
    """The operations of a run on their way to the store; all of it guarded by the worker's lock.

    Parameters
    ----------
    spec : RunSpec
        The run.
    journal : Journal or None
        Its spool; None when none can be written.
    parent : Outbox or None
        The run this one is nested in: it is made first.
    capacity : int
        Operations that wait in memory.
    """

    def __init__(
        self, spec: RunSpec, journal: Journal | None, parent: Outbox | None = None, capacity: int = CAPACITY
    ) -> None:
        self.spec, self.journal, self.parent, self.capacity = spec, journal, parent, capacity
        self.run_id: str | None = None
        self.entries: deque[Entry] = deque()
        #: What the artifact store did not take while the tracking store was well; tried again at the end.
        self.parked: list[Entry] = []
        self.parked_for: Exception | None = None
        #: Numbers of what the store refused for good, and the first reason.
        self.refused: set[int] = set()
        self.refusal: str | None = None
        #: How many operations were lost because neither the queue nor a spool had room.
        self.dropped = 0
        #: Whether the run may have been made although the answer did not come.
        self.maybe_made = False
        #: Operations up to this number may have arrived although the answer did not come.
        self.maybe_done = -1
        #: What keeps the run from ever being made in this store.
        self.error: TrackingError | None = None
        self.is_urgent = False
        self.is_abandoned = False
        self._count = 0
        self._waiting = 0
        self._oldest = 0.0
        # Where in the spool the operations begin that found no room in memory.
        self._offset: int | None = None
        self._next = 0

    # --- the training's side --------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the next operation finds no room in memory, and could wait for some."""
        return self._offset is None and len(self.entries) >= self.capacity

    def put(self, operation: Operation) -> bool:
        """Take an operation; whether the worker should look now."""
        entry = Entry(self._count, now_ms(), operation)
        self._count += 1
        journal = self.journal
        start = 0 if journal is None else journal.size
        if journal is not None:
            journal.append(entry)
        if self._offset is not None:
            return False
        if len(self.entries) >= self.capacity:
            if journal is None or journal.problem is not None:
                self.dropped += 1
            else:
                self._offset, self._next = start, entry.number
            return False
        if not self.entries:
            self._oldest = time.monotonic()
        self.entries.append(entry)
        if not isinstance(operation, Metrics | Params | Tags):
            self.is_urgent = True
        before, self._waiting = self._waiting, self._waiting + _size(operation)
        return before == 0 or self.is_urgent or self._waiting >= METRICS_PER_CALL

    # --- the worker's side ----------------------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Whether the store has all it takes."""
        return self.run_id is not None and not self.entries and self._offset is None

    @property
    def is_blocked(self) -> bool:
        """Whether the run cannot be made because the run it is nested in could not."""
        parent = self.parent
        return self.run_id is None and parent is not None and parent.run_id is None and parent.is_abandoned

    def seconds_to_due(self, now: float) -> float | None:
        """How long until there is work; None when there is none."""
        if self.is_abandoned:
            return None
        if self.run_id is None:
            return None if self.parent is not None and self.parent.run_id is None else 0.0
        if not self.entries:
            return None if self._offset is None else 0.0
        if self.is_urgent or self._offset is not None or self._waiting >= METRICS_PER_CALL:
            return 0.0
        return max(0.0, self._oldest + FLUSH_SECONDS - now)

    def first(self, most: int) -> list[Entry]:
        """Return the first operations, without taking them; fetched from the spool where memory has none."""
        if not self.entries and self._offset is not None and self.journal is not None:
            try:
                found, offset = entries_from(self.journal.path, self._offset, min(most, self.capacity))
            except OSError:
                found, offset = [], 0
            self.entries.extend(found)
            self._waiting = sum(_size(entry.operation) for entry in found)
            if not found:
                # Somebody has deleted the spool, or the disk is gone.
                self.dropped += self._count - self._next
            at_end = not found or found[-1].number == self._count - 1
            self._next = self._count if at_end else found[-1].number + 1
            self._offset = None if at_end else offset
        return list(islice(self.entries, most))

    def done(self, entries: Sequence[Entry]) -> None:
        """Take the first operations away: the store has them."""
        for entry in entries:
            self.entries.popleft()
            self._waiting -= _size(entry.operation)
        if not self.entries:
            self._waiting = 0
            self.is_urgent = False
        self._oldest = time.monotonic()
        for first, last in _ranges([entry.number for entry in entries if entry.number not in self.refused]):
            if self.journal is not None:
                self.journal.note_done(first, last)
        for entry in entries:
            self._drop(entry)

    def park(self, error: Exception) -> None:
        """Set the first operation aside, for this error."""
        self.parked_for = error
        entry = self.entries.popleft()
        self._waiting -= _size(entry.operation)
        self.parked.append(entry)

    def unpark(self, entry: Entry) -> None:
        """The store has taken an operation that was set aside."""
        self.parked.remove(entry)
        if self.journal is not None:
            self.journal.note_done(entry.number, entry.number)
            self._drop(entry)

    def refuse(self, entry: Entry, reason: str) -> None:
        """The store will never take this operation, or not all of it."""
        self.refused.add(entry.number)
        self.refusal = self.refusal or f"{entry.operation.kind}: {reason}"
        if self.journal is not None:
            self.journal.note_refused(entry.number, reason)

    def _drop(self, entry: Entry) -> None:
        if self.journal is not None and entry.number not in self.refused:
            self.journal.drop(entry.operation)

    def upload_bytes(self) -> int:
        """How much is to be uploaded: a large file takes its time also where the server is well."""
        return sum(_bytes(entry.operation) for entry in (*self.entries, *self.parked))


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of ascending numbers without a gap."""
    start = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] != numbers[end - 1] + 1:
            yield numbers[start], numbers[end - 1]
            start = end


def _size(operation: Operation) -> int:
    if isinstance(operation, Metrics):
        return len(operation.points)
    return len(operation.values) if isinstance(operation, Params | Tags) else 1


def _bytes(operation: Operation) -> int:
    if not isinstance(operation, Artifact | ArtifactFolder | LoggedModel):
        return 0
    path = Path(operation.path)
    try:
        files = path.rglob("*") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())
    except OSError:
        return 0
