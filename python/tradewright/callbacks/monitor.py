"""A log key that is watched, and which of two of its values is the better one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tradewright.base import TrainerView
from tradewright.errors import NoValidationError, ParameterError, UnknownMonitorError

__all__ = ["Mode", "Monitor"]

Mode = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Monitor:
    """A watched log key.

    Parameters
    ----------
    name : str
        A key of the logs, such as ``"val_loss"``.
    mode : {"min", "max"}
        Whether less or more of it is better.

    Examples
    --------
    >>> monitor = Monitor("val_loss", "min")
    >>> monitor.is_better(0.4, 0.5), monitor.is_better(float("nan"), 0.5)
    (True, False)
    """

    name: str
    mode: Mode

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise ParameterError(f"mode={self.mode!r}: pass 'min' or 'max'", code="callback.mode")

    @property
    def worst(self) -> float:
        """What every number is better than."""
        return float("inf") if self.mode == "min" else float("-inf")

    def is_better(self, value: float, than: float) -> bool:
        """Whether ``value`` is strictly better; NaN never is."""
        return value < than if self.mode == "min" else value > than

    def refuse_without_validation(self, trainer: TrainerView, who: str) -> None:
        """Raise before the first round when the key can never appear.

        Raises
        ------
        NoValidationError
            A ``val_`` key, and no validation rows.
        """
        if self.name.startswith("val_") and not trainer.has_validation:
            raise NoValidationError(
                f"{who} watches {self.name!r}, but there are no validation rows: pass X_val and y_val or a fold with a "
                f"val block (val_size=), or watch {'train_' + self.name[4:]!r}",
                code="callback.no_validation",
                monitor=self.name,
            )

    def read(self, logs: Mapping[str, float], who: str) -> float:
        """Return the value.

        Raises
        ------
        UnknownMonitorError
            When the key is not among the logs; lists the ones that are.
        """
        try:
            return float(logs[self.name])
        except KeyError:
            near = difflib.get_close_matches(self.name, list(logs), n=1)
            raise UnknownMonitorError(
                f"{who} watches {self.name!r}, which is not logged: there are {', '.join(sorted(logs)) or 'no logs'}"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                code="callback.unknown_monitor",
                monitor=self.name,
                known=sorted(logs),
            ) from None
