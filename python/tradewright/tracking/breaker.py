"""A circuit breaker: a store that failed is left alone for a while, and tried carefully after."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Says whether a store may be called.

    Closed: it may. Open, after a failure: it may not, for a pause that doubles with each failure. Half-open, when the
    pause is over: one call may try; it closes the breaker, or opens it again.

    Parameters
    ----------
    first, longest : float
        Seconds of the first pause, and of the longest.
    clock : callable
        Where the seconds come from.

    Examples
    --------
    >>> seconds = 0.0
    >>> breaker = CircuitBreaker(first=2.0, clock=lambda: seconds)
    >>> breaker.failure()
    >>> breaker.state, breaker.seconds_left
    ('open', 2.0)
    >>> seconds = 2.0
    >>> breaker.state
    'half-open'
    """

    def __init__(self, first: float = 2.0, longest: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._first, self._longest, self._clock = first, longest, clock
        self._pause = first
        self._until: float | None = None

    @property
    def state(self) -> Literal["closed", "open", "half-open"]:
        """What the next call would meet."""
        if self._until is None:
            return "closed"
        return "open" if self.seconds_left > 0 else "half-open"

    @property
    def allows(self) -> bool:
        """Whether a call may be made now."""
        return self.state != "open"

    @property
    def seconds_left(self) -> float:
        """How long no call may be made."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def success(self) -> None:
        """A call came through."""
        self._until = None
        self._pause = self._first

    def failure(self) -> None:
        """A call failed."""
        self._until = self._clock() + self._pause
        self._pause = min(2 * self._pause, self._longest)

    def end_pause(self) -> None:
        """Let one call try now: there may be no later."""
        if self._until is not None:
            self._until = self._clock()
