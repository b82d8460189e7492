"""The contract of a model, as a suite that needs no test framework."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tradewright.base import BaseModel
from tradewright.base.metadata import Task
from tradewright.errors import ParameterError
from tradewright.models import ModelRegistry, as_model
from tradewright.testing import models_fit, models_inputs, models_loop, models_refused, models_saving
from tradewright.testing.model_case import Case, Weighing

__all__ = ["check_model"]

Check = Callable[[Case], None]

#: What every model keeps.
_CHECKS: list[Check] = [
    models_refused.unfitted,
    models_fit.seeds,
    models_fit.refit,
    models_fit.eval_set,
    models_fit.global_random_state,
    models_fit.clones,
    models_fit.metadata,
    models_fit.classes,
    models_fit.importances,
    models_fit.scores,
    models_fit.threads,
    models_loop.reports,
    models_loop.stops,
    models_loop.snapshots,
    models_loop.errors_of_observers,
    models_saving.saved_and_loaded,
    models_saving.saved_between_turns,
    models_saving.pickles,
    models_inputs.weights_count,
    models_refused.bad_labels,
    models_refused.bad_features,
    models_refused.missing_values,
]
#: What models keep that look at one row at a time, and so need no panel.
_TABULAR: list[Check] = [
    models_inputs.every_kind_of_table,
    models_inputs.names,
    models_inputs.layouts,
    models_inputs.widths,
    models_inputs.weights_of_zero,
]


def check_model(
    model: Any, task: Task | None = None, *, weights: Weighing = "exact", rows: int = 120, seed: int = 0
) -> list[str]:
    """Check that a model keeps every promise of the contract.

    Tables of every kind, names, layouts, weights, validation rows, seeds, threads, the caller's random state, the record,
    clones, classes, the loop and stopping it at any turn, snapshots, files, and what is refused with which words. Models
    of sequences are checked on panels, with what applies to them.

    Parameters
    ----------
    model : BaseModel, callable without arguments that returns one, or whatever :func:`tradewright.as_model` takes
        What is checked; a model is cloned for each fit. Make it small: it is fitted some seventy times.
    task : {"regression", "classification"}, optional
        What it predicts, handed to a registered factory that takes it; by default the model's own.
    weights : {"exact", "used", "refused"}, default "exact"
        What ``sample_weight`` means to it: a row of weight 2 is two rows; it counts for more, as where rows are drawn,
        batched or binned; the model has no weights and says so. A row of weight 0 is absent in both of the first.
    rows : int, default 120
        Train rows, drawn at random; half as many for validation.
    seed : int, default 0
        What the rows are drawn from.

    Returns
    -------
    list of str
        The names of the checks that ran; all of them held.

    Raises
    ------
    AssertionError
        When a promise is broken; the message names the check, and whatever was raised is its cause.
    ParameterError
        When the model is of another task than ``task``, or is none.

    Examples
    --------
    >>> "stops" in check_model("ridge")
    True
    """
    make = _factory(model, task)
    made = make()
    if task is not None and made.task != task:
        raise ParameterError(f"the model is one of {made.task}, not of {task}", code="testing.task")
    case = Case.random(make, made.task, weights, rows, seed)
    checks = _CHECKS if case.is_sequence else _CHECKS + _TABULAR
    for check in checks:
        try:
            check(case)
        except Exception as error:
            raise AssertionError(f"{type(made).__name__} fails {check.__name__}: {_words(error)}") from error
    return [check.__name__ for check in checks]


def _factory(model: Any, task: Task | None) -> Callable[[], BaseModel]:
    if isinstance(model, str):
        made = ModelRegistry.get(model)
        takes_task = task is not None and "task" in inspect.signature(made).parameters
        return lambda: as_model(model, **({"task": task} if takes_task else {}))
    if isinstance(model, BaseModel):
        return model.clone
    if callable(model) and not hasattr(model, "get_params") and _takes_nothing(model):
        return lambda: as_model(model())
    return as_model(model).clone


def _takes_nothing(function: Any) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(item.default is not item.empty or item.kind in variadic for item in parameters)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
