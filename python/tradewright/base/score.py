"""How good predictions are, in one number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.base.metadata import Task
from tradewright.base.samples import Samples
from tradewright.errors import DataError

__all__ = ["score_of"]


def score_of(predicted: NDArray[Any], samples: Samples, task: Task) -> float:
    """Return the coefficient of determination (regression) or the accuracy (classification).

    Rows that a model of sequences could not predict, for want of a past, don't count.

    Raises
    ------
    DataError
        When there are no others.
    """
    from sklearn.metrics import accuracy_score, r2_score

    if samples.history is not None:
        known = np.asarray(predicted == predicted)  # not NaN, of objects too
        if not known.any():
            raise DataError("no row has a past long enough to be predicted: pass more rows", code="data.no_history")
        samples, predicted = samples.take(known), predicted[known]
    measure = accuracy_score if task == "classification" else r2_score
    return float(measure(samples.y, predicted, sample_weight=samples.sample_weight))
