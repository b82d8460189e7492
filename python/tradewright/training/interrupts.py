"""Ctrl-C and SIGTERM during a loop: a request to end, not an exception in the middle of a round."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from tradewright import _core

__all__ = ["SignalWatch"]


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
        if threading.current_thread() is not threading.main_thread():
            return
        for signum in (signal.SIGINT, signal.SIGTERM):
            previous = signal.getsignal(signum)
            if previous is None or previous == signal.SIG_IGN:
                continue
            self._previous[signum] = previous
            signal.signal(signum, self._handle)

    def remove(self) -> None:
        """Put back what was there before."""
        while self._previous:
            signum, previous = self._previous.popitem()
            signal.signal(signum, previous)
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
