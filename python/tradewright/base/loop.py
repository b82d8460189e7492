"""How a training loop talks to whoever watches it.

The loop lives in the model, one per back end. After each epoch, boosting round or single fit it reports a
:class:`TrainState` and asks whether to stop. ``fit`` runs the loop alone; the trainer runs the same loop and hands the
reports to its callbacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["LoopObserver", "ModelState", "Resume", "SilentObserver", "TrainState", "Unit"]

#: What one turn of the loop is: an epoch (torch), a boosting round, or the whole fit (scikit-learn).
Unit = Literal["epoch", "round", "fit"]


@dataclass(frozen=True, slots=True)
class TrainState:
    """What a loop reports after one turn.

    Parameters
    ----------
    epoch : int
        The turn that ended, from 0.
    unit : {"epoch", "round", "fit"}
        What a turn is.
    total : int or None
        How many turns are planned, where that is known.
    logs : mapping of str to float
        ``train_loss``, ``val_loss``, ``train_<metric>``, ``val_<metric>``, ``lr``, ``seconds`` (the turn's wall time):
        the same keys on every back end, each where it exists.
    """

    epoch: int
    unit: Unit
    total: int | None
    logs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Resume:
    """Where a broken-off fit goes on.

    The resumed loop reports ``loop_begin`` as ever and goes on with ``epoch_begin(epoch)``. The train rows are those of
    the broken-off fit, so what a model learns from them before its first turn (scaling, classes) it learns again.

    Parameters
    ----------
    epoch : int
        How many turns are done, and so the number of the next one.
    payload_format : str
        The format of ``payloads``.
    payloads : mapping of str to bytes
        The model after those turns, as its bundle holds it.
    state : mapping of str to bytes
        What the model's ``_training_state`` returned then.
    config : mapping
        What the model's ``_config`` returned then.
    """

    epoch: int
    payload_format: str
    payloads: Mapping[str, bytes]
    state: Mapping[str, bytes]
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ModelState:
    """A model's weights at one turn of its loop, kept in memory.

    Parameters
    ----------
    epoch : int
        The turn the weights are of, from 0.
    weights : object
        Whatever the back end needs to go back there; opaque to everyone else.
    """

    epoch: int
    weights: Any


class LoopObserver(Protocol):
    """Whoever watches a loop. The loop calls these on the thread that called ``fit``, in this order."""

    @property
    def segment(self) -> int | None:
        """How many rounds a booster trains at a stretch; None for all of them.

        Between two segments the booster is brought to bytes, read back and seeded by the number of the segment, so that
        a fit that is resumed between two segments has the same bits as one that was not broken off. Loops that can be
        resumed exactly anyway, and one-shot fits, ignore it. Asked for once, after :meth:`loop_begin`.
        """

    @property
    def batch_limit(self) -> int | None:
        """How many batches an epoch may have at most; None for all of them.

        ``train_loss`` is then that of the rows the shortened epoch has seen.
        """

    @property
    def wants_batches(self) -> bool:
        """Whether :meth:`batch_begin` and :meth:`batch_end` should be called: loops skip them when nobody listens."""

    def loop_begin(self, unit: Unit, total: int | None) -> None:
        """Called once, before the first turn."""

    def epoch_begin(self, epoch: int) -> bool:
        """Called before each turn; True asks the loop to end before it."""

    def batch_begin(self, batch: int) -> None:
        """Called before each batch of a torch epoch."""

    def batch_end(self, batch: int, logs: Mapping[str, float]) -> bool:
        """Called after each batch of a torch epoch; True asks the loop to end after this epoch."""

    def epoch_end(self, state: TrainState) -> bool:
        """Called after each turn; True asks the loop to end here, keeping the model as it is."""


class SilentObserver:
    """An observer that watches nothing and never stops a loop: what plain ``fit`` uses."""

    segment: int | None = None
    batch_limit: int | None = None
    wants_batches = False

    def loop_begin(self, unit: Unit, total: int | None) -> None:
        """Do nothing."""

    def epoch_begin(self, epoch: int) -> bool:
        """Go on."""
        return False

    def batch_begin(self, batch: int) -> None:
        """Do nothing."""

    def batch_end(self, batch: int, logs: Mapping[str, float]) -> bool:
        """Go on."""
        return False

    def epoch_end(self, state: TrainState) -> bool:
        """Go on."""
        return False
