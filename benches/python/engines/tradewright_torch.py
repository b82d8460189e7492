"""tradewright's TorchModel: alone, and under the trainer with its four built-in callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from engines.torch_raw import BATCH, HIDDEN

import tradewright as tw
from tradewright.base import Samples, SilentObserver

PACKAGE = "tradewright"
TRAINED = 1.0


def model(epochs: int, shuffle: Any = "full") -> tw.TorchModel:
    """The perceptron."""
    return tw.TorchModel(
        "mlp",
        module_params={"hidden": list(HIDDEN)},
        batch_size=BATCH,
        epochs=epochs,
        shuffle=shuffle,
        seed=0,
        device="cpu",
    )


def fit(X: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Train from scratch, without callbacks."""
    model(epochs).fit(X, y)


class Between(tw.Callback):
    """Does something else after every epoch, when all other callbacks are through, and clocks what lies between."""

    order = 1000

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.seconds: list[float] = []
        self._resumed: float | None = None

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        if self._resumed is not None:  # the first epoch warms up
            self.seconds.append(time.perf_counter() - self._resumed)
        self.work()
        self._resumed = time.perf_counter()


class Bare(SilentObserver):
    """The same without a trainer."""

    def __init__(self, between: Between) -> None:
        self.between = between

    def epoch_end(self, state: Any) -> bool:
        self.between.on_epoch_end(state.epoch, state.logs)
        return False


def epochs(
    X: np.ndarray, y: np.ndarray, count: int, work: Callable[[], None], *, folder: Path | None, shuffle: Any
) -> list[float]:
    """Return the seconds of each epoch after the first, with ``work`` done between them and not counted.

    With a ``folder``, under the trainer with EarlyStopping, ModelCheckpoint, MLflowLogger and ProgressBar.
    """
    between = Between(work)
    trained = model(count + 1, shuffle)
    if folder is None:
        trained.fit_samples(Samples.collect(X, y), observer=Bare(between))
        return between.seconds
    trainer = tw.ModelTrainer(trained, "bench", f"sqlite:///{folder}/mlflow.db", output_dir=folder / "runs", seed=0)
    callbacks = [
        tw.EarlyStopping("train_loss", patience=count + 2),
        tw.ModelCheckpoint(monitor="train_loss"),
        tw.MLflowLogger(),
        tw.ProgressBar(),
        between,
    ]
    trainer.train(X, y, callbacks=callbacks, checks=None)
    return between.seconds
