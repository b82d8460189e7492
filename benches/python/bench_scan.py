"""Rows that stand on both sides, and the column profile, against polars, DuckDB, pandas and numpy.

``python benches/python/bench_scan.py`` runs 1M + 250k × 100 float64; ``--dtype f4`` runs 5M + 1M × 50 float32;
``--quick`` a fiftieth of either, recording nothing. Contenders take turns, so that what else the machine does hits all
of them; ratios of medians are what counts. "floor" reads every value once, on all threads of the core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import harness
import numpy as np

from tradewright import CombinatorialPurgedCV, Panel, _core, check

SIZES = {"f8": (1_000_000, 250_000, 100), "f4": (5_000_000, 1_000_000, 50)}
PEERS = ("polars", "duckdb", "pandas", "numpy")
SLOW = ("pandas", "numpy")
#: What issue and CHECKS.md ask for: (contender, held against, least ratio or most ratio).
BARS: dict[str, list[tuple[str, str, str, float]]] = {
    "f8": [
        ("duplicates F", "duplicates duckdb", ">=", 1.7),
        ("duplicates F", "duplicates polars", ">=", 2.5),
        ("duplicates F", "floor", "<=", 2.0),
        ("duplicates C", "duplicates F", "<=", 1.5),
        ("profile F", "profile polars", ">=", 2.5),
        ("profile F", "floor train", "<=", 2.0),
        ("profile C", "profile F", "<=", 1.5),
        ("check 45 folds", "check 1 fold", "<=", 1.5),
    ],
    "f4": [
        ("duplicates F", "duplicates duckdb", ">=", 1.4),
        ("duplicates F", "duplicates polars", ">=", 3.0),
        ("duplicates F", "floor", "<=", 5.0),
        ("profile F", "profile polars", ">=", 2.5),
        ("profile F", "floor train", "<=", 2.0),
        ("profile C", "profile F", "<=", 1.5),
    ],
}


def read_once(*matrices: np.ndarray) -> Callable[[], Any]:
    """Read every value, the columns shared out over as many threads as the core has."""
    columns = [m[:, j].view(f"u{m.itemsize}") for m in matrices for j in range(m.shape[1])]

    def work() -> None:
        with ThreadPoolExecutor(_core.num_threads()) as pool:
            list(pool.map(np.max, columns))

    return work


def plan_checks(rows: int, columns: int) -> dict[str, Callable[[], Any]]:
    """The checks of a panel under one and under 45 folds."""
    rng = np.random.default_rng(0)
    panel = Panel.from_arrays(
        rng.standard_normal((columns, rows)).T, rng.standard_normal(rows), time=np.arange(rows), horizon=5
    )
    plan = CombinatorialPurgedCV(n_groups=10, n_test_groups=2).plan(panel)
    return {"check 1 fold": lambda: check(panel, plan, folds=[0]), "check 45 folds": lambda: check(panel, plan)}


def contenders(train: np.ndarray, val: np.ndarray, copied: int) -> dict[str, Callable[[], Any]]:
    """Everything that takes turns; answers are compared first."""
    ours = harness.engine("tradewright_scan")
    row_major = [np.ascontiguousarray(matrix) for matrix in (train, val)]
    found: dict[str, Callable[[], Any]] = {"floor": read_once(train, val), "floor train": read_once(train)}
    for case in ours.CASES:
        work = getattr(ours, case)
        for name, state in (("F", (train, val)), ("C", row_major)):
            found[f"{case} {name}"] = lambda work=work, state=state: work(state)
        for peer in PEERS:
            engine = harness.engine(f"{peer}_scan")
            work, state = getattr(engine, case), engine.given(train, val)
            found[f"{case} {peer}"] = lambda work=work, state=state: work(state)
    for name, work in found.items():
        if name.startswith("duplicates"):
            assert work() == copied, name
    return found


def turns(work: dict[str, Callable[[], Any]], repeats: int) -> dict[str, dict[str, float]]:
    """Seconds of each contender, run in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats):
        for name, run in work.items():
            if turn and name.endswith(SLOW):
                continue
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {n: {"median": statistics.median(s), "least": min(s), "largest": max(s)} for n, s in seconds.items()}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", default="f8", choices=sorted(SIZES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    n_train, n_val, columns = SIZES[options.dtype]
    if options.quick:
        n_train, n_val = n_train // 50, n_val // 50
    rng = np.random.default_rng(0)
    train = rng.standard_normal((columns, n_train), dtype=options.dtype).T
    val = rng.standard_normal((columns, n_val), dtype=options.dtype).T
    copied = n_val // 100
    val[:copied] = train[:copied]
    print(f"{n_train:,} + {n_val:,} × {columns} {options.dtype}, {_core.num_threads()} threads")
    work = contenders(train, val, copied)
    held = harness.held_rss_mb()
    _core.cross_duplicates(train, val)
    extra = (harness.peak_rss_mb() - held) * 2**20 / (train.nbytes + val.nbytes)
    seconds = turns(work, options.repeats)
    del work
    if options.dtype == "f8":
        seconds |= turns(plan_checks(n_train // 5, columns // 5), 3)
    for name, found in seconds.items():
        print(f"{name:<22} {found['median']:8.3f} s")
    bars = []
    for name, other, sign, bar in BARS[options.dtype]:
        a, b = seconds[name]["median"], seconds[other]["median"]
        ratio = b / a if sign == ">=" else a / b
        met = ratio >= bar if sign == ">=" else ratio <= bar
        words = "as fast as" if sign == ">=" else "the time of"
        print(f"{name} takes {ratio:.2f}× {words} {other}; bar {sign} {bar}: {'met' if met else 'MISSED'}")
        bars.append({"what": name, "against": other, "ratio": ratio, "bar": f"{sign} {bar}", "met": met})
    print(
        f"extra memory of the duplicate search: {extra:.1%} of the data; bar <= 5%: {'met' if extra <= 0.05 else 'MISSED'}"
    )
    bars.append({"what": "extra memory", "against": "data", "ratio": extra, "bar": "<= 0.05", "met": extra <= 0.05})
    if options.quick:
        return
    path = harness.record(
        f"scan_{options.dtype}",
        {
            "rows": [n_train, n_val],
            "columns": columns,
            "threads": _core.num_threads(),
            "seconds": seconds,
            "bars": bars,
        },
        ["numpy", "polars", "duckdb", "pandas", "tradewright"],
    )
    print(f"recorded in benches/results/{path.name}")


if __name__ == "__main__":
    main()
