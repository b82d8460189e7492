"""What differs between regression and classification, chosen by the word."""

from __future__ import annotations

from typing import TypeVar

from tradewright.base.metadata import Task
from tradewright.errors import ParameterError

__all__ = ["by_task"]

T = TypeVar("T")


def by_task(task: Task, *, regression: T, classification: T) -> T:
    """Return what belongs to ``task``.

    Raises
    ------
    ParameterError
        When it is neither word.
    """
    choices = {"regression": regression, "classification": classification}
    if task not in choices:
        raise ParameterError(f"task={task!r}: pass 'regression' or 'classification'", code="model.task")
    return choices[task]
