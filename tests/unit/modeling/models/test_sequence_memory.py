"""Windows are never materialised: in a child process, whose peak is its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="peak memory is read from the operating system")

#: 100,000 rows of 20 float32 features are 8 MB; their windows of 50 rows would be 400 MB.
CHILD = """
import resource, sys
import numpy as np, torch
from torch import nn
import tradewright as tw
from tradewright.models import ModuleRegistry

torch.set_num_threads(1)


class Mean(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.head = nn.Linear(n_features, n_outputs)

    def forward(self, x):
        return self.head(x.mean(dim=1))


def panel(n_times):
    rng = np.random.default_rng(0)
    time, asset = np.divmod(np.arange(n_times * 50), 50)
    X = rng.normal(size=(len(time), 20)).astype(np.float32)
    return tw.Panel.from_arrays(X, X[:, 0].astype(np.float64) / 100, time=time, asset=asset)


def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def run(panel, loss):
    model = tw.TorchModel(Mean, loss=loss, window=50, epochs=1, batch_size=1000, seed=0, device="cpu")
    model.fit(panel, eval_set=panel)
    assert np.isfinite(model.predict(panel)).sum() == len(panel) - 49 * 50


for loss in ("mse", "sharpe_loss"):
    run(panel(60), loss)  # libraries are loaded
large = panel(2000)
before = peak()
for loss in ("mse", "sharpe_loss"):
    run(large, loss)
print(peak() - before)
"""


def test_peak_memory_is_a_fraction_of_the_windows():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 100.0, done.stdout
