"""Loss and gradient at 1e7 rows, float32, the gradient buffer reused, against torch eager at equal thread counts.

Run ``python benches/python/bench_loss.py [--rows N] [--repeats R]``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import harness
import numpy as np
import torch

from tradewright import _core
from tradewright.loss_functions import BaseLoss, BinaryCrossEntropy, MSELoss

#: At least so many times as fast as torch eager; the goal of the issue on losses.
BARS = {"bce": 10.0, "mse": None}


def measure(rows: int, threads: int, repeats: int) -> list[dict[str, Any]]:
    """One entry per loss and way to call it."""
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
    found = []
    for loss, peer in pairs:

        def eager(peer: Callable[..., torch.Tensor] = peer) -> None:
            prediction.grad = None
            peer(prediction, target).backward()

        def bridge(loss: BaseLoss = loss) -> None:
            prediction.grad = None
            loss(target, prediction).backward()

        def ours(loss: BaseLoss = loss) -> None:
            loss.value_and_grad(label, score, out=out)

        base = harness.median_seconds(eager, repeats)
        for name, engine in (("numpy, out= reused", ours), ("torch operator", bridge)):
            seconds = harness.median_seconds(engine, repeats)
            ratio = base["median"] / seconds["median"]
            found.append(
                {
                    "loss": loss.name,
                    "call": name,
                    "threads": threads,
                    "seconds": seconds,
                    "torch_eager": base,
                    "times_as_fast": ratio,
                    "bar": BARS[loss.name],
                }
            )
            print(
                f"{threads} thread(s)  {loss.name:4} {name:18} {1e3 * seconds['median']:7.1f} ms   torch eager "
                f"{1e3 * base['median']:7.1f} ms   {ratio:5.1f}x"
            )
    return found


def main() -> None:
    options = harness.arguments(__doc__).parse_args()
    cases = [case for threads in (1, 2) for case in measure(options.rows, threads, options.repeats)]
    path = harness.record(
        f"loss_{options.rows}", {"rows": options.rows, "cases": cases}, ["numpy", "torch", "tradewright"]
    )
    print(f"recorded in benches/results/{path.name}")


if __name__ == "__main__":
    main()
