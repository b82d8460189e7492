"""Epochs of a perceptron, 50 → 128 → 64 → 1 with batches of 4096, against a loop by hand, Lightning and skorch.

Run ``python benches/python/bench_torch_epoch.py [--rows N] [--repeats R] [--python PYTHON]``. One thread throughout.

Against the loop by hand, epochs alternate in one process: one of ours, one of its own with permuted batches, one with
slices in order, so that a busy machine slows all alike; ratios are medians of those pairs. Lightning and skorch, with
their defaults, train in processes of their own, in the environment of the peers (``.venv/bench``); an epoch of theirs is
the difference of a fit of three and a fit of one, its peer the median of hand-written epochs before and after. Peak
memory is that of a process that does nothing else, above the data.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import harness

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FEATURES = 50
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TRADEWRIGHT_NUM_THREADS": "1"}
PEERS = ("lightning_torch", "skorch_torch")
#: Ours against the loop by hand, at most; peers against ours, at least.
BARE, WITH_CALLBACKS, PEER = 1.05, 1.15, 6.0


def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def alternating(rows: int, count: int, shuffle: str, *, callbacks: bool) -> dict[str, Any]:
    """Epochs of ours and by hand in turn."""
    one_thread()
    raw, ours = harness.engine("torch_raw"), harness.engine("tradewright_torch")
    X, y = raw.data(rows, FEATURES)
    loop = raw.RawLoop(X, y)
    permuted: list[float] = []
    slices: list[float] = []

    def by_hand() -> None:
        permuted.append(loop.epoch("permuted"))
        slices.append(loop.epoch("slices"))

    with tempfile.TemporaryDirectory() as folder:
        found = ours.epochs(
            X,
            y,
            count,
            by_hand,
            folder=Path(folder) if callbacks else None,
            shuffle={"in order": False}.get(shuffle, shuffle),
        )
    # An epoch of ours stands between two of the other's: compared with their mean.
    around = {
        name: [(one + other) / 2 for one, other in itertools.pairwise(times)]
        for name, times in (("permuted", permuted), ("slices", slices))
    }
    ratios = {
        f"times_{name}": round(statistics.median(a / b for a, b in zip(found, times, strict=True)), 3)
        for name, times in around.items()
    }
    medians = {"permuted": statistics.median(permuted), "slices": statistics.median(slices)}
    return {"seconds": statistics.median(found), "by_hand_seconds": medians, **ratios}


def peer(name: str, rows: int) -> dict[str, Any]:
    """An epoch of a peer, between epochs by hand."""
    one_thread()
    raw, engine = harness.engine("torch_raw"), harness.engine(name)
    X, y = raw.data(rows, FEATURES)
    loop = raw.RawLoop(X, y)
    by_hand = [loop.epoch("permuted") for _ in range(3)][1:]
    seconds = []
    for epochs in (1, 3):
        started = time.perf_counter()
        engine.fit(X, y, epochs)
        seconds.append(time.perf_counter() - started)
        by_hand.append(loop.epoch("permuted"))
    epoch = (seconds[1] - seconds[0]) / 2
    return {"seconds": epoch, "by_hand_seconds": statistics.median(by_hand), "rows_per_second": rows / epoch}


def memory(name: str, rows: int) -> dict[str, Any]:
    """The peak of two epochs above the data and the libraries."""
    one_thread()
    engine, raw = harness.engine(name), harness.engine("torch_raw")
    X, y = raw.data(rows, FEATURES)
    engine.fit(X[:8192], y[:8192], 1)  # what libraries take once
    before = harness.held_rss_mb()
    engine.fit(X, y, 2)
    return {"peak_above_data_mb": round(harness.peak_rss_mb() - before, 1), "data_mb": round(X.nbytes / 1e6, 1)}


def child(arguments: list[str]) -> dict[str, Any]:
    kind, name, rows, count = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    if kind == "peer":
        return peer(name, rows)
    if kind == "memory":
        return memory(name, rows)
    if kind == "versions":
        return harness.versions(*name.split(","))
    return alternating(rows, count, name, callbacks=kind == "callbacks")


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.set_defaults(rows=1_000_000, repeats=5)
    parser.add_argument("--python", type=Path, default=Path(sys.prefix) / "bench" / "bin" / "python")
    parser.add_argument("--child", nargs=4)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child)))
        return

    def run(kind: str, name: str, python: Path | str = sys.executable) -> dict[str, Any]:
        arguments = ["--child", kind, name, str(options.rows), str(options.repeats)]
        return harness.in_child(Path(__file__), arguments, ONE_THREAD | {"PYTHONPATH": str(ROOT / "python")}, python)

    ours = {order: run("bare", order) for order in ("full", "block", "in order")}
    ours["full, four callbacks"] = run("callbacks", "full")
    for name, found in ours.items():
        print(
            f"tradewright, {name:<22} {found['seconds']:6.2f} s   {found['times_permuted']:.2f}× permuted by hand,"
            f" {found['times_slices']:.2f}× slices by hand",
            flush=True,
        )
    peers = {}
    for name in PEERS:
        peers[name] = run("peer", name, options.python)
        # Each side by its own machine time: the loop by hand is the measure of both.
        peers[name]["times_tradewright"] = round(
            peers[name]["seconds"] / peers[name]["by_hand_seconds"] / ours["full"]["times_permuted"], 2
        )
        print(f"{name:<35} {peers[name]['seconds']:6.2f} s   {peers[name]['times_tradewright']:.1f}× ours", flush=True)
    peaks = {name: run("memory", name) for name in ("torch_raw", "tradewright_torch")}
    data, by_hand = peaks["torch_raw"]["data_mb"], peaks["torch_raw"]["peak_above_data_mb"]
    print(f"peak above the data: by hand {by_hand} MB, ours {peaks['tradewright_torch']['peak_above_data_mb']} MB")
    bars = {
        f"bare <= {BARE} x slices": ours["full"]["times_slices"] <= BARE,
        f"bare <= {BARE} x permuted": ours["full"]["times_permuted"] <= BARE,
        f"four callbacks <= {WITH_CALLBACKS} x slices": ours["full, four callbacks"]["times_slices"] <= WITH_CALLBACKS,
        f"peers >= {PEER} x ours": all(found["times_tradewright"] >= PEER for found in peers.values()),
        "peak <= (data + by hand) + 5 %": data + peaks["tradewright_torch"]["peak_above_data_mb"]
        <= 1.05 * (data + by_hand),
    }
    for name, held in bars.items():
        print(f"{'held  ' if held else 'MISSED'} {name}")
    there = run("versions", "torch,lightning,skorch,numpy", options.python)
    path = harness.record(
        "torch_epoch",
        {"rows": options.rows, "features": FEATURES, "ours": ours, "peers": peers, "peaks": peaks, "bars": bars},
        found=there | harness.versions("tradewright", "mlflow", "polars"),
    )
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
