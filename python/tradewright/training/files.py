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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewright import _optional
from tradewright.base import BaseModel
from tradewright.errors import DataError
from tradewright.tracking import limits

if TYPE_CHECKING:
    from tradewright.sanity_checks import SanityReport

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
        #: The plots that have nothing to show, each with the reason.
        self.not_drawn: dict[str, str] = {}

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

    def write_report(self, report: SanityReport) -> None:
        """Write the sanity report: for programs, and as a page."""
        self.write_json("report", report.to_dict())
        write_page = getattr(report, "to_html", None)
        if write_page is None:
            return

        def write(path: Path) -> Path:
            write_page(path)
            return path

        self._write("report_page", "report.html", write)

    def write_plots(self, drawn: Mapping[str, Callable[[Path], Path]]) -> None:
        """Draw plots, where matplotlib is installed; :attr:`not_drawn` says which have nothing to show, and why."""
        if not _optional.is_available("matplotlib"):
            self.not_drawn = dict.fromkeys(drawn, str(_optional.missing("matplotlib", "a plot")))
            return
        for name, draw in drawn.items():
            self._write(name, f"{name}.png", partial(self._draw, name, draw))

    def _draw(self, name: str, draw: Callable[[Path], Path], path: Path) -> Path | None:
        try:
            return draw(path)
        except DataError as error:
            self.not_drawn[name] = str(error)
            return None

    def _write(self, name: str, filename: str, write: Callable[[Path], Path | None]) -> None:
        if not self._writes:
            return
        with _warned(name):
            path = write(self.made() / filename)
            if path is not None:
                self.written[name] = path


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
