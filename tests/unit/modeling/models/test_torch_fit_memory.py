"""A fit holds no second copy of float32 features: in a child process, whose peak is its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="peak memory is read from the operating system")

#: 400,000 rows of 100 float32 features are 160 MB.
CHILD = """
import resource, sys
import numpy as np, torch
import tradewright as tw

torch.set_num_threads(1)


def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def run(X):
    model = tw.TorchModel("mlp", module_params={"hidden": [4]}, epochs=1, batch_size=4096, seed=0, device="cpu")
    model.fit(X, X[:, 0].astype(np.float64), eval_set=(X, X[:, 0].astype(np.float64)))
    assert np.isfinite(model.predict(X)).all()


X = np.random.default_rng(0).normal(size=(400_000, 100)).astype(np.float32)
run(X[:20_000])
before = peak()
run(X)
print(peak() - before)
"""


def test_peak_memory_is_the_data_and_a_batch():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 80  # labels, scores and orders are float64 and int64 columns; a copy would be 160
