"""Ranking and trading losses with gradients at 1e7 rows, float32, a ready GroupIndex, against torch eager.

Every engine runs in a process of its own, so that its memory is its own. Run ``python
benches/python/bench_loss_groups.py [--rows N] [--repeats R]``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np

#: At least so many times as fast as torch eager; the goals of the issue on losses.
BARS = {"sharpe": 25.0, "sharpe_ragged": None, "listnet": 10.0, "pairwise": 120.0, "pairwise_hinge": None, "ic": None}
#: Rows of a case at most, and of a date.
ROWS = {"pairwise": (1_000_000, 500), "pairwise_hinge": (1_000_000, 500)}
#: What a call may hold besides the gradient.
SPARE_MB = 16.0
COST = 0.001
TEMPERATURE = 0.02


def panel(case: str, rows: int) -> tuple[Any, ...]:
    """Scores, returns, dates and assets, sorted by date; ragged where the case says so."""
    most, per_date = ROWS.get(case, (rows, 500))
    rows = min(rows, most) // per_date * per_date
    rng = np.random.default_rng(0)
    dates, assets = np.repeat(np.arange(rows // per_date), per_date), np.tile(np.arange(per_date), rows // per_date)
    if case.endswith("ragged"):
        kept = rng.random(rows) < 0.95
        dates, assets = dates[kept], assets[kept]
    score = rng.standard_normal(len(dates), dtype=np.float32)
    return score, rng.standard_normal(len(dates), dtype=np.float32) * np.float32(0.02), dates, assets, per_date


def ours(case: str, rows: int, repeats: int, threads: int) -> dict[str, Any]:
    """Seconds with ``out=`` reused and fresh, and the memory of a call beyond its gradient."""
    from tradewright import _core
    from tradewright.loss_functions import (
        GroupIndex,
        ICLoss,
        ListNetLoss,
        PairwiseHingeLoss,
        PairwiseLogisticLoss,
        SharpeLoss,
    )

    loss = {
        "sharpe": SharpeLoss(cost=COST),
        "sharpe_ragged": SharpeLoss(cost=COST),
        "listnet": ListNetLoss(temperature=TEMPERATURE),
        "pairwise": PairwiseLogisticLoss(),
        "pairwise_hinge": PairwiseHingeLoss(),
        "ic": ICLoss(),
    }[case]
    score, target, dates, assets, _ = panel(case, rows)
    index = GroupIndex(dates, assets)
    del dates, assets
    _core.set_num_threads(threads)
    few = slice(0, 100_000)
    loss.value_and_grad(
        target[few], score[few], groups=np.arange(len(score[few])) // 500, assets=np.arange(len(score[few])) % 500
    )
    reset_peak()
    before = harness.peak_rss_mb() if peak_mb() is None else peak_mb()
    fresh = loss.value_and_grad(target, score, groups=index)[1]
    after = harness.peak_rss_mb() if peak_mb() is None else peak_mb()
    out = np.empty_like(score)
    return {
        "reused": harness.median_seconds(lambda: loss.value_and_grad(target, score, groups=index, out=out), repeats),
        "fresh": harness.median_seconds(lambda: loss.value_and_grad(target, score, groups=index), repeats),
        "beyond_gradient_mb": (after or 0.0) - (before or 0.0) - fresh.nbytes / 2**20,
    }


def reset_peak() -> None:
    """Let the kernel forget the most memory this process ever held; Linux only."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mb() -> float | None:
    """The most memory since :func:`reset_peak`."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def eager(case: str, rows: int, repeats: int, threads: int) -> dict[str, Any]:
    """The same losses in torch's operations on matrices of dates, forwards and backwards."""
    import torch

    torch.set_num_threads(threads)
    score, target, _, _, per_date = panel(case, rows)
    if case.endswith("ragged"):
        return {}
    shape = (len(score) // per_date, per_date)
    y = torch.from_numpy(target).view(shape)
    flat = torch.from_numpy(score).requires_grad_()

    def sharpe() -> Any:
        held = torch.tanh(flat.view(shape))
        before = torch.cat([torch.zeros_like(held[:1]), held[:-1]])
        r = (held * y - COST * (held - before).abs()).mean(1)
        return -r.mean() / (r.std() + 1e-8)

    def listnet() -> Any:
        return -(torch.softmax(y / TEMPERATURE, 1) * torch.log_softmax(flat.view(shape), 1)).sum(1).mean()

    def pairs(each: Callable[[Any], Any]) -> Any:
        total: Any = 0.0
        for s, r in zip(flat.view(shape), y, strict=True):
            chosen = r[:, None] > r[None, :]
            total = total + each((s[:, None] - s[None, :])[chosen]).mean()
        return total / shape[0]

    def ic() -> Any:
        s = flat.view(shape)
        sc, yc = s - s.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
        return -((sc * yc).sum(1) / (sc.norm(dim=1) * yc.norm(dim=1))).mean()

    work = {
        "sharpe": sharpe,
        "listnet": listnet,
        "pairwise": lambda: pairs(lambda gap: torch.nn.functional.softplus(-gap)),
        "pairwise_hinge": lambda: pairs(lambda gap: torch.relu(1.0 - gap)),
        "ic": ic,
    }[case]

    def step() -> None:
        flat.grad = None
        work().backward()

    return {"seconds": harness.median_seconds(step, 1 if case in ROWS else repeats)}


def measure(case: str, rows: int, repeats: int, threads: int) -> dict[str, Any]:
    """One case at one thread count."""
    found: dict[str, Any] = {"loss": case, "threads": threads, "bar": BARS[case]}
    for engine in ("ours", "eager"):
        given = ["--case", case, "--engine", engine, "--rows", str(rows), "--repeats", str(repeats)]
        found[engine] = harness.in_child(Path(__file__), [*given, "--threads", str(threads)])
    own = found["ours"]
    text = f"{threads} thread(s)  {case:15} {1e3 * own['reused']['median']:8.1f} ms"
    if found["eager"]:
        peer = found["eager"]["seconds"]["median"]
        found["times_as_fast"] = peer / own["reused"]["median"]
        text += f"   torch eager {1e3 * peer:8.1f} ms   {found['times_as_fast']:6.1f}x"
    print(
        f"{text}   fresh {1e3 * own['fresh']['median']:8.1f} ms   beyond gradient {own['beyond_gradient_mb']:5.1f} MB"
    )
    return found


def main() -> None:
    parser: argparse.ArgumentParser = harness.arguments(__doc__)
    parser.add_argument("--case", choices=BARS, default=None)
    parser.add_argument("--engine", choices=("ours", "eager"), default=None)
    options = parser.parse_args()
    if options.engine:
        engine = ours if options.engine == "ours" else eager
        print(json.dumps(engine(options.case, options.rows, options.repeats, options.threads or 1)))
        return
    chosen = [options.case] if options.case else list(BARS)
    cases = [measure(case, options.rows, options.repeats, threads) for case in chosen for threads in (1, 2)]
    by_case = {(case["loss"], case["threads"]): case["ours"]["reused"]["median"] for case in cases}
    for case in chosen:
        gain = by_case[case, 1] / by_case[case, 2]
        print(f"{case:15} two threads are {gain:.2f}x one")
    path = harness.record(
        f"loss_groups_{options.rows}", {"rows": options.rows, "cases": cases}, ["numpy", "torch", "tradewright"]
    )
    print(f"recorded in benches/results/{path.name}")


if __name__ == "__main__":
    main()
