"""Ctrl-C and SIGTERM during a loop: a request to end, not an exception in the middle of a round."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from tradewright import _core

__all__ = ["SignalGuard", "SignalWatch"]


class SignalWatch:
    """Takes note of SIGINT and SIGTERM while installed.

    The first signal is only noted: the loop asks at the end of a round, so that the library behind the model is never
    torn out of one (LightGBM and XGBoost would leave nothing). A second one raises KeyboardInterrupt at once, also out
    of a long call into the Rust core, on whichever thread.

    Signals can only be handled on the main thread; elsewhere installing does nothing. A signal that is ignored, or
    whose handler was not set from Python, is left alone.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}
        self._raised_flag = False

    def install(self) -> None:
        """Put the handlers in place."""
        _take_over(self._previous, (signal.SIGINT, signal.SIGTERM), self._handle)

    def remove(self) -> None:
        """Put back what was there before."""
        _put_back(self._previous)
        if self._raised_flag:
            self._raised_flag = False
            _core.request_stop(False)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is None:
            self.signum = signum
            return
        # The flag ends calls of other threads; this one's looks for Python's signals itself.
        self._raised_flag = True
        _core.request_stop(True)
        raise KeyboardInterrupt


class SignalGuard:
    """Makes SIGTERM raise KeyboardInterrupt, as Ctrl-C does, from before a run is opened until it is closed.

    Left to its default, SIGTERM would end the process where no loop listens and leave the run as running for ever.
    While signals are held off (:meth:`hold`), SIGINT and SIGTERM are only noted, so that opening and closing the run are
    not torn apart; they are delivered after. A third one then raises at once: a store that hangs can be left.

    A loop's :class:`SignalWatch` goes on top of it. What is said there of threads and of signals that are ignored holds
    here too.
    """

    def __init__(self) -> None:
        #: The signal that raised KeyboardInterrupt.
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}
        self._above: dict[int, Any] = {}
        self._pending: list[int] = []

    def install(self) -> None:
        """Put the handler of SIGTERM in place."""
        _take_over(self._previous, (signal.SIGTERM,), self._raise)

    def hold(self) -> None:
        """Hold signals off."""
        _take_over(self._above, (signal.SIGINT, signal.SIGTERM), self._note)

    def release(self) -> None:
        """Let signals through again; one that came meanwhile is delivered now."""
        _put_back(self._above)
        self._deliver()

    def remove(self) -> None:
        """Put back what was there before; a signal that was held off goes to it, or raises KeyboardInterrupt."""
        _put_back(self._above)
        _put_back(self._previous)
        self._deliver()

    def _deliver(self) -> None:
        if not self._pending:
            return
        signum = self._pending[0]
        self._pending.clear()
        handler = signal.getsignal(signum)
        # The default of SIGTERM would end the process here, without a word to whoever called.
        (handler if callable(handler) else self._raise)(signum, None)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._pending.append(signum)
        if len(self._pending) > 2:
            self._pending.clear()
            self._raise(signum, frame)

    def _raise(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is None:
            self.signum = signum
        raise KeyboardInterrupt(f"interrupted by {signal.Signals(signum).name}")


def _take_over(previous: dict[int, Any], signums: tuple[int, ...], handle: Callable[..., None]) -> None:
    """Set ``handle`` on the main thread, where the signal is not ignored and not handled outside Python."""
    if threading.current_thread() is not threading.main_thread():
        return
    for signum in signums:
        handler = signal.getsignal(signum)
        if handler is None or handler == signal.SIG_IGN or signum in previous:
            continue
        previous[signum] = handler
        signal.signal(signum, handle)


def _put_back(previous: dict[int, Any]) -> None:
    while previous:
        signum, handler = previous.popitem()
        signal.signal(signum, handler)
