"""The smallest model that keeps the whole contract: linear, by gradient descent, without scikit-learn."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from tradewright.base import BaseModel, ModelState, TrainState
from tradewright.base.checks import first_nan
from tradewright.errors import CallbackError, DataError


class Honest(BaseModel):
    """Least squares, or logistic regression of two classes; one turn is one step on all rows."""

    framework = "numpy"

    def __init__(self, task="regression", epochs=3, lr=0.3):
        self._task, self.epochs, self.lr = task, epochs, lr
        self.coef = None
        self.epoch = -1
        self._classes = None

    task = property(lambda self: self._task)

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        return {"task": self.task, "epochs": self.epochs, "lr": self.lr}

    @property
    def classes(self):
        return self._classes

    @property
    def feature_importances_(self):
        share = np.abs(self.coef)
        return share / share.sum()

    def start(self, train, seed):
        self.coef = np.random.default_rng(seed).normal(scale=0.01, size=train.X.shape[1])

    def total_weight(self, train):
        return len(train) if train.sample_weight is None else train.sample_weight.sum()

    def numbers(self, y):
        return y if self._classes is None else (np.asarray(y) == self._classes[1]).astype(float)

    def _fit_loop(self, train, val, observer, seed, resume=None):
        self._refuse_resume(resume)
        self.refuse_nan(train.X)
        self._classes = tuple(np.unique(train.y).tolist()) if self.task == "classification" else None
        self.start(train, seed)
        self.epoch = -1
        observer.loop_begin("epoch", self.epochs)
        for epoch in range(self.epochs):
            if observer.epoch_begin(epoch):
                if epoch == 0:
                    raise CallbackError("stopped before the first turn", code="model.stopped_before_start")
                break
            error = self.response(train.X @ self.coef) - self.numbers(train.y)
            if train.sample_weight is not None:
                error = error * train.sample_weight
            self.coef = self.coef - self.lr * error @ train.X / self.total_weight(train)
            self.epoch = epoch
            logs = {"train_loss": self.loss(train), "lr": self.lr}
            if val is not None:
                logs["val_loss"] = self.loss(val)
            if self.report(observer, TrainState(epoch, "epoch", self.epochs, logs)):
                break

    def report(self, observer, state):
        return observer.epoch_end(state)

    def response(self, scores):
        return scores if self._classes is None else 0.5 * (1.0 + np.tanh(0.5 * scores))

    def loss(self, samples):
        return float(np.mean((self.response(samples.X @ self.coef) - self.numbers(samples.y)) ** 2))

    def refuse_nan(self, X):
        place = first_nan(X)
        if place is not None:
            row, column = place
            name = self._facts().feature_names[column]
            raise DataError(f"row {row}, column {name!r} is NaN: fill it", code="data.nan", row=row, column=name)

    def _predict(self, X):
        if self._classes is None:
            self.refuse_nan(X)
            return X @ self.coef
        return np.asarray(self._classes)[self._predict_proba(X).argmax(axis=1)]

    def _has_proba(self):
        return self.task == "classification"

    def _predict_proba(self, X):
        self.refuse_nan(X)
        high = self.response(X @ self.coef)
        return np.column_stack([1.0 - high, high])

    def snapshot(self):
        return ModelState(self.epoch, self.coef.copy())

    def restore(self, state):
        self.coef, self.epoch = state.weights.copy(), state.epoch

    def _to_payloads(self):
        self._facts()
        return "f64", {"coef.f64": self.coef.astype("<f8").tobytes()}

    def _config(self):
        return {"params": dict(self.hyperparameters), "classes": self._classes and list(self._classes)}

    @classmethod
    def _from_bundle(cls, config, payload_format, payloads) -> Self:
        model = cls(**config["params"])
        model.coef = np.frombuffer(payloads["coef.f64"], dtype="<f8").copy()
        model._classes = config["classes"] and tuple(config["classes"])
        return model
