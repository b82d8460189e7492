"""The part of a loss's contract that boosting libraries see; none of them is needed."""

from __future__ import annotations

import pickle
from typing import Any, Literal

import numpy as np

from tradewright.loss_functions import BaseLoss
from tradewright.testing.loss_problem import Problem, assert_close, assert_raises

__all__ = ["boosting"]


class _DataSet:
    """As much of a library's data set as an objective looks at."""

    def __init__(self, label: Any, weight: Any) -> None:
        self._label, self._weight = label, weight

    def get_label(self) -> Any:
        return self._label

    def get_weight(self) -> Any:
        return self._weight


def boosting(loss: BaseLoss, problem: Problem) -> None:
    """Objectives and metrics give what the loss gives, in both calling conventions and after a pickle."""
    target, prediction, weight = problem.target, problem.prediction, problem.weight
    further: dict[str, Any] = dict(problem.further)
    expected = problem.grad_hess(loss)
    libraries: tuple[Literal["lightgbm", "xgboost"], ...] = ("lightgbm", "xgboost")
    for library in libraries:
        objective = loss.objective(library, **further)
        for call in (objective, pickle.loads(pickle.dumps(objective))):
            for arguments in ((target, prediction, weight), (prediction, _DataSet(target, weight))):
                parts = call(*arguments)
                for part, whole in zip(parts, expected, strict=True):
                    assert part.dtype == np.float32, "a library would copy the gradient"
                    assert part.flags.c_contiguous
                    assert_close(part, whole.astype(np.float32), 1e-6, 1e-30)
        assert objective(target, prediction)[0] is objective(target, prediction)[0], "the gradient buffer is not kept"
        narrow = objective(target, prediction.astype(np.float32), weight)
        for part, whole in zip(narrow, expected, strict=True):
            assert_close(part, whole, 1e-3, 1e-4 * float(np.abs(whole).max()))
        if further:
            short = problem.rows(slice(0, len(target) - 1))
            assert_raises(lambda objective=objective, short=short: objective(short.target, short.prediction))  # type: ignore[misc]
        if loss.reduction != "none":
            metric = loss.metric(library, **further)
            found = metric(prediction, _DataSet(target, weight))
            assert found[:2] == (loss.name, problem.call(loss)), "the metric is not the loss"
