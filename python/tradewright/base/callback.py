"""The callback contract, and what a callback sees of the trainer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from tradewright.base.model import BaseModel

__all__ = ["Callback", "MetricSink", "TrainerView"]


class MetricSink(Protocol):
    """Where per-epoch metrics go: the open tracking run of a training."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of one step; may buffer."""

    def flush(self) -> None:
        """Write out what is buffered."""


class TrainerView(Protocol):
    """What a callback may see and do of the trainer that runs it."""

    @property
    def model(self) -> BaseModel:
        """The model in training."""

    @property
    def experiment_name(self) -> str:
        """The experiment the training belongs to."""

    @property
    def output_dir(self) -> Path:
        """The folder of this training's files; exists."""

    @property
    def tracking_run(self) -> MetricSink | None:
        """The open tracking run; None when tracking is off."""

    @property
    def has_validation(self) -> bool:
        """Whether there are validation rows, and so ``val_*`` logs."""

    @property
    def unit(self) -> Literal["epoch", "round", "fit"]:
        """What one turn of the loop is."""

    @property
    def total(self) -> int | None:
        """How many turns are planned, where that is known."""

    @property
    def is_dry_run(self) -> bool:
        """Whether this is a trial of a few batches or rounds, which is to go through everything."""

    def request_stop(self, reason: str) -> None:
        """Ask for the end of training; acted upon after all callbacks of the hook have run."""

    def save_checkpoint(self, path: Path, logs: Mapping[str, float]) -> None:
        """Write the model as it is now, and what a resumed training needs, as one file; then tell every callback.

        The folder must exist. The file is a bundle that loads like any other, written atomically: once
        ``on_checkpoint_saved`` runs, it is durably on disk. What callbacks know is as it is at this moment: those that
        run after the caller have not seen the turn yet.
        """


class Callback:
    """Hooks into a training; override the ones you need.

    The same callback works for torch epochs, boosting rounds and one-shot scikit-learn fits, where an *epoch* is one
    turn of the loop. The trainer sets :attr:`trainer` before the first hook. One object may serve many fits:
    ``on_train_begin`` starts afresh.

    Attributes
    ----------
    trainer : TrainerView or None
        Set by the trainer; never pickled.
    order : int
        Callbacks of a hook run in ascending order: metric makers 10, schedulers 20, early stopping 30, loggers and
        progress 40, checkpoints 50.
    segment : int or None
        How many rounds a booster should train at a stretch; see :class:`LoopObserver`.
    on_error : {"raise", "warn"}
        What an exception in a hook does: end the training (callbacks that act on the model), or warn once and switch
        the callback off (telemetry).

    Examples
    --------
    >>> class Shout(Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print(f"epoch {epoch}: {logs['train_loss']:.2f}")
    >>> Shout().on_epoch_end(0, {"train_loss": 0.5})
    epoch 0: 0.50
    """

    order: ClassVar[int] = 40
    on_error: Literal["raise", "warn"] = "raise"
    segment: int | None = None
    trainer: TrainerView | None = None

    def on_train_begin(self, trainer: TrainerView) -> None:
        """Run before the first epoch."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Run before each epoch."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Run after each epoch, with its logs."""

    def on_train_end(self, logs: Mapping[str, float]) -> None:
        """Run once when training is over, whatever ended it, with the last logs."""

    def on_fold_begin(self, fold: int) -> None:
        """Run before each fold of a cross-validation."""

    def on_fold_end(self, fold: int, logs: Mapping[str, float]) -> None:
        """Run after each fold of a cross-validation."""

    def on_batch_begin(self, batch: int) -> None:
        """Run before each batch; costs nothing unless overridden."""

    def on_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        """Run after each batch; costs nothing unless overridden."""

    def on_validation_end(self, logs: Mapping[str, float]) -> None:
        """Run after the validation rows of an epoch were scored."""

    def on_checkpoint_saved(self, path: Path, logs: Mapping[str, float]) -> None:
        """Run after a checkpoint is durably on disk."""

    def on_interrupt(self, signum: int) -> None:
        """Run when SIGINT or SIGTERM asks the training to end."""

    def on_exception(self, error: BaseException) -> None:
        """Run when training ends by an exception, before it is raised again."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs: plain JSON values, and bytes."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned; in a resumed training, after :meth:`on_train_begin`."""

    def listens_to(self, hook: str) -> bool:
        """Whether the callback does something in ``hook``: one that does not costs nothing.

        By default whether the hook is overridden, by the class or on the object itself.
        """
        return hook in vars(self) or getattr(type(self), hook) is not getattr(Callback, hook)

    def __getstate__(self) -> dict[str, Any]:
        # The trainer holds open runs and threads; a callback that is copied or pickled goes without it.
        return {name: value for name, value in self.__dict__.items() if name != "trainer"}
