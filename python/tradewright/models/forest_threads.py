"""Threads for scikit-learn's forests that leave the bits alone.

A forest with ``n_jobs`` above 1 adds its trees up in the order in which threads finish: predictions differ in the last
bits from call to call. Growing them in parallel is safe, and so is predicting blocks of rows, each by one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.models.pipelines import final_step
from tradewright.runtime.threads import num_threads

__all__ = ["all_threads", "in_blocks"]

#: Below it, a thread costs more than it brings.
_BLOCK_ROWS = 2048


@contextmanager
def all_threads(estimator: Any) -> Iterator[None]:
    """Give a forest the threads of :func:`tradewright.set_num_threads` while it is fitted, where ``n_jobs`` was left open."""
    forest = final_step(estimator)
    if not _is_forest(forest) or forest.n_jobs is not None:
        yield
        return
    forest.n_jobs = num_threads()
    try:
        yield
    finally:
        forest.n_jobs = None


def in_blocks(estimator: Any, method: Callable[[NDArray[Any]], Any], X: NDArray[Any]) -> NDArray[Any]:
    """Return ``method(X)``; of a forest, by blocks of rows on all threads."""
    n_blocks = min(num_threads(), len(X) // _BLOCK_ROWS)
    if n_blocks < 2 or not _is_forest(estimator) or estimator.n_jobs is not None:
        return np.asarray(method(X))
    with ThreadPoolExecutor(n_blocks) as pool:
        return np.concatenate(list(pool.map(method, np.array_split(X, n_blocks))))


def _is_forest(estimator: Any) -> bool:
    # By name: importing sklearn.ensemble takes longer than most fits.
    return any(base.__name__ == "BaseForest" for base in type(estimator).__mro__)
