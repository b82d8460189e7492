"""Stop before the time is up."""

from __future__ import annotations

import math
import time
import warnings
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from tradewright.base import Callback, TrainerView
from tradewright.errors import ParameterError

__all__ = ["TimeBudget"]

#: The next turn is expected to take as long as the longest of so many before it.
RECENT_TURNS = 5


class TimeBudget(Callback):
    """End the training before a turn that would not fit into the time it may take.

    How long the next turn will take is estimated by the longest of the last few, callbacks and validation included. The
    first turn is always trained. A one-shot fit cannot be cut short: it warns.

    Parameters
    ----------
    budget : float or timedelta
        The time from the first hook on; seconds, if it is a number. Of a resumed training, that of all its parts.

    Attributes
    ----------
    elapsed : float
        Seconds used so far.

    Examples
    --------
    >>> TimeBudget(timedelta(hours=2))
    TimeBudget(2:00:00)
    """

    order: ClassVar[int] = 30

    def __init__(self, budget: float | timedelta) -> None:
        seconds = budget.total_seconds() if isinstance(budget, timedelta) else budget
        if isinstance(seconds, bool | str) or not hasattr(seconds, "__float__") or not 0 < float(seconds) < math.inf:
            raise ParameterError(
                f"budget={budget!r}: pass a number of seconds above 0, or a timedelta", code="callback.budget"
            )
        self.budget = budget
        self._seconds = float(seconds)
        self._start_afresh()

    def __repr__(self) -> str:
        return f"TimeBudget({timedelta(seconds=self._seconds)})"

    def _start_afresh(self) -> None:
        self._before = 0.0
        self._began: float | None = None
        self._turn_began: float | None = None
        self._recent: deque[float] = deque(maxlen=RECENT_TURNS)

    @property
    def elapsed(self) -> float:
        """Seconds used so far."""
        return self._before if self._began is None else self._before + time.monotonic() - self._began

    def on_train_begin(self, trainer: TrainerView) -> None:
        """Start the clock."""
        self._start_afresh()
        self._began = time.monotonic()
        if trainer.unit == "fit":
            warnings.warn(
                f"{self!r} has no effect: a one-shot fit of a {type(trainer.model).__name__} cannot be cut short",
                UserWarning,
                stacklevel=2,
            )

    def on_epoch_begin(self, epoch: int) -> None:
        """Ask for the end if this turn would not fit."""
        now = time.monotonic()
        if self._turn_began is not None:
            self._recent.append(now - self._turn_began)
        self._turn_began = now
        if not self._recent:
            return
        expected = max(self._recent)
        if self.elapsed + expected > self._seconds:
            assert self.trainer is not None
            self.trainer.request_stop(
                f"time budget of {_text(self._seconds)}: {_text(self.elapsed)} used, the next turn would take about"
                f" {_text(expected)}"
            )

    def on_train_end(self, logs: Mapping[str, float]) -> None:
        """Stop the clock."""
        self._before, self._began = self.elapsed, None

    def state_dict(self) -> dict[str, Any]:
        """Return the time used, and how long turns take."""
        return {"elapsed": self.elapsed, "recent": list(self._recent)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting from there."""
        self._before = float(state["elapsed"])
        self._recent.extend(float(seconds) for seconds in state["recent"])


def _text(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 100 else str(timedelta(seconds=round(seconds)))
