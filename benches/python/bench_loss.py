"""Loss and gradient at 1e7 rows against torch eager at equal thread counts, and numpy.

Every loss in float32 and float64, with ``out=`` reused and with a fresh gradient, called from numpy and through the
torch operator. Run ``python benches/python/bench_loss.py [--rows N] [--repeats R] [--quick]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import harness
import numpy as np
import torch

from tradewright import _core
from tradewright.loss_functions import (
    BaseLoss,
    BinaryCrossEntropy,
    CostSensitiveLoss,
    DirectionalLoss,
    FocalLoss,
    HuberLoss,
    LabelSmoothingBCE,
    MAELoss,
    MSELoss,
    PseudoHuberLoss,
    QuantileLoss,
    WeightedBCE,
)

functional = torch.nn.functional


@dataclass(frozen=True)
class Case:
    """A loss, what a user of torch would write for it, and at least so many times as fast it is to be."""

    name: str
    loss: BaseLoss
    peer: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    bar: float | None = None
    #: What targets are drawn from.
    targets: str = "binary"
    weighted: bool = False


def focal(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """torchvision's composition."""
    p = torch.sigmoid(s)
    entropy = functional.binary_cross_entropy_with_logits(s, y, reduction="none")
    p_t = p * y + (1 - p) * (1 - y)
    return ((0.25 * y + 0.75 * (1 - y)) * entropy * (1 - p_t) ** 2).mean()


def quantile(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The usual two lines."""
    u = y - s
    return torch.maximum(0.9 * u, (0.9 - 1) * u).mean()


def gmadl(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The paper's formula."""
    return (-(torch.sigmoid(1000 * y * s) - 0.5) * y.abs() ** 2).mean()


def directional(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The logistic form."""
    return (y.abs() * functional.softplus(-torch.sign(y) * s)).mean()


def pseudo_huber(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The textbook formula."""
    return (torch.sqrt(1 + (s - y) ** 2) - 1).mean()


def expected_cost(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The textbook formula."""
    p = torch.sigmoid(s)
    return (y * (1 - p) * 5.0 + (1 - y) * p * 2.0).mean()


def smoothed(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy at smoothed labels."""
    return functional.binary_cross_entropy_with_logits(s, y * 0.9 + 0.05)


def positives(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """torch's own weight of positives."""
    return functional.binary_cross_entropy_with_logits(s, y, pos_weight=torch.tensor(3.0, dtype=s.dtype))


BCE = functional.binary_cross_entropy_with_logits
CASES = [
    Case("bce", BinaryCrossEntropy(), BCE, 10.0),
    Case("bce, weights", BinaryCrossEntropy(), BCE, weighted=True),
    Case("focal", FocalLoss(), focal, 35.0),
    Case("label smoothing", LabelSmoothingBCE(), smoothed),
    Case("weighted bce", WeightedBCE(pos_weight=3.0), positives),
    Case("expected cost", CostSensitiveLoss(cost_fp=2.0, cost_fn=5.0, form="expected"), expected_cost),
    Case("mse", MSELoss(), functional.mse_loss, targets="normal"),
    Case("mae", MAELoss(), functional.l1_loss, targets="normal"),
    Case("huber", HuberLoss(), functional.huber_loss, 9.0, targets="normal"),
    Case("pseudo-huber", PseudoHuberLoss(), pseudo_huber, targets="normal"),
    Case("quantile", QuantileLoss(quantiles=0.9), quantile, 60.0, targets="normal"),
    Case("directional", DirectionalLoss(), directional, targets="returns"),
    Case("gmadl", DirectionalLoss(kind="gmadl"), gmadl, 25.0, targets="returns"),
]


def draw(case: Case, rows: int, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Scores, targets and weights of a case."""
    rng = np.random.default_rng(0)
    score = rng.normal(size=rows)
    if case.targets == "returns":
        score, target = 0.05 * score, 0.01 * rng.normal(size=rows)
    elif case.targets == "normal":
        target = rng.normal(size=rows)
    else:
        score, target = 3 * score, rng.integers(0, 2, rows).astype(float)
    weight = rng.uniform(0.5, 2.0, rows).astype(dtype) if case.weighted else None
    return score.astype(dtype), target.astype(dtype), weight


def measure(case: Case, rows: int, threads: int, repeats: int, dtype: Any, *, quick: bool) -> list[dict[str, Any]]:
    """One entry for each way to call the loss."""
    score, target, weight = draw(case, rows, dtype)
    out = np.empty_like(score)
    prediction, label = torch.from_numpy(score).requires_grad_(), torch.from_numpy(target)
    weights = None if weight is None else torch.from_numpy(weight)
    _core.set_num_threads(threads)
    torch.set_num_threads(threads)

    def eager() -> None:
        prediction.grad = None
        if weights is None:
            case.peer(prediction, label).backward()
        else:
            (BCE(prediction, label, weight=weights, reduction="sum") / weights.sum()).backward()

    def bridge() -> None:
        prediction.grad = None
        case.loss(label, prediction, sample_weight=weights).backward()

    calls: dict[str, Callable[[], Any]] = {
        "numpy, out= reused": lambda: case.loss.value_and_grad(target, score, sample_weight=weight, out=out),
        "numpy, fresh gradient": lambda: case.loss.value_and_grad(target, score, sample_weight=weight),
        "torch operator": bridge,
    }
    base = harness.median_seconds(eager, repeats)
    found = []
    for name, engine in calls.items():
        if quick and name != "numpy, out= reused":
            continue
        seconds = harness.median_seconds(engine, repeats)
        ratio = base["median"] / seconds["median"]
        width = np.dtype(dtype).name
        bar = case.bar if name == "numpy, out= reused" and width == "float32" else None
        entry = {
            "loss": case.name,
            "call": name,
            "threads": threads,
            "dtype": width,
            "times_as_fast": ratio,
            "bar": bar,
        }
        found.append({**entry, "seconds": seconds, "torch_eager": base})
        print(
            f"{threads} thread(s)  {width}  {case.name:16} {name:22} {1e3 * seconds['median']:7.1f} ms   torch eager "
            f"{1e3 * base['median']:7.1f} ms   {ratio:5.1f}x{'' if bar is None else f' (bar {bar:.0f}x)'}",
            flush=True,
        )
    return found


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="losses with a bar only, float32, out= reused; recorded apart"
    )
    options = parser.parse_args()
    cases = [case for case in CASES if case.bar is not None] if options.quick else CASES
    widths = [np.float32] if options.quick else [np.float32, np.float64]
    found = [
        entry
        for threads in (1, 2)
        for dtype in widths
        for case in cases
        for entry in measure(case, options.rows, threads, options.repeats, dtype, quick=options.quick)
    ]
    path = harness.record(
        f"loss_{options.rows}_bars" if options.quick else f"loss_{options.rows}",
        {"rows": options.rows, "cases": found},
        ["numpy", "torch", "tradewright"],
    )
    print(f"recorded in benches/results/{path.name}")


if __name__ == "__main__":
    main()
