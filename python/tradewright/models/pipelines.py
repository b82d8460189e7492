"""What SklearnModel asks of an estimator that may be a pipeline: its last step, its seeds, its weights, its NaN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from tradewright.errors import UnsupportedError

__all__ = ["final_step", "given_seed", "takes_nan", "unset_seeds", "weight_keywords"]


def final_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def given_seed(estimator: Any) -> int | None:
    """Return the first ``random_state`` that is a number."""
    params = estimator.get_params(deep=True)
    states = (params[name] for name in _random_states(params))
    return next((int(state) for state in states if isinstance(state, int | np.integer)), None)


def unset_seeds(estimator: Any) -> list[str]:
    """Return the names of the parameters ``random_state`` that are None."""
    params = estimator.get_params(deep=True)
    return [name for name in _random_states(params) if params[name] is None]


def weight_keywords(estimator: Any) -> list[str]:
    """Return the keywords by which ``fit`` hands weights to every step that takes them.

    To every step, so that a row of weight 2 is as good as two rows of weight 1 for a scaler as well.

    Raises
    ------
    UnsupportedError
        When the last step takes none.
    """
    final = final_step(estimator)
    if not has_fit_parameter(final, "sample_weight"):
        raise UnsupportedError(
            f"{type(final).__name__} cannot weigh its rows: leave sample_weight out, or choose another estimator",
            code="model.sample_weight",
        )
    return [f"{prefix}sample_weight" for prefix, step in _steps(estimator) if has_fit_parameter(step, "sample_weight")]


def takes_nan(estimator: Any) -> bool:
    """Whether features may be NaN: every step takes it, up to one that fills it."""
    for _, step in _steps(estimator):
        if not get_tags(step).input_tags.allow_nan:
            return False
        if type(step).__module__.startswith("sklearn.impute"):
            return True
    return True


def _random_states(params: dict[str, Any]) -> list[str]:
    return sorted(name for name in params if name == "random_state" or name.endswith("__random_state"))


def _steps(estimator: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each step of a pipeline and of those inside it, with the prefix of its parameters; or the estimator itself."""
    if not isinstance(estimator, Pipeline):
        yield prefix, estimator
        return
    for name, step in estimator.steps:
        if step is not None and step != "passthrough":
            yield from _steps(step, f"{prefix}{name}__")
