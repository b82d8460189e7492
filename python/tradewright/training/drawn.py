"""The plots of a training, from what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.base import BaseModel, Samples
from tradewright.errors import DataError
from tradewright.tracking import plots
from tradewright.training.result import TrainingResult

__all__ = ["plots_of"]

#: Writes a plot to a path; raises DataError where there is nothing to draw.
Draw = Callable[[Path], Path]


def plots_of(result: TrainingResult, val: Samples | None, unit: str, target: str = "label") -> dict[str, Draw]:
    """Return what draws each plot of a training, by name.

    Parameters
    ----------
    result : TrainingResult
        What came of the training.
    val : Samples or None
        The validation rows, which the model's predictions are shown on: on its train rows any model looks good.
    unit : str
        What a turn is called.
    target : str
        What the labels are called.
    """
    model, best, kept = result.model, None, None
    if model is not None:
        # Without a restored turn the model is at the last one, whichever scored best.
        best, kept = result.best_epoch, model.metadata.best_iteration
        kept = int(result.history[-1]["epoch"]) if kept is None else kept

    def learning_curve(path: Path) -> Path:
        return plots.plot_learning_curve(result.history, path, unit=unit, best_epoch=best, kept_epoch=kept)

    drawn: dict[str, Draw] = {"learning_curve": learning_curve}
    if model is None:
        return drawn
    drawn["importance"] = lambda path: _importance(model, path)
    shown = _OutOfSample(model, val)
    if model.task == "classification":
        return drawn | {"calibration": shown.calibration, "confusion": shown.confusion}
    return drawn | {"residuals": lambda path: shown.residuals(path, target)}


def _importance(model: BaseModel, path: Path) -> Path:
    importance = model.feature_importances_
    if importance is None:
        raise DataError(f"a {type(model).__name__} has no importances", code="plot.importance")
    return plots.plot_importance(model.metadata.feature_names, importance, path)


class _OutOfSample:
    """The validation rows and what the model says of them; predicted once, when the first plot asks."""

    rows = "validation rows"

    def __init__(self, model: BaseModel, val: Samples | None) -> None:
        self._model, self._val = model, val

    def _samples(self) -> Samples:
        if self._val is None:
            raise DataError("there are no validation rows to compare predictions with", code="plot.no_validation")
        return self._val

    @cached_property
    def _predicted(self) -> NDArray[Any]:
        features: Any = self._samples().features
        return self._model._predict(features)

    @property
    def _classes(self) -> Sequence[Any]:
        return self._model.metadata.classes or ()

    def residuals(self, path: Path, target: str) -> Path:
        return plots.plot_residuals(self._labels(), self._predicted, path, rows=self.rows, target=target)

    def confusion(self, path: Path) -> Path:
        codes = _codes(self._labels(), self._classes)
        return plots.plot_confusion(codes, _codes(self._predicted, self._classes), self._classes, path, rows=self.rows)

    def calibration(self, path: Path) -> Path:
        features: Any = self._samples().features
        if not self._model._has_proba():
            raise DataError(f"this {type(self._model).__name__} gives no probabilities", code="plot.calibration")
        said = self._model._predict_proba(features)
        codes = _codes(self._labels(), self._classes)
        known = codes >= 0
        return plots.plot_calibration(codes[known], said[known], self._classes, path, rows=self.rows)

    def _labels(self) -> NDArray[Any]:
        labels = self._samples().y
        if labels is None:
            raise DataError("the validation rows have no labels", code="plot.no_labels")
        return labels


def _codes(labels: NDArray[Any], classes: Sequence[Any]) -> NDArray[np.int64]:
    """Return the place of each label in ``classes``; -1 where it has none, as for NaN, the prediction of a short past."""
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places.get(label, -1) for label in labels.tolist()], dtype=np.int64)
