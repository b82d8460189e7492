"""Reading the parameters of boosting estimators, which go by many names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from tradewright.errors import ParameterError
from tradewright.runtime.threads import num_threads

__all__ = ["drawn", "given", "refuse_settings", "seed_of", "threads_of"]


def given(estimator: Any, names: Iterable[str]) -> Any:
    """Return the parameter under whichever of its names it was set, None when it was not."""
    params = estimator.get_params()
    return next((params[name] for name in names if params.get(name) is not None), None)


def seed_of(estimator: Any, names: Iterable[str]) -> int | None:
    """Return the seed when it is a number, None when it was left open."""
    seed = given(estimator, names)
    return int(seed) if isinstance(seed, int | np.integer) else None


def drawn(seed: Any) -> int:
    """Return a seed from a random generator, or the number that it is already."""
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**31 - 1))
    return int(seed.randint(2**31 - 1)) if isinstance(seed, np.random.RandomState) else int(seed)


def threads_of(estimator: Any, names: Iterable[str]) -> int:
    """Return the number of threads: the estimator's, negative ones counted back from the cores, or else ours."""
    threads = given(estimator, names)
    if threads is None or threads == 0:
        return num_threads()
    return int(threads) if threads > 0 else max((os.cpu_count() or 1) + 1 + int(threads), 1)


def refuse_settings(library: str, refused: dict[str, tuple[bool, str]]) -> None:
    """Raise for the first setting that is there though it must not be; the values are (is it there, what to do)."""
    for name, (is_set, remedy) in refused.items():
        if is_set:
            raise ParameterError(
                f"{name} is set, which does not go with the training loop here: {remedy}",
                code="model.setting",
                parameter=name,
                library=library,
            )
