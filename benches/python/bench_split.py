"""Plans and index arrays of purged splits, against a vectorised numpy reference.

Run ``python benches/python/bench_split.py [--rows N] [--repeats R] [--threads T]``. Rows are one a timestamp; labels last
20 bars ("fixed") or 1 to 97 in no order ("ragged"). Each (case, engine) runs in a process of its own. "ready" plans 45
splits from a timeline that was read before.

The bars of index arrays, of either width, are measured against the reference that fills int64 arrays, as the figures
they were taken from were; what int32 comes to against a reference that fills int32 stands beside.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import harness
import numpy as np

PEER, OURS = "numpy_reference", "tradewright_split"

#: (what, splitter, labels) → the largest ratio to the peer that we promise; None where no bar is set.
BARS: dict[tuple[str, str, str], float | None] = {
    ("plan", "kfold", "fixed"): 1.0,
    ("plan", "walk_forward", "fixed"): 1.0,
    ("plan", "kfold", "ragged"): 1.0,
    ("plan", "walk_forward", "ragged"): 1.0,
    ("plan", "cpcv", "fixed"): 1.0,
    ("plan", "cpcv", "ragged"): 1.0,
    ("int64", "kfold", "fixed"): 0.7,
    ("int32", "kfold", "fixed"): 0.4,
    ("int64", "walk_forward", "fixed"): 0.7,
    ("int32", "walk_forward", "fixed"): 0.4,
    ("int64", "cpcv", "fixed"): 0.7,
    ("int32", "cpcv", "fixed"): 0.4,
}
#: Seconds for 45 splits, timeline ready: the ten groups of CPCV two at a time, and 45 folds.
READY = (("cpcv", "fixed"), ("cpcv", "ragged"), ("kfold", "ragged"))
READY_BAR = 0.001
#: Bytes a row that planning may hold above its input.
MEMORY_BAR = 8.0


def columns(rows: int, labels: str) -> tuple[np.ndarray, np.ndarray]:
    time = np.arange(rows, dtype=np.int64)
    return time, time + (20 if labels == "fixed" else 1 + (time * 7_919) % 97)


def child(what: str, case: str, labels: str, name: str, rows: int, repeats: int) -> dict[str, Any]:
    """What one process measures."""
    engine = harness.engine(name)
    time, end = columns(rows, labels)
    before = harness.held_rss_mb()
    if what == "ready":
        work = engine.ready(case, time, end)
    elif what == "plan":
        work = lambda: engine.plan(case, time, end)  # noqa: E731
    else:
        work = lambda: engine.index_arrays(case, time, end, what)  # noqa: E731
    # A millisecond needs more runs than a second to have a median.
    seconds = harness.median_seconds(work, 20 * repeats if what == "ready" else repeats)
    return {"seconds": seconds, "peak_rss_above_input_mb": round(harness.peak_rss_mb() - before, 1)}


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--child", nargs=4, default=None, help="used by the bench itself")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(*options.child, options.rows, options.repeats)))
        return
    threads = {} if options.threads is None else {"TRADEWRIGHT_NUM_THREADS": str(options.threads)}

    def measure(what: str, case: str, labels: str, name: str) -> dict[str, Any]:
        sizes = ["--rows", str(options.rows), "--repeats", str(options.repeats)]
        return harness.in_child(Path(__file__), [*sizes, "--child", what, case, labels, name], threads)

    cases: list[dict[str, Any]] = []
    filled: dict[tuple[str, str, str], float] = {}
    print(
        f"{options.rows:,} rows\n{'case':32s} {'numpy ms':>9s} {'ours ms':>9s} {'ratio':>7s} {'bar':>5s}  peak MB (ours/numpy)"
    )
    for (what, case, labels), bar in BARS.items():
        peer, ours = measure(what, case, labels, PEER), measure(what, case, labels, OURS)
        filled[what, case, labels] = peer["seconds"]["median"]
        against = filled["int64", case, labels] if what == "int32" else peer["seconds"]["median"]
        ratio, same_width = (ours["seconds"]["median"] / other for other in (against, peer["seconds"]["median"]))
        met = None if bar is None else ratio <= bar
        bytes_a_row = ours["peak_rss_above_input_mb"] * 1024**2 / options.rows
        if what == "plan" and bytes_a_row > MEMORY_BAR:
            met = False
        found = {"ratio": ratio, "bar": bar, "bytes_a_row": round(bytes_a_row, 2), "met": met}
        if what == "int32":
            found["ratio_to_int32"] = same_width
        cases.append({"case": [what, case, labels], PEER: peer, OURS: ours} | found)
        milliseconds = [1e3 * side["seconds"]["median"] for side in (peer, ours)]
        verdict = "" if met is None else ("" if met else "  MISSED")
        if what == "int32":
            verdict += f"  ({same_width:.2f} of the reference's int32)"
        memory = f"{ours['peak_rss_above_input_mb']:.0f}/{peer['peak_rss_above_input_mb']:.0f}"
        print(
            f"{what + ' ' + case + ' ' + labels:32s} {milliseconds[0]:9.2f} {milliseconds[1]:9.2f} {ratio:7.2f} "
            f"{bar or 0:5.2f}  {memory}{verdict}"
        )
    for case, labels in READY:
        peer, ours = measure("ready", case, labels, PEER), measure("ready", case, labels, OURS)
        seconds = ours["seconds"]["median"]
        met = seconds <= READY_BAR
        cases.append({"case": ["ready", case, labels], PEER: peer, OURS: ours, "bar_seconds": READY_BAR, "met": met})
        name, reference = f"45 splits ready {case} {labels}", 1e3 * peer["seconds"]["median"]
        verdict = "" if met else "  MISSED"
        print(f"{name:32s} {reference:9.2f} {1e3 * seconds:9.2f} {'':7s} {1e3 * READY_BAR:5.2f} ms{verdict}")
    suffix = "" if options.threads is None else f"_{options.threads}thread"
    path = harness.record(
        f"split_{options.rows}{suffix}",
        {"rows": options.rows, "repeats": options.repeats, "threads": options.threads, "cases": cases},
        ["numpy", "tradewright"],
    )
    print(f"recorded in benches/results/{path.name}")


if __name__ == "__main__":
    main()
