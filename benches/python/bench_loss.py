"""Loss and gradient at 1e7 rows, float32, the gradient buffer reused, against torch eager at equal thread counts.

    python benches/python/bench_loss.py [rows]

Prints the least wall time, the least CPU time (which other processes on the machine disturb less) and the ratio of
the CPU times. Results go into the report of a machine, not into a test: times are no contract.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from tradewright import _core
from tradewright.loss_functions import BaseLoss, BinaryCrossEntropy, MSELoss

REPEATS = 5


def least(call: Callable[[], object]) -> tuple[float, float]:
    """Return the least wall and CPU milliseconds over some runs, after one to warm up."""
    call()
    times = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(t[0] for t in times) * 1e3, min(t[1] for t in times) * 1e3


def measure(rows: int, threads: int) -> None:
    """Print a line per loss."""
    rng = np.random.default_rng(0)
    score, label = (rng.normal(size=rows) * 3).astype(np.float32), rng.integers(0, 2, rows).astype(np.float32)
    out = np.empty_like(score)
    prediction, target = torch.from_numpy(score).requires_grad_(), torch.from_numpy(label)
    _core.set_num_threads(threads)
    torch.set_num_threads(threads)
    functional = torch.nn.functional
    pairs: list[tuple[BaseLoss, Callable[..., torch.Tensor]]] = [
        (BinaryCrossEntropy(), functional.binary_cross_entropy_with_logits),
        (MSELoss(), functional.mse_loss),
    ]
    for loss, peer in pairs:

        def eager(peer: Callable[..., torch.Tensor] = peer) -> None:
            prediction.grad = None
            peer(prediction, target).backward()

        def bridge(loss: BaseLoss = loss) -> None:
            prediction.grad = None
            loss(target, prediction).backward()

        def ours(loss: BaseLoss = loss) -> None:
            loss.value_and_grad(label, score, out=out)

        base = least(eager)
        for name, engine in (("out= reused", ours), ("torch operator", bridge)):
            wall, cpu = least(engine)
            print(
                f"{threads} thread(s)  {loss.name:4} {name:15} {wall:7.1f} ms wall {cpu:7.1f} ms CPU   torch eager "
                f"{base[0]:7.1f} / {base[1]:7.1f}   ratio {base[0] / wall:5.1f}x wall {base[1] / cpu:5.1f}x CPU"
            )


if __name__ == "__main__":
    for count in (1, 2):
        measure(int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000, count)
