"""What BoostingModel needs of a boosting library; one implementation per library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tradewright.base import LoopObserver, Samples
from tradewright.base.metadata import Task
from tradewright.models.tree_based.booster_loss import BoosterLoss

__all__ = ["BoosterLibrary", "BoosterSink"]


class BoosterSink(Protocol):
    """Who keeps the booster while it grows: the model."""

    def take(self, booster: Any, n_rounds: int) -> None:
        """Keep the booster as it is after ``n_rounds`` rounds; called before each round is reported."""


class BoosterLibrary(Protocol):
    """A boosting library behind :class:`~tradewright.models.BoostingModel`; stateless."""

    framework: str
    payload_format: str
    #: The classes of estimators that a bundle may ask for, by name.
    estimators: Mapping[str, Task]

    def new_estimator(self, name: str, params: Mapping[str, Any]) -> Any:
        """Build an unfitted estimator of one of :attr:`estimators`."""

    def seed(self, estimator: Any) -> int | None:
        """Return the seed the estimator was given, None when it was not."""

    def can_go_back(self, estimator: Any) -> bool:
        """Whether the first k rounds of a fit are a model of their own."""

    def fit(
        self,
        estimator: Any,
        train: Samples,
        val: Samples | None,
        observer: LoopObserver,
        seed: int | None,
        sink: BoosterSink,
        loss: BoosterLoss | None = None,
    ) -> bool:
        """Train a clone of ``estimator``, reporting each round; False when it was stopped before the first.

        With ``loss`` it is trained on that instead of the library's objective, and reports it.
        """

    def raw_predict(self, booster: Any, X: NDArray[Any], n_rounds: int) -> NDArray[np.float64]:
        """Return the booster's output after ``n_rounds`` rounds: numbers, or probabilities of a classifier.

        Of a booster trained on a loss of ours: what the trees add to its start.
        """

    def importances(self, booster: Any, n_rounds: int) -> NDArray[np.float64]:
        """Return the total gain per feature."""

    def to_bytes(self, booster: Any, n_rounds: int) -> bytes:
        """Return the first ``n_rounds`` rounds in the library's own format."""

    def from_bytes(self, data: bytes) -> tuple[Any, int]:
        """Return the booster and its number of rounds."""
