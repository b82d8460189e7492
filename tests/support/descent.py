"""A small honest model for tests of the trainer: least squares by gradient descent, one report per epoch."""

import json
import time
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from tradewright.base import BaseModel, ModelState, TrainState


class DescentModel(BaseModel):
    """Linear least squares by full-batch gradient descent.

    ``unit="fit"`` runs all epochs as one turn. ``val_losses`` replaces the reported validation losses, so that a test
    can prescribe what a callback sees; the weights are real all the same. ``fails_at`` raises inside that epoch. With
    ``momentum`` a resumed fit needs more than the weights; with ``exact=False`` it says that it has other bits.
    """

    _length_parameters = ("epochs",)

    framework = "numpy"

    def __init__(
        self,
        epochs=10,
        lr=0.1,
        unit="epoch",
        val_losses=None,
        fails_at=None,
        pause=0.0,
        batches=1,
        seed=None,
        momentum=0.0,
        exact=True,
    ):
        self.epochs, self.lr, self.unit, self.val_losses = epochs, lr, unit, val_losses
        self.fails_at, self.pause, self.batches, self._seed = fails_at, pause, batches, seed
        self.momentum, self.exact = momentum, exact
        self.weights = self.velocity = None
        self.epoch = -1
        self.seed_used = None
        self.draws = []

    @property
    def task(self):
        return "regression"

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        return {"epochs": self.epochs, "lr": self.lr, "unit": self.unit, "momentum": self.momentum}

    @property
    def seed(self):
        return self._seed

    @property
    def feature_importances_(self):
        share = np.abs(self.weights)
        return share / share.sum()

    def _fit_loop(self, train, val, observer, seed, resume=None):
        self.seed_used = seed
        self.weights, self.velocity = np.zeros((2, train.X.shape[1]))
        self.rate = self.lr
        self.epoch = -1
        if resume is not None:
            if self.unit == "fit":
                self._refuse_resume(resume)
            self.weights = np.frombuffer(resume.payloads["weights.f64"], dtype="<f8").copy()
            self.velocity = np.array(json.loads(resume.state["velocity.json"]))
            self.epoch = resume.epoch - 1
        if self.unit == "fit":
            observer.loop_begin("fit", 1)
            observer.epoch_begin(0)
            for epoch in range(self.epochs):
                self._step(train, epoch)
            self.epoch = 0
            observer.epoch_end(TrainState(0, "fit", 1, self._logs(train, val, 0)))
            return
        observer.loop_begin(self.unit, self.epochs)
        for epoch in range(self.epoch + 1, self.epochs):
            if observer.epoch_begin(epoch):
                break
            started = time.perf_counter()
            limit = observer.batch_limit
            for batch in range(self.batches if limit is None else min(limit, self.batches)):
                if observer.wants_batches:
                    observer.batch_begin(batch)
                self._step(train, epoch)
                if observer.wants_batches:
                    observer.batch_end(batch, {"loss": self._loss(train)})
            self.epoch = epoch
            logs = self._logs(train, val, epoch) | {"lr": self.rate, "seconds": time.perf_counter() - started}
            if observer.epoch_end(TrainState(epoch, self.unit, self.epochs, logs)):
                break

    def _step(self, train, epoch):
        if epoch == self.fails_at:
            raise RuntimeError(f"the library gave up in epoch {epoch}")
        if self.pause:
            time.sleep(self.pause)
        self.draws.append(float(np.random.random()))  # noqa: NPY002  shows which global seed is in force
        error = train.X @ self.weights - train.y
        self.velocity = self.momentum * self.velocity - self.rate * train.X.T @ error / len(train)
        self.weights = self.weights + self.velocity

    def _logs(self, train, val, epoch):
        logs = {"train_loss": self._loss(train)}
        if val is not None:
            logs["val_loss"] = self._loss(val) if self.val_losses is None else self.val_losses[epoch]
        return logs

    def _loss(self, samples):
        return float(np.mean((samples.X @ self.weights - samples.y) ** 2))

    def _predict(self, X):
        return X @ self.weights

    def snapshot(self):
        return None if self.unit == "fit" else ModelState(self.epoch, self.weights.copy())

    def restore(self, state):
        self.weights = state.weights.copy()
        self.epoch = state.epoch

    def set_learning_rate(self, lr):
        self.rate = lr
        return self.unit != "fit"

    def _training_state(self):
        return {"velocity.json": json.dumps(self.velocity.tolist()).encode()}

    def _resumes_exactly(self, segment):
        return self.exact

    def _snapshot_to_bytes(self, state):
        return np.asarray(state.weights, dtype="<f8").tobytes()

    def _snapshot_from_bytes(self, epoch, data):
        return ModelState(epoch, np.frombuffer(data, dtype="<f8").copy())

    def _to_payloads(self):
        self._facts()
        return "f64", {"weights.f64": np.asarray(self.weights, dtype="<f8").tobytes()}

    def _config(self):
        return {"epochs": self.epochs, "lr": self.lr, "unit": self.unit, "momentum": self.momentum}

    @classmethod
    def _from_bundle(cls, config, payload_format, payloads) -> Self:
        model = cls(**config)
        model.weights = np.frombuffer(payloads["weights.f64"], dtype="<f8").copy()
        return model


def problem(n=60, k=3, seed=0, shift=0.0):
    """Return (X, y) of a noisy linear problem."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, k)) + shift
    return X, X @ np.arange(1.0, k + 1) + rng.normal(scale=0.1, size=n)


def split_problem():
    """Return X_train, y_train, X_val, y_val."""
    X, y = problem()
    return X[:40], y[:40], X[40:], y[40:]
