"""The thread that brings what runs are told into the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tradewright.errors import TrackingError
from tradewright.tracking.bounded import bounded_requests
from tradewright.tracking.breaker import CircuitBreaker
from tradewright.tracking.journal import Entry
from tradewright.tracking.operations import Metrics, Operation, Params, Tags, Terminate
from tradewright.tracking.outbox import Outbox
from tradewright.tracking.quiet import hush_this_thread, unhush_this_thread
from tradewright.tracking.refusals import Part, is_refusal, send_apart
from tradewright.tracking.store import Store, operation_key, requests_of

__all__ = ["Worker"]

#: Operations looked at together.
GLANCE = 2_000
#: How fresh the last answer must be for a server to be called without asking for its health first.
FRESH_SECONDS = 1.0
#: How soon a store is tried again that failed as a run was closed.
AGAIN_SECONDS = 0.3
#: How slow an upload may be (bytes a second) before a server counts as hanging.
UPLOAD_RATE = 1e6
#: The longest a close waits for a store that keeps answering.
LONGEST_SECONDS = 300.0


class Worker:
    """Sends the outboxes of a store, in order each, from one daemon thread that lives while there are any.

    Parameters
    ----------
    open_store : callable
        Opens the store; tried again after it failed.
    unreachable : callable
        Says why the store cannot be reached, None when it can; takes a second at most.
    patience : float
        Seconds without an answer after which a closing run is left to its spool.
    breaker : CircuitBreaker
        Its pauses.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        unreachable: Callable[[], str | None],
        *,
        patience: float,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self.lock = threading.Condition()
        self.patience = patience
        self.breaker = CircuitBreaker() if breaker is None else breaker
        #: Why the store failed last, and how often it did.
        self.problem: Exception | None = None
        self.failures = 0
        self._open_store, self._unreachable = open_store, unreachable
        self._store: Store | None = None
        self._outboxes: list[Outbox] = []
        self._thread: threading.Thread | None = None
        self._is_opening = False
        self._answered = float("-inf")
        self._called: float | None = None

    # --- the training's side --------------------------------------------------------------------------------------

    def store(self, seconds: float) -> Store | None:
        """Return the store, opened if need be; None when it cannot be within so many seconds."""
        with self.lock:
            if self._store is None:
                failures = self.failures
                self._is_opening = True
                self.breaker.end_pause()
                self._wake()
                self._wait_until(lambda: self._store is not None or self.failures > failures, seconds)
                self._is_opening = False
                self.lock.notify_all()
            return self._store

    def add(self, outbox: Outbox) -> None:
        """Begin to send an outbox, with the run itself."""
        with self.lock:
            self._outboxes.append(outbox)
            self._wake()

    def wait_for_run(self, outbox: Outbox, seconds: float) -> None:
        """Wait until the run is made, or cannot be."""
        with self.lock:
            failures = self.failures
            if self.breaker.allows:
                # A call that has been out for long is not waited for anew, unless it is an upload.
                seconds += self._allowance - self._silence
                self._wait_until(
                    lambda: outbox.run_id is not None or outbox.is_abandoned or self.failures > failures, seconds
                )

    def put(self, outbox: Outbox, operation: Operation, pause: float) -> None:
        """Queue an operation.

        When the queue is full it waits up to ``pause`` seconds for room; after that the operation waits in the spool
        alone, as do all that follow until the worker has caught up.
        """
        with self.lock:
            if outbox.is_full and self.breaker.allows:
                self._wake()
                self._wait_until(lambda: not outbox.is_full or not self.breaker.allows, pause)
            if outbox.put(operation):
                self._wake()

    def flush(self, outbox: Outbox) -> None:
        """Send what is queued now."""
        with self.lock:
            outbox.is_urgent = True
            self._wake()

    def settle(self, outbox: Outbox, seconds: float | None = None) -> bool:
        """Wait until an outbox is empty, or until the store has to be given up; whether it is empty.

        ``seconds`` is the longest wait; by default as long as the store keeps answering, and :attr:`patience` after its
        last answer.
        """
        with self.lock:
            outbox.is_urgent = True
            self.breaker.end_pause()
            self._wake()
            failures, began = self.failures, time.monotonic()
            was_well = self.breaker.state == "closed"
            allowance = self._allowance
            while not outbox.is_empty and not outbox.is_blocked and not outbox.is_abandoned:
                now = time.monotonic()
                if self.failures > failures:
                    if not was_well:
                        break
                    # It has only just failed: once more, after a moment.
                    was_well, failures = False, self.failures
                    self._wait_until(lambda: outbox.is_empty, AGAIN_SECONDS)
                    self.breaker.end_pause()
                    self.lock.notify_all()
                    continue
                since = now - self._silence if self._called is not None else max(began, self._answered)
                left = since + self.patience + allowance - now
                left = min(left, began + (LONGEST_SECONDS if seconds is None else seconds) - now)
                if left <= 0:
                    break
                self.lock.wait(left)
            return outbox.is_empty

    def remove(self, outbox: Outbox) -> None:
        """Send nothing more of an outbox."""
        with self.lock:
            outbox.is_abandoned = True
            if outbox in self._outboxes:
                self._outboxes.remove(outbox)
            self.lock.notify_all()

    @property
    def _silence(self) -> float:
        """For how many seconds the call that is out has not been answered; 0 when none is."""
        return 0.0 if self._called is None else time.monotonic() - self._called

    @property
    def _allowance(self) -> float:
        """How many seconds the uploads that are queued may take."""
        return sum(outbox.upload_bytes() for outbox in self._outboxes) / UPLOAD_RATE

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                break
            self.lock.wait(left)

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="tradewright-tracking", daemon=True)
            self._thread.start()
        self.lock.notify_all()

    # --- the worker's side ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                with self.lock:
                    outbox = self._next()
                    if outbox is None and not self._is_opening:
                        self._thread = None
                        return
                hush_this_thread()
                with bounded_requests():
                    self._serve(outbox)
                with self.lock:
                    self.lock.notify_all()
        finally:
            unhush_this_thread()

    def _next(self) -> Outbox | None:
        """Wait for work; return the outbox it is in, None when there is none left or the store alone is wanted."""
        while self._outboxes or self._is_opening:
            pause: float | None = None
            if not self.breaker.allows:
                pause = self.breaker.seconds_left
            elif self._is_opening and self._store is None:
                return None
            else:
                now = time.monotonic()
                for outbox in self._outboxes:
                    seconds = outbox.seconds_to_due(now)
                    if seconds == 0:
                        # Whoever comes next is not always the same.
                        self._outboxes.remove(outbox)
                        self._outboxes.append(outbox)
                        return outbox
                    if seconds is not None:
                        pause = seconds if pause is None else min(pause, seconds)
            self.lock.wait(pause)
        return None

    def _serve(self, outbox: Outbox | None) -> None:
        """Do what is due; after a failure leave the store alone for a while."""
        try:
            store = self._reached()
            if outbox is not None and not outbox.is_abandoned:
                if outbox.run_id is None:
                    self._make(store, outbox)
                else:
                    self._send(store, outbox)
        except Exception as error:  # noqa: BLE001  whatever a store does, the training goes on
            with self.lock:
                self.problem = error
                self.failures += 1
                self.breaker.failure()
                self._called = None
            for other in tuple(self._outboxes):
                if other.journal is not None:
                    other.journal.sync()
        else:
            with self.lock:
                self.breaker.success()
                self.problem = None

    def _reached(self) -> Store:
        if self.breaker.state != "closed" or time.monotonic() - self._answered > FRESH_SECONDS:
            reason = self._unreachable()
            if reason is not None:
                raise ConnectionError(reason)
        if self._store is None:
            self._store = self._call(self._open_store)
        return self._store

    def _call(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call the store, and note when it was called and when it answered."""
        with self.lock:
            self._called = time.monotonic()
        value = work(*arguments, **named)
        with self.lock:
            self._called = None
            self._answered = time.monotonic()
            self.lock.notify_all()
        return value

    def _make(self, store: Store, outbox: Outbox) -> None:
        spec = outbox.spec
        parent_id = spec.parent_id if outbox.parent is None else outbox.parent.run_id
        again, outbox.maybe_made = outbox.maybe_made, True
        try:
            run_id = self._call(store.create_run, spec, parent_id, again=again)
        except TrackingError as error:
            with self.lock:
                outbox.error = error
                outbox.is_abandoned = True
                self._called = None
            return
        with self.lock:
            outbox.run_id = run_id
            if outbox.journal is not None:
                outbox.journal.note_run(run_id)

    def _send(self, store: Store, outbox: Outbox) -> None:
        with self.lock:
            entries = outbox.first(GLANCE)
        sent = 0
        for parts, done in requests_of([entry.operation for entry in entries]):
            if outbox.is_abandoned:
                return
            if isinstance(parts[0][1], Terminate):
                self._send_parked(store, outbox)
            self._send_request(store, outbox, [(entries[place], part) for place, part in parts], entries[sent:done])
            sent = done

    def _send_request(
        self,
        store: Store,
        outbox: Outbox,
        parts: Sequence[Part],
        finished: Sequence[Entry],
    ) -> None:
        """Do one request; ``finished`` are the operations that are complete with it."""
        again = parts[0][0].number <= outbox.maybe_done
        try:
            self._write(store, outbox, parts, again=again)
        except Exception as error:
            if is_refusal(error):
                send_apart(
                    lambda some: self._write(store, outbox, some, again=True),
                    parts,
                    error,
                    lambda entry, reason: self._refuse(outbox, entry, reason),
                )
            elif not isinstance(parts[0][1], Metrics | Params | Tags | Terminate) and self._unreachable() is None:
                # The tracking store is well; the one for artifacts is not. What comes after need not wait for it.
                with self.lock:
                    self._called = None
                    if not outbox.is_abandoned:
                        outbox.park(error)
                return
            else:
                outbox.maybe_done = max(outbox.maybe_done, parts[-1][0].number)
                raise
        with self.lock:
            if not outbox.is_abandoned:
                outbox.done(finished)

    def _send_parked(self, store: Store, outbox: Outbox) -> None:
        for entry in tuple(outbox.parked):
            try:
                self._write(store, outbox, [(entry, entry.operation)], again=True)
            except Exception as error:  # noqa: BLE001  it stays in the spool
                with self.lock:
                    self._called, outbox.parked_for = None, error
            else:
                with self.lock:
                    if not outbox.is_abandoned:
                        outbox.unpark(entry)

    def _refuse(self, outbox: Outbox, entry: Entry, reason: str) -> None:
        with self.lock:
            self._called = None
            outbox.refuse(entry, reason)

    def _write(self, store: Store, outbox: Outbox, parts: Sequence[Part], *, again: bool) -> None:
        key = operation_key(outbox.spec, parts[0][0])
        self._call(store.write, str(outbox.run_id), [part for _, part in parts], again=again, key=key)
