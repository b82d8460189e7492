"""What models are checked on: small data, fits with a seed, an observer that keeps what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.base import BaseModel, SilentObserver, TrainState
from tradewright.base.metadata import Task
from tradewright.panel import Panel

__all__ = ["SEED", "Case", "Recorder", "Weighing", "assert_close", "assert_same", "expect"]

SEED = 7
#: What a model makes of ``sample_weight``: a row of weight 2 is two rows; it counts for more; there are no weights.
Weighing = Literal["exact", "used", "refused"]
_NAMES = ("momentum", "value", "size", "carry")
_ASSETS = 2


@dataclass(frozen=True, eq=False)
class Case:
    """A problem with what is needed to pose it to a model.

    Parameters
    ----------
    make : callable
        Returns a new, unfitted model.
    task : {"regression", "classification"}
        What the labels are.
    weights : {"exact", "used", "refused"}
        What is expected of ``sample_weight``.
    X, y, X_val, y_val : ndarray
        Train and validation rows: four features, no NaN; classes are 0 and 1.
    """

    make: Callable[[], BaseModel]
    task: Task
    weights: Weighing
    X: NDArray[np.float64]
    y: NDArray[Any]
    X_val: NDArray[np.float64]
    y_val: NDArray[Any]
    names: tuple[str, ...] = _NAMES

    @classmethod
    def random(cls, make: Callable[[], BaseModel], task: Task, weights: Weighing, rows: int, seed: int) -> Case:
        """Draw a linear problem with noise."""
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(rows + rows // 2, len(_NAMES)))
        y: NDArray[Any] = X @ np.array([1.0, -0.5, 0.25, 0.0]) + 0.1 * rng.normal(size=len(X))
        if task == "classification":
            y = (y > 0).astype(np.int64)
        return cls(make, task, weights, X[:rows], y[:rows], X[rows:], y[rows:])

    @property
    def is_sequence(self) -> bool:
        """Whether the model reads the past of a row, and so takes panels alone."""
        return self.make().reads_history

    def counts(self, found: int, rows: int) -> bool:
        """Whether a number of rows is right: a model of sequences leaves out those with too short a past."""
        return rows / 2 <= found <= rows if self.is_sequence else found == rows

    def fit(
        self,
        X: Any = None,
        y: Any = None,
        *,
        model: BaseModel | None = None,
        observer: SilentObserver | None = None,
        seed: int = SEED,
        **arguments: Any,
    ) -> BaseModel:
        """Fit through the public ``fit``, as the trainer would have it: with a seed and an observer."""
        model = self.make() if model is None else model
        X = self.table(self.X) if X is None else X
        with _told(model, observer, seed):
            fitted = model.fit(X, self.y if y is None else y, **arguments)
        assert fitted is model, "fit does not return the model itself"
        return model

    def eval_set(self) -> tuple[Any, Any]:
        """The validation rows as ``fit`` takes them."""
        return self.table(self.X_val, later=True), self.y_val

    def table(self, X: NDArray[Any], *, later: bool = False) -> Any:
        """Rows as the model takes them: the matrix, or a panel for a model of sequences."""
        return self.panel(X, None, later=later) if self.is_sequence else X

    def panel(self, X: NDArray[Any], y: Any, *, weight: Any = None, later: bool = False) -> Panel:
        """Rows as a panel of two assets."""
        time = np.arange(len(X)) // _ASSETS + (10 * len(self.X) if later else 0)
        return Panel.from_arrays(
            X, y, time=time, asset=np.arange(len(X)) % _ASSETS, weight=weight, feature_names=self.names
        )

    def output(self, model: BaseModel, X: Any = None) -> NDArray[Any]:
        """What the model says, as fine as it says it: probabilities of a classifier that has them."""
        X = self.table(self.X_val, later=True) if X is None else X
        found: NDArray[Any] = (model.predict_proba if hasattr(model, "predict_proba") else model.predict)(X)
        return found


@contextmanager
def _told(model: BaseModel, observer: SilentObserver | None, seed: int) -> Iterator[None]:
    """Have ``fit`` hand seed and observer on, as no argument of it does."""
    told: Any = partial(model.fit_samples, seed=seed, observer=observer)
    model.__dict__["fit_samples"] = told
    try:
        yield
    finally:
        del model.__dict__["fit_samples"]


@dataclass
class Recorder(SilentObserver):
    """Keeps every report; stops where it is told to; calls ``then`` at the end of each turn."""

    stop_at: int | None = None
    stop_before: int | None = None
    then: Callable[[TrainState], None] | None = None
    begun: list[tuple[str, int | None]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    states: list[TrainState] = field(default_factory=list)

    def loop_begin(self, unit: Any, total: int | None) -> None:
        """Keep it."""
        self.begun.append((unit, total))

    def epoch_begin(self, epoch: int) -> bool:
        """Keep it."""
        self.turns.append(epoch)
        return epoch == self.stop_before

    def epoch_end(self, state: TrainState) -> bool:
        """Keep it."""
        self.states.append(state)
        if self.then is not None:
            self.then(state)
        return state.epoch == self.stop_at


def assert_same(found: NDArray[Any], wanted: NDArray[Any], what: str) -> None:
    """Fail unless both hold the same bits, NaN included."""
    assert found.shape == wanted.shape, f"{what}: the shapes are {found.shape} and {wanted.shape}"
    same = found == wanted
    if found.dtype.kind == "f":
        same = same | (np.isnan(found) & np.isnan(wanted))
    assert np.all(same), f"{what}: {int((~same).sum())} of {same.size} values differ, by {_distance(found, wanted)}"


def assert_close(found: NDArray[Any], wanted: NDArray[Any], share: float, what: str) -> None:
    """Fail unless both agree to a share of the spread of what is wanted; labels may differ in that share of rows."""
    if found.dtype.kind != "f":
        assert np.mean(found != wanted) <= share, f"{what}: {int((found != wanted).sum())} labels differ"
        return
    spread = float(np.nanstd(wanted)) or 1.0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=share * spread, err_msg=what)


def _distance(found: NDArray[Any], wanted: NDArray[Any]) -> str:
    if found.dtype.kind != "f":
        return "as labels do"
    return f"{float(np.nanmax(np.abs(found - wanted))):.2g} at most"


def expect(error: type[Exception] | tuple[type[Exception], ...], act: Callable[[], Any], what: str) -> Exception:
    """Fail unless ``act`` raises ``error``; return it."""
    try:
        act()
    except error as caught:
        return caught
    except Exception as other:
        raise AssertionError(f"{what}: raises {type(other).__name__} ({other}) instead of {_name(error)}") from other
    raise AssertionError(f"{what}: raises nothing instead of {_name(error)}")


def _name(error: type[Exception] | tuple[type[Exception], ...]) -> str:
    return " or ".join(each.__name__ for each in (error if isinstance(error, tuple) else (error,)))
