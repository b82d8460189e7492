"""A training in a few lines of Markdown, which MLflow's page shows as the description of its run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tradewright.training.result import TrainingResult

if TYPE_CHECKING:
    from tradewright.training.session import TrainingSession

__all__ = ["describe_run"]


def describe_run(session: TrainingSession, result: TrainingResult) -> str:
    """Return what somebody who opens the run wants to know first: how it ended, on which rows, and what to beware of."""
    model, data = session.model, session.data
    ended = f" ({_text(result.stop_reason)})" if result.stop_reason else ""
    unit = session.observer.unit
    turns = f"{len(result.history):,} {unit}{'' if len(result.history) == 1 else 's'}"
    kept = "" if result.best_epoch is None or unit == "fit" else f", best {unit} {result.best_epoch}"
    lines = [f"**{_text(model.display_name)}**: {result.status}{ended}. {turns}{kept}, {result.training_time:.1f} s."]
    # The page folds what is longer than three paragraphs.
    if data.geometry:
        lines.append("Rows: " + "; ".join(_roles(session)))
    losses = {name: value for name, value in result.metrics.items() if name.endswith("_loss")}
    if losses:
        lines.append("The model that was kept: " + ", ".join(f"{name} {value:.6g}" for name, value in losses.items()))
    lines += [f"- {_text(note)}" for note in result.notes]
    return "\n\n".join(lines)


def _roles(session: TrainingSession) -> Iterator[str]:
    for role, about in session.data.geometry["roles"].items():
        if about["rows"]:
            first, last = about["time"]
            yield f"{role} {about['rows']:,}" + (f" ({first} … {last})" if role in ("train", "val", "test") else "")


def _text(text: object) -> str:
    """Return a text that Markdown shows as it is, in one line."""
    line = " ".join(str(text).split())
    for sign in "\\`*_<>[]":
        line = line.replace(sign, f"\\{sign}")
    return line
