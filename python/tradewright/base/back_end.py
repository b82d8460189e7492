"""What a back end fills in to become a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from tradewright.base.loop import LoopObserver, ModelState, Resume
from tradewright.base.metadata import Task
from tradewright.base.samples import FloatDtype, Samples
from tradewright.errors import NotFittedError, UnsupportedError

__all__ = ["BackEnd"]


class BackEnd(ABC):
    """The part of :class:`~tradewright.BaseModel` that is another one for each library; see there.

    Attributes
    ----------
    framework : str
        The library behind the model; also what its bundle payload is named after.
    """

    framework: ClassVar[str]
    #: The dtype the back end computes in; None keeps what the caller brought.
    _dtype: ClassVar[FloatDtype | None] = None
    #: Whether categorical columns of a frame are taken, as places among their categories.
    takes_categories: ClassVar[bool] = False
    #: What is raised before the first fit; wrappers of a library raise what its users catch as well.
    _not_fitted: ClassVar[type[NotFittedError]] = NotFittedError
    #: The parameters that say how many turns a fit has: a resumed fit may have more of them.
    _length_parameters: ClassVar[tuple[str, ...]] = ()

    # --- what a back end fills in ---------------------------------------------------------------------------------

    @property
    @abstractmethod
    def task(self) -> Task:
        """Whether the model predicts numbers or classes."""

    @property
    @abstractmethod
    def hyperparameters(self) -> Mapping[str, Any]:
        """The parameters of the fit, flat, as plain JSON values."""

    @property
    def display_name(self) -> str:
        """What people call the model, where the class is a wrapper of many: the estimator, the module."""
        return type(self).__name__

    @property
    def seed(self) -> int | None:
        """The seed the model was built with; None lets the trainer choose."""
        return None

    def _chosen_seed(self, seed: int | None) -> int | None:
        """Return the seed of a fit, which the metadata records: the model's own goes before the trainer's."""
        return seed if self.seed is None else self.seed

    @property
    def device_in_use(self) -> str:
        """The device the model computes on."""
        return "cpu"

    @property
    def peak_memory(self) -> int | None:
        """The most bytes of the device's memory the last fit had in use; None where nobody counts them."""
        return None

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes of a fitted classifier, ascending."""
        return None

    @property
    def libraries(self) -> tuple[str, ...]:
        """The distributions whose versions belong into the metadata."""
        return (self.framework,)

    @property
    def reads_history(self) -> bool:
        """Whether a row's prediction reads earlier rows of its asset. Such a model takes Panels, and sees all their rows."""
        return False

    @abstractmethod
    def _fit_loop(
        self,
        train: Samples,
        val: Samples | None,
        observer: LoopObserver,
        seed: int | None,
        resume: Resume | None = None,
    ) -> None:
        """Train from scratch, or on from ``resume``; report every turn to ``observer`` and end when it says so."""

    @abstractmethod
    def _predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Predict numbers, or labels for a classifier; a model that reads history gets a History for a matrix."""

    @abstractmethod
    def snapshot(self) -> ModelState | None:
        """Return the weights as they are now; None where there is nothing to go back to (one-shot fits)."""

    @abstractmethod
    def restore(self, state: ModelState) -> None:
        """Go back to the weights of a snapshot of this very fit."""

    @abstractmethod
    def _to_payloads(self) -> tuple[str, dict[str, bytes]]:
        """Return the payload format and the payloads of the fitted model; between two turns, of the model so far."""

    @abstractmethod
    def _config(self) -> dict[str, Any]:
        """Return what :meth:`_from_bundle` needs beside the payloads, as plain JSON values."""

    @classmethod
    @abstractmethod
    def _from_bundle(cls, config: Mapping[str, Any], payload_format: str, payloads: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model from what :meth:`_config` and :meth:`_to_payloads` returned."""

    # --- what a back end may fill in ------------------------------------------------------------------------------

    def _training_state(self) -> dict[str, bytes]:
        """Return what a resumed fit needs beside the payloads, between two turns: optimizer, random streams.

        The names are those of files; the bytes safetensors or JSON, never pickle.
        """
        return {}

    def _resumes_exactly(self, segment: int | None) -> bool:
        """Whether a resumed fit has the same bits as one that was not broken off.

        ``segment`` is that of :class:`LoopObserver`, the same before and after; None where they differ.
        """
        return False

    def _snapshot_to_bytes(self, state: ModelState) -> bytes:
        """Return a snapshot of this fit without pickle, so that a checkpoint can hold the best turn too."""
        raise UnsupportedError(f"a {type(self).__name__} cannot write its snapshots", code="model.no_snapshots")

    def _snapshot_from_bytes(self, epoch: int, data: bytes) -> ModelState:
        """Return the snapshot that :meth:`_snapshot_to_bytes` wrote."""
        raise UnsupportedError(f"a {type(self).__name__} cannot read snapshots", code="model.no_snapshots")

    def set_learning_rate(self, lr: float) -> bool:
        """Train on with another learning rate from the next turn on; False where there is none that can change."""
        return False

    def _refuse_resume(self, resume: Resume | None) -> None:
        """Raise where a back end has no way to go on with a broken-off fit."""
        if resume is not None:
            raise UnsupportedError(
                f"a {type(self).__name__} of {self.framework} cannot go on with a broken-off fit: leave resume_from out"
                " and train from scratch",
                code="model.no_resume",
            )
