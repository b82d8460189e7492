"""What came of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tradewright.base import BaseModel

if TYPE_CHECKING:
    from tradewright.sanity_checks import SanityReport

__all__ = ["Status", "TrainingResult"]

Status = Literal["completed", "stopped", "interrupted", "failed"]


@dataclass(frozen=True, eq=False, repr=False)
class TrainingResult:
    """The outcome of one training.

    Parameters
    ----------
    status : {"completed", "stopped", "interrupted", "failed"}
        Ran to its planned end; ended early because a callback asked; ended by Ctrl-C or SIGTERM; ended by an error.
    stop_reason : str or None
        Why it ended early.
    metrics : mapping of str to float
        The logs of the turn the model is at.
    history : tuple of mappings
        One per turn: ``epoch`` (from 0) and the logs.
    best_epoch : int or None
        The turn the model was cut back to; without early stopping the one with the lowest ``val_loss``, else the last.
    training_time : float
        Seconds from the first to the last hook: the fit, its callbacks and nothing else. Of a resumed training, with
        what was done before.
    artifacts : mapping of str to Path
        The files of this training: ``model`` (the bundle), ``config``, ``environment``, ``metrics``, ``fold``,
        ``report``, and the plots: ``learning_curve``, ``importance``, ``residuals``, or ``calibration`` and
        ``confusion``. Which plots had nothing to show, and why, is in ``metrics``.
    run_id : str or None
        The tracking run.
    model : BaseModel or None
        The trained model; None when no turn was finished.
    environment : mapping
        Python, OS, CPU, library versions, thread counts, git commit.
    report : SanityReport or None
        The leakage report the training began with.
    notes : tuple of str
        What a reader of the score should know: checks that could not run, findings that were allowed, where the
        training was resumed and whether it has the bits of one that was not broken off.
    """

    status: Status
    stop_reason: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: tuple[Mapping[str, float], ...] = ()
    best_epoch: int | None = None
    training_time: float = 0.0
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    run_id: str | None = None
    model: BaseModel | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    report: SanityReport | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        name = "no model" if self.model is None else type(self.model).__name__
        lines = [f"TrainingResult: {name}, {self.status}" + (f" ({self.stop_reason})" if self.stop_reason else "")]
        lines.append(f"  turns     {len(self.history)}, best {self.best_epoch}, {self.training_time:.2f} s")
        metrics = "  ".join(f"{key} {value:.6g}" for key, value in self.metrics.items() if key != "seconds")
        lines.append(f"  metrics   {metrics or 'none'}")
        lines += [f"  note      {note}" for note in self.notes]
        if self.run_id:
            lines.append(f"  run       {self.run_id}")
        return "\n".join(lines)


def best_turn(history: tuple[Mapping[str, float], ...], restored: int | None) -> int | None:
    """Return the turn a result calls the best."""
    if restored is not None or not history:
        return restored
    scored = [row for row in history if row.get("val_loss") == row.get("val_loss", float("nan"))]
    best = min(scored, key=lambda row: row["val_loss"]) if scored else history[-1]
    return int(best["epoch"])


def metrics_at(history: tuple[Mapping[str, float], ...], epoch: int | None) -> dict[str, float]:
    """Return the logs of one turn, or of the last one."""
    if not history:
        return {}
    row = next((row for row in history if row["epoch"] == epoch), history[-1])
    return {key: value for key, value in row.items() if key != "epoch"}
