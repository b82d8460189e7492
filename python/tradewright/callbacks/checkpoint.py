"""Write the model to disk while it trains."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

from tradewright.base import Callback, TrainerView
from tradewright.callbacks.monitor import Mode, Monitor
from tradewright.errors import CallbackError, ParameterError

__all__ = ["ModelCheckpoint"]

LAST = "last.tw"


class ModelCheckpoint(Callback):
    """Save the model after turns that belong to the best ones so far.

    Every file is a whole bundle, written while training goes on: it is there after a crash in the next turn and loads
    with :func:`tradewright.load_model`, without pickle. Files are written atomically, and one that fell out of the best
    is removed only when the new one is durable.

    Parameters
    ----------
    dirpath : path, optional
        The folder, made when needed; by default ``checkpoints`` in the training's output folder. Files of the same
        names from earlier trainings are overwritten.
    filename : str
        A template for :meth:`str.format` over ``epoch`` and the log keys: ``"{epoch:03d}-{val_loss:.4f}"``. The
        ending ``.tw`` is added, and ``-v1``, ``-v2`` … before it where a kept file has the name already.
    monitor : str or None
        The log key that says which turns are best; None keeps the newest ones.
    mode : {"min", "max"}
        Whether less or more of it is better.
    save_top_k : int
        How many of the best to keep: 0 for none, −1 for all. Of equal values the earlier one stays.
    save_last : bool
        Also keep ``last.tw``, the newest turn.
    every_n_epochs : int
        Look only at each n-th turn.

    Attributes
    ----------
    best_model_path, best_model_score : Path or None, float or None
        The best file of the last training and its value.
    last_model_path : Path or None
        ``last.tw``, with ``save_last``.

    Raises
    ------
    NoValidationError
        At the start of training: a ``val_`` key, and no validation rows.
    UnknownMonitorError, CallbackError
        At the end of the first turn: a key that is not logged; a template that names one, or makes no file name.

    Notes
    -----
    Cost: one serialisation of the model and one synced write for each file.

    Examples
    --------
    >>> ModelCheckpoint(filename="{epoch:03d}-{val_loss:.4f}", save_top_k=3, save_last=True)
    ModelCheckpoint('{epoch:03d}-{val_loss:.4f}', monitor='val_loss', mode='min', save_top_k=3)
    """

    order: ClassVar[int] = 50

    def __init__(
        self,
        dirpath: str | PathLike[str] | None = None,
        filename: str = "epoch-{epoch:03d}",
        monitor: str | None = "val_loss",
        mode: Mode = "min",
        save_top_k: int = 1,
        save_last: bool = False,
        every_n_epochs: int = 1,
    ) -> None:
        self._monitor = None if monitor is None else Monitor(monitor, mode)
        if save_top_k < -1:
            raise ParameterError(f"save_top_k={save_top_k}: pass a count, or -1 for all", code="callback.save_top_k")
        if every_n_epochs < 1:
            raise ParameterError(f"every_n_epochs={every_n_epochs}: pass 1 or more", code="callback.every_n_epochs")
        self.dirpath = None if dirpath is None else Path(dirpath)
        self.filename = filename
        self.monitor, self.mode = monitor, mode
        self.save_top_k, self.save_last = save_top_k, save_last
        self.every_n_epochs = every_n_epochs
        self._start_afresh()

    def __repr__(self) -> str:
        return (
            f"ModelCheckpoint({self.filename!r}, monitor={self.monitor!r}, mode={self.mode!r}, "
            f"save_top_k={self.save_top_k})"
        )

    def _start_afresh(self) -> None:
        self.last_model_path: Path | None = None
        # File → its value; the best first, of equal ones the earlier.
        self._kept: list[tuple[Path, float]] = []

    @property
    def best_model_path(self) -> Path | None:
        """The best file of the last training."""
        return self._kept[0][0] if self._kept else None

    @property
    def best_model_score(self) -> float | None:
        """The value of the best file."""
        return self._kept[0][1] if self._kept and self._monitor is not None else None

    def on_train_begin(self, trainer: TrainerView) -> None:
        """Forget the last training; refuse a validation key without validation rows."""
        self._start_afresh()
        if self._monitor is not None and self.save_top_k != 0:
            self._monitor.refuse_without_validation(trainer, "ModelCheckpoint")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Save the model if this turn is among the best."""
        if (epoch + 1) % self.every_n_epochs:
            return
        if self.save_top_k != 0:
            value = float(epoch) if self._monitor is None else self._monitor.read(logs, "ModelCheckpoint")
            if self._belongs(value):
                self._keep(self._path(epoch, logs), value, logs)
        if self.save_last:
            self.last_model_path = self._folder() / LAST
            self._save(self.last_model_path, logs)

    def _belongs(self, value: float) -> bool:
        if self.save_top_k == -1:
            return True
        if math.isnan(value):
            return False
        return len(self._kept) < self.save_top_k or self._better(value, self._kept[-1][1])

    def _better(self, value: float, than: float) -> bool:
        # Without a key the newest are kept: later epochs win.
        return value > than if self._monitor is None else self._monitor.is_better(value, than)

    def _keep(self, path: Path, value: float, logs: Mapping[str, float]) -> None:
        kept = list(self._kept)
        at = next((i for i, item in enumerate(kept) if self._better(value, item[1]) or math.isnan(item[1])), len(kept))
        # One place is the new file's, so that it never falls out itself.
        surplus = [] if self.save_top_k == -1 else kept[self.save_top_k - 1 :]
        kept = kept[: len(kept) - len(surplus)]
        path = _free(path, {item[0] for item in kept})
        kept.insert(at, (path, value))
        self._save(path, logs)
        self._kept = kept
        for old, _ in surplus:
            if old != path:
                old.unlink(missing_ok=True)

    def _save(self, path: Path, logs: Mapping[str, float]) -> None:
        assert self.trainer is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        self.trainer.model.save(path)
        self.trainer.checkpoint_saved(path, logs)

    def _folder(self) -> Path:
        if self.dirpath is not None:
            return self.dirpath
        assert self.trainer is not None
        return self.trainer.output_dir / "checkpoints"

    def _path(self, epoch: int, logs: Mapping[str, float]) -> Path:
        try:
            # vformat takes keys such as "val_f1.macro" only as plain mappings; attribute access stays impossible.
            name = _Template().vformat(self.filename, (), {**logs, "epoch": epoch})
        except (KeyError, ValueError, IndexError) as error:
            raise CallbackError(
                f"ModelCheckpoint: filename={self.filename!r} cannot be filled in ({error}); it may name "
                f"{', '.join(['epoch', *sorted(logs)])}",
                code="callback.filename",
                known=["epoch", *sorted(logs)],
            ) from None
        name = name if name.endswith(".tw") else f"{name}.tw"
        if Path(name).name != name or name in (".tw", LAST):
            raise CallbackError(
                f"ModelCheckpoint: filename={self.filename!r} gives {name!r}, which is not a file name of its own: "
                "put folders into dirpath",
                code="callback.filename",
            )
        return self._folder() / name

    def state_dict(self) -> dict[str, Any]:
        """Return which files are kept."""
        return {"kept": [[str(path), value] for path, value in self._kept]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over which files are kept."""
        self._kept = [(Path(path), float(value)) for path, value in state["kept"]]


def _free(path: Path, taken: set[Path]) -> Path:
    """Return ``path``, with a version when a file that stays has that name."""
    free, version = path, 0
    while free in taken:
        version += 1
        free = path.with_name(f"{path.name.removesuffix('.tw')}-v{version}.tw")
    return free


class _Template(string.Formatter):
    """:meth:`str.format` whose fields are whole log keys: no attributes, no items."""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return kwargs[field_name], field_name
