"""What BoostingModel needs of a boosting library; one implementation per library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tradewright.base import LoopObserver, Samples
from tradewright.base.metadata import Task
from tradewright.models.tree_based.booster_loss import BoosterLoss

__all__ = ["BoosterJob", "BoosterLibrary", "BoosterSink"]


@dataclass(frozen=True, slots=True, eq=False)
class BoosterJob:
    """One fit.

    Parameters
    ----------
    estimator : estimator of the library
        Unfitted; it is read, never changed.
    train, val : Samples, Samples or None
        The rows; the labels of a classifier are the places of its classes: 0, 1, …
    n_classes : int or None
        How many classes there are; None for regression.
    seed : int or None
        The seed of the fit; None leaves the library's own.
    loss : BoosterLoss or None
        What to train on instead of the library's objective; it is reported too.
    done, payload : int, bytes or None
        How many rounds a broken-off fit did, and those rounds as :meth:`BoosterLibrary.to_bytes` wrote them.
    """

    estimator: Any
    train: Samples
    val: Samples | None
    n_classes: int | None
    seed: int | None
    loss: BoosterLoss | None = None
    done: int = 0
    payload: bytes | None = None

    @property
    def watched(self) -> list[tuple[str, Samples]]:
        """The sets that are measured each round, by the names that their log keys begin with."""
        return [("train", self.train)] + ([] if self.val is None else [("val", self.val)])

    @property
    def scores_start(self) -> list[NDArray[np.float64]]:
        """The constant scores that trees are added to, of each watched set; for a loss of ours."""
        assert self.loss is not None
        return [np.full(len(samples), self.loss.start) for _, samples in self.watched]

    def segment_seed(self, done: int) -> int | None:
        """Return the seed of the rounds after ``done``: a booster that is read back starts its random streams anew.

        With the same seed as before, it would draw the same rows and columns once more.
        """
        if done == 0:
            return self.seed
        sequence = np.random.SeedSequence([0 if self.seed is None else self.seed % 2**32, done])
        return int(sequence.generate_state(1)[0] >> 1)  # libraries take 31 bits


class BoosterSink(Protocol):
    """Who keeps the booster while it grows: the model."""

    @property
    def learning_rate_(self) -> float | None:
        """The learning rate asked for while the booster grows; None for the estimator's own."""

    def take(self, booster: Any, n_rounds: int) -> None:
        """Keep the booster as it is after ``n_rounds`` rounds; called before each round is reported."""


class BoosterLibrary(Protocol):
    """A boosting library behind :class:`~tradewright.models.BoostingModel`; stateless."""

    framework: str
    payload_format: str
    #: The name of the payload in a bundle.
    payload_name: str
    #: The classes of estimators that a bundle may ask for, by name.
    estimators: ClassVar[Mapping[str, Task]]
    #: Whether the learning rate of a booster can be changed while it grows.
    has_learning_rate: bool

    def new_estimator(self, name: str, params: Mapping[str, Any]) -> Any:
        """Build an unfitted estimator of one of :attr:`estimators`."""

    def seed(self, estimator: Any) -> int | None:
        """Return the seed the estimator was given, None when it was not."""

    def can_go_back(self, estimator: Any) -> bool:
        """Whether the first k rounds of a fit are a model of their own."""

    def can_be_cut(self, estimator: Any, loss: BoosterLoss | None) -> bool:
        """Whether a fit can go on from its bytes: what a resumed fit, and one in segments, does."""

    def fit(self, job: BoosterJob, observer: LoopObserver, sink: BoosterSink) -> bool:
        """Train, reporting each round; False when it was stopped before the first one there ever was.

        Raises
        ------
        ParameterError
            For settings that work against the loop, or against the loss.
        """

    def raw_predict(self, booster: Any, X: NDArray[Any], n_rounds: int) -> NDArray[np.float64]:
        """Return the booster's output after ``n_rounds`` rounds: numbers, or probabilities of a classifier.

        Of a booster trained on a loss of ours: what the trees add to its start.
        """

    def importances(self, booster: Any, n_rounds: int) -> NDArray[np.float64]:
        """Return an importance per feature: the total gain, where the library has it."""

    def to_bytes(self, booster: Any, n_rounds: int) -> bytes:
        """Return the first ``n_rounds`` rounds in the library's own format."""

    def from_bytes(self, data: bytes) -> tuple[Any, int]:
        """Return the booster and its number of rounds."""
