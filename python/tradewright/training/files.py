"""The files a training leaves behind."""

from __future__ import annotations

import json
import math
import os
import traceback
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tradewright import _optional
from tradewright.base import BaseModel
from tradewright.tracking import limits, plots
from tradewright.training.result import TrainingResult

__all__ = ["DEFAULT_ROOT", "TrainingFiles", "new_folder"]

#: Where trainings go that were given no folder.
DEFAULT_ROOT = "tradewright-runs"


def new_folder(root: Path | None, experiment_name: str) -> Path:
    """Return the path of a folder of its own for one training: root, experiment, moment. Not made yet."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    base = Path(DEFAULT_ROOT) if root is None else root
    experiment = limits.clean_key(experiment_name).replace("/", "_").replace(":", "_")
    return base.absolute() / experiment / f"{moment}-{uuid.uuid4().hex[:8]}"


class TrainingFiles:
    """Writes the files of one training; a full disk or a failing plot warns and does not lose the model.

    Parameters
    ----------
    folder : Path
        Where they go; made with the first file.
    writes : bool
        False for one that writes nothing: one of several processes is enough.
    """

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.folder = folder
        self._writes = writes
        self.written: dict[str, Path] = {}

    def made(self) -> Path:
        """Return the folder, which exists from then on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder

    def write_json(self, name: str, values: Any) -> None:
        """Write plain values; what JSON does not know is written as text."""

        def write(path: Path) -> Path:
            text = json.dumps(_finite(values), indent=2, default=str, allow_nan=False)
            _write_text(path, text)
            return path

        self._write(name, f"{name}.json", write)

    def write_traceback(self, error: BaseException) -> None:
        """Write the traceback of the error that ended the training."""
        text = "".join(traceback.format_exception(error))
        self._write("traceback", "traceback.txt", lambda path: _write_text(path, text))

    def write_model(self, model: BaseModel) -> None:
        """Write the model's bundle."""

        def write(path: Path) -> Path:
            model.save(path)
            return path

        self._write("model", "model.tw", write)

    def write_plots(self, result: TrainingResult, unit: str) -> None:
        """Draw the learning curve and the importances, where matplotlib is installed."""
        if not _optional.is_available("matplotlib"):
            return
        curve = "learning_curve"
        model, best, kept = result.model, None, None
        if model is not None:
            # Without a restored turn the model is at the last one, whichever scored best.
            best, kept = result.best_epoch, model.metadata.best_iteration
            kept = int(result.history[-1]["epoch"]) if kept is None else kept
        self._write(
            curve,
            f"{curve}.png",
            lambda path: plots.plot_learning_curve(result.history, path, unit=unit, best_epoch=best, kept_epoch=kept),
        )
        if model is not None:
            self._write("importance", "importance.png", lambda path: _draw_importance(model, path))

    def _write(self, name: str, filename: str, write: Callable[[Path], Path | None]) -> None:
        if not self._writes:
            return
        with _warned(name):
            path = write(self.made() / filename)
            if path is not None:
                self.written[name] = path


def _draw_importance(model: BaseModel, path: Path) -> Path | None:
    importance = model.feature_importances_
    return None if importance is None else plots.plot_importance(model.metadata.feature_names, importance, path)


@contextmanager
def _warned(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  the training is worth more than its files
        warnings.warn(f"{name} could not be written: {type(error).__name__}: {error}", RuntimeWarning, stacklevel=4)


def _write_text(path: Path, text: str) -> Path:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)  # noqa: PTH105  os.replace says that it overwrites
    return path


def _finite(values: Any) -> Any:
    """Plain values for strict JSON, which has no NaN: null instead."""
    if isinstance(values, Mapping):
        return {str(key): _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    if hasattr(values, "item") and hasattr(values, "dtype"):
        values = values.item()
    return None if isinstance(values, float) and not math.isfinite(values) else values
