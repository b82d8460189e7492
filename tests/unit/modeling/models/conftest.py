"""Small data, and a loop observer that keeps what it is told."""

from __future__ import annotations

import numpy as np
import pytest

from tradewright.base import SilentObserver


class Watcher(SilentObserver):
    """Keeps every report; stops where it is told to, and calls ``then`` at the end of each turn."""

    def __init__(self, stop_at=None, stop_before=None, then=None):
        self.stop_at, self.stop_before, self.then = stop_at, stop_before, then
        self.begun, self.states, self.unit, self.total = [], [], None, None

    def loop_begin(self, unit, total):
        self.unit, self.total = unit, total

    def epoch_begin(self, epoch):
        self.begun.append(epoch)
        return epoch == self.stop_before

    def epoch_end(self, state):
        self.states.append(state)
        if self.then is not None:
            self.then(state)
        return state.epoch == self.stop_at


@pytest.fixture
def watcher():
    return Watcher


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)) * [1.0, 100.0, 0.01, 1.0]
    y = X[:, 0] - 0.01 * X[:, 1] + 0.1 * rng.normal(size=300)
    X[::9, 2] = np.nan
    return X, y


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of torch fight over busy test machines, and small models gain nothing by them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
