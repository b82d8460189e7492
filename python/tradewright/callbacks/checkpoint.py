"""Write the model to disk while it trains."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

from tradewright.base import Callback, TrainerView
from tradewright.callbacks.checkpoint_names import LAST, STEP, checkpoint_name, free_path
from tradewright.callbacks.monitor import Mode, Monitor
from tradewright.errors import ParameterError

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Save the model after turns that belong to the best ones so far.

    Every file is a whole bundle, written while training goes on: it is there after a crash in the next turn, loads with
    :func:`tradewright.load_model`, without pickle, and a training can go on from it (``train(resume_from=path)``).
    Files are written atomically, and one that fell out of the best is removed only when the new one is durable.

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
        Look only at each n-th turn, counted from the first one.
    every_n_steps : int, optional
        Also write ``last-step.tw`` after every n batches of a torch training: what a crash in a long epoch leaves. A
        training that is resumed from it begins that epoch anew, with the weights as they were.
    exact : bool
        Train boosters in segments of ``every_n_epochs`` rounds, between which they are brought to bytes and read back,
        so that a resumed training has the same bits as one that was not broken off. Costs training time, at 25 rounds
        about as much again. Torch needs no segments for that.

    Attributes
    ----------
    best_model_path, best_model_score : Path or None, float or None
        The best file of the last training and its value.
    last_model_path, last_step_path : Path or None
        ``last.tw``, with ``save_last``, and ``last-step.tw``, with ``every_n_steps``.

    Raises
    ------
    NoValidationError
        At the start of training: a ``val_`` key, and no validation rows.
    UnknownMonitorError, CallbackError
        At the end of the first turn: a key that is not logged; a template that names one, or makes no file name.

    Notes
    -----
    Cost: one serialisation of the model, of its optimizer and of the best weights of EarlyStopping, and one synced write
    for each file; one hash of the rows per training.

    Of several of these callbacks, the last in the list writes what all of them know of the turn. A resumed training
    removes files only from its own folder.

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
        every_n_steps: int | None = None,
        exact: bool = False,
    ) -> None:
        self._monitor = None if monitor is None else Monitor(monitor, mode)
        if save_top_k < -1:
            raise ParameterError(f"save_top_k={save_top_k}: pass a count, or -1 for all", code="callback.save_top_k")
        if every_n_epochs < 1:
            raise ParameterError(f"every_n_epochs={every_n_epochs}: pass 1 or more", code="callback.every_n_epochs")
        if every_n_steps is not None and every_n_steps < 1:
            raise ParameterError(f"every_n_steps={every_n_steps}: pass 1 or more", code="callback.every_n_steps")
        self.dirpath = None if dirpath is None else Path(dirpath)
        self.filename = filename
        self.monitor, self.mode = monitor, mode
        self.save_top_k, self.save_last = save_top_k, save_last
        self.every_n_epochs, self.every_n_steps = every_n_epochs, every_n_steps
        self.exact = exact
        self.segment = every_n_epochs if exact else None
        self._start_afresh()

    def __repr__(self) -> str:
        return (
            f"ModelCheckpoint({self.filename!r}, monitor={self.monitor!r}, mode={self.mode!r}, "
            f"save_top_k={self.save_top_k})"
        )

    def _start_afresh(self) -> None:
        self.last_model_path: Path | None = None
        self.last_step_path: Path | None = None
        self._steps = 0
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
        if self.segment == 1 and trainer.unit == "round":
            warnings.warn(
                "ModelCheckpoint(exact=True) brings the booster to bytes and back after every round, which takes many"
                " times as long: pass every_n_epochs=25 or so",
                UserWarning,
                stacklevel=2,
            )

    def listens_to(self, hook: str) -> bool:
        """Whether the hook does something: batches only count with ``every_n_steps``."""
        return super().listens_to(hook) and (hook != "on_batch_end" or self.every_n_steps is not None)

    def on_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        """Save the model after every n batches."""
        assert self.every_n_steps is not None
        self._steps += 1
        if self._steps % self.every_n_steps == 0 or self._is_trial():
            self.last_step_path = self._folder() / STEP
            self._save(self.last_step_path, logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Save the model if this turn is among the best."""
        if (epoch + 1) % self.every_n_epochs and not self._is_trial():
            return
        if self.save_top_k != 0:
            value = float(epoch) if self._monitor is None else self._monitor.read(logs, "ModelCheckpoint")
            if self._belongs(value):
                self._keep(self._folder() / checkpoint_name(self.filename, epoch, logs), value, logs)
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
        path = free_path(path, {item[0] for item in kept})
        kept.insert(at, (path, value))
        # The file says of itself that it is kept; it is not if it cannot be written.
        self._kept, before = kept, self._kept
        try:
            self._save(path, logs)
        except BaseException:
            self._kept = before
            raise
        for old, _ in surplus:
            if old != path and old.parent == path.parent:
                old.unlink(missing_ok=True)

    def _save(self, path: Path, logs: Mapping[str, float]) -> None:
        assert self.trainer is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        self.trainer.save_checkpoint(path, logs)

    def _is_trial(self) -> bool:
        """Whether this is a dry run, which is to go through everything."""
        return self.trainer is not None and self.trainer.is_dry_run

    def _folder(self) -> Path:
        if self.dirpath is not None:
            return self.dirpath
        assert self.trainer is not None
        return self.trainer.output_dir / "checkpoints"

    def state_dict(self) -> dict[str, Any]:
        """Return which files are kept, and how many batches there were."""
        return {
            "kept": [[str(path.absolute()), value] for path, value in self._kept],
            "last": None if self.last_model_path is None else str(self.last_model_path.absolute()),
            "steps": self._steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over which files are kept, as far as they are still there."""
        self._kept = [(Path(path), float(value)) for path, value in state["kept"] if Path(path).is_file()]
        last = state["last"]
        self.last_model_path = Path(last) if last is not None and Path(last).is_file() else None
        self._steps = int(state["steps"])
