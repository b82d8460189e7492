"""The loop one writes by hand: whole batches of whole tensors, default AdamW, no shuffling library around it."""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

PACKAGE = "torch"
BATCH = 4096
HIDDEN = (128, 64)


def network(n_features: int) -> nn.Module:
    """The perceptron every engine trains."""
    torch.manual_seed(0)
    first, second = HIDDEN
    layers = [nn.Linear(n_features, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 1)]
    return nn.Sequential(*layers)


def data(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """The same rows for every engine."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, features), dtype=np.float32)
    return X, (X[:, 0] + 0.5 * rng.standard_normal(rows, dtype=np.float32)).astype(np.float32)


class RawLoop:
    """Trains on, an epoch at a time."""

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        self.module = network(X.shape[1])
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=1e-3)
        self.loss = nn.MSELoss()

    def epoch(self, order: Literal["slices", "permuted"]) -> float:
        """Train for one epoch and return its seconds."""
        started = time.perf_counter()
        n = len(self.y)
        batches: Any = [slice(at, at + BATCH) for at in range(0, n, BATCH)]
        if order == "permuted":
            batches = torch.split(torch.randperm(n), BATCH)
        for rows in batches:
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.module(self.X[rows])[:, 0], self.y[rows])
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - started


def fit(X: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Train from scratch."""
    loop = RawLoop(X, y)
    for _ in range(epochs):
        loop.epoch("permuted")
