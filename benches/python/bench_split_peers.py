"""Index arrays of purged splits, against the libraries that make them.

Run ``python benches/python/bench_split_peers.py [--python PYTHON] [--only WORD] [--quick]``. Rows are minutes apart;
labels last so many of them, or 1 to 100 in no order ("ragged"); the embargo is 100 minutes. Each (case, engine) runs in
a process of its own, the engines' input (datetimes, series, frames, lists) is made beforehand, and both sides hand out
index arrays of every fold unless the case says otherwise. tradewright runs with one thread, as its peers do.

The peers live in an environment of their own, ``.venv/bench``, which ``make bench`` builds from ``requirements.txt`` and
``constraints.txt``: skfolio brings a stack of solvers, and a pin of a peer must never decide what tradewright is tested
with. Every engine, tradewright's too, runs in that environment, so numpy is the same on both sides. An engine whose
library is missing is reported as "not installed".
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness
import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OURS = "tradewright_split"
ENGINES = {
    "numpy_reference": "numpy",
    "purgedcv_split": "purgedcv",
    "pymlfinance_split": "pymlfinance",
    "timeseriescv_split": "timeseriescv",
    "skfolio_split": "skfolio",
    "sklearn_split": "scikit-learn",
    "panelsplit_split": "panelsplit",
    OURS: "tradewright",
}
MINUTE = np.timedelta64(60_000_000_000, "ns")
ASSETS = 500
#: Seconds a run of these takes where they are slow; they are run once, without a run to warm up.
SLOW = ("purgedcv_split", "timeseriescv_split")


@dataclass(frozen=True)
class Case:
    """What both sides do, and how many times faster than each peer we promise to be (None: no promise)."""

    splitter: str
    rows: int
    labels: int | str = 20
    layout: str = "rows"
    work: str = "arrays"
    peers: dict[str, float | None] = field(default_factory=dict)
    #: Bytes a row that our side may hold above its input.
    memory: float | None = None

    @property
    def name(self) -> str:
        size = f"{self.rows:.0e}".replace("e+0", "e")
        parts = [self.splitter, size, f"labels {self.labels}", self.layout if self.layout != "rows" else "", self.work]
        return " ".join(part for part in parts if part)

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Times and label ends."""
        distinct = self.rows if self.layout == "rows" else self.rows // ASSETS
        stamps = np.datetime64("2000-01-01", "ns") + np.arange(distinct) * MINUTE
        if self.layout == "rows":
            time = stamps
        elif self.layout == "panel":
            time = np.repeat(stamps, ASSETS)
        else:
            time = np.tile(stamps, ASSETS)
            if self.layout == "shuffled":
                np.random.default_rng(0).shuffle(time)
        horizon = self.labels if isinstance(self.labels, int) else 1 + (np.arange(self.rows) * 7_919) % 100
        return time, time + horizon * MINUTE


ANY: dict[str, float | None] = {"numpy_reference": None, "pymlfinance_split": 40.0}
PANEL = 10_000_000
CASES = (
    Case("kfold", 100_000, 1, peers=ANY | {"purgedcv_split": None}),
    Case("kfold", 100_000, 100, peers=ANY | {"purgedcv_split": None}),
    Case("kfold", 100_000, "ragged", peers=ANY | {"purgedcv_split": None, "timeseriescv_split": None}),
    Case("kfold", 1_000_000, 1, peers=ANY),
    Case(
        "kfold",
        1_000_000,
        20,
        peers=ANY | {"sklearn_split": None, "purgedcv_split": 2_000.0, "timeseriescv_split": None},
    ),
    Case("kfold", 1_000_000, 100, peers=ANY),
    Case("kfold", 1_000_000, "ragged", peers=ANY),
    # pymlfinance's lists of Python integers would take tens of gigabytes here.
    Case("kfold", 10_000_000, 20, peers={"numpy_reference": 1 / 0.7, "sklearn_split": None}),
    Case("kfold", 10_000_000, "ragged", peers={"numpy_reference": 1 / 0.7}),
    Case(
        "cpcv",
        100_000,
        20,
        peers={"numpy_reference": None, "skfolio_split": None, "purgedcv_split": 1_000.0, "timeseriescv_split": None},
    ),
    Case("cpcv", 100_000, "ragged", peers={"numpy_reference": None, "purgedcv_split": 1_000.0}),
    Case("cpcv", 1_000_000, 20, peers={"numpy_reference": None, "skfolio_split": None}),
    Case("walk_forward", 100_000, 20, peers={"sklearn_split": None, "skfolio_split": None, "purgedcv_split": None}),
    Case("walk_forward", 1_000_000, 20, peers={"sklearn_split": None, "skfolio_split": None}),
    Case("walk_forward", 10_000_000, 20, peers={"sklearn_split": None, "numpy_reference": None}),
    Case("walk_forward", 10_000_000, 20, work="ready", peers={"sklearn_split": 1 / 1.2}),
    Case("walk_forward", PANEL, 20, "panel", peers={"panelsplit_split": 6.0}),
    Case("walk_forward", PANEL, 20, "asset_major", peers={"panelsplit_split": 6.0}),
    Case("walk_forward", PANEL, 20, "panel", work="plan", memory=8.0),
    Case("walk_forward", PANEL, 20, "asset_major", work="plan", peers={"numpy_reference": 1 / 1.3}, memory=12.0),
    Case("walk_forward", PANEL, 20, "shuffled", work="plan", peers={"numpy_reference": 1 / 1.3}, memory=12.0),
)


def child(number: int, name: str, repeats: int) -> dict[str, Any]:
    """What one process measures."""
    case, engine = CASES[number], harness.engine(name)
    given, embargo = engine.given(*case.columns()), 100 * MINUTE
    before = harness.held_rss_mb()
    if case.work == "plan":
        work = (
            (lambda: engine.planned(case.splitter, given, embargo)) if name == OURS else lambda: engine.argsort(given)
        )
    elif case.work == "ready" and name == OURS:
        work = engine.split_ready(case.splitter, given, embargo)
    else:
        work = lambda: engine.splits(case.splitter, given, embargo)  # noqa: E731
    slow = name in SLOW
    seconds = harness.median_seconds(work, 1 if slow else repeats, warm=not slow)
    found = {"seconds": seconds, "peak_rss_above_input_mb": round(harness.peak_rss_mb() - before, 1)}
    if case.work == "arrays":
        # Where rules agree the sets are equal; where they differ the reader sees by how much.
        found["train_rows"] = [len(train) for train, _ in work()] if not slow else None
    return found


def installed(python: Path) -> dict[str, str]:
    """The versions of the peers' environment, by library; what is missing is not in it."""
    asked = [*ENGINES.values(), "pandas", "scipy"]
    return harness.in_child(Path(__file__), ["--versions", *asked], environment(), python)


def environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT / "python"), "TRADEWRIGHT_NUM_THREADS": "1"}


def compare(case: Case, number: int, options: Any, found: dict[str, str]) -> dict[str, Any]:
    """Run a case with every engine."""

    def measure(name: str) -> dict[str, Any] | str:
        if ENGINES[name] not in found:
            return "not installed"
        arguments = ["--child", str(number), name, "--repeats", str(options.repeats)]
        return harness.in_child(Path(__file__), arguments, environment(), options.python)

    ours = measure(OURS)
    assert isinstance(ours, dict), "tradewright is not built: run make, or maturin develop"
    bytes_a_row = ours["peak_rss_above_input_mb"] * 1024**2 / case.rows
    entry: dict[str, Any] = {"case": case.name, OURS: ours, "bytes_a_row": round(bytes_a_row, 1), "peers": {}}
    print(f"{case.name}: {1e3 * ours['seconds']['median']:.2f} ms, {bytes_a_row:.1f} bytes a row", flush=True)
    if case.memory is not None:
        entry |= {"bytes_bar": case.memory, "bytes_met": bytes_a_row <= case.memory}
        print(f"    {'memory':18s} bar {case.memory} bytes a row {'met' if entry['bytes_met'] else 'MISSED'}")
    for name, bar in case.peers.items():
        peer = measure(name)
        if isinstance(peer, str):
            entry["peers"][name] = peer
            print(f"    {name:18s} {peer}")
            continue
        times = peer["seconds"]["median"] / ours["seconds"]["median"]
        met = None if bar is None else times >= bar
        entry["peers"][name] = peer | {"times_faster": times, "bar": bar, "met": met}
        verdict = "" if met is None else f"   bar {bar:,.2f} {'met' if met else 'MISSED'}"
        print(f"    {name:18s} {1e3 * peer['seconds']['median']:11.2f} ms {times:10,.2f}x{verdict}", flush=True)
    return entry


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--python", type=Path, default=None, help="python of the environment that has the peers")
    parser.add_argument("--only", default="", help="cases whose name has this in it; nothing is recorded")
    parser.add_argument("--quick", action="store_true", help="leave the peers out that take many seconds")
    parser.add_argument("--child", nargs=2, default=None, help="used by the bench itself")
    parser.add_argument("--versions", nargs="*", default=None, help="used by the bench itself")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(int(options.child[0]), options.child[1], options.repeats)))
        return
    if options.versions is not None:
        print(json.dumps(_versions(options.versions)))
        return
    if options.python is None:
        own = ROOT / ".venv" / "bench" / "bin" / "python"
        options.python = own if own.exists() else Path(sys.executable)
    found = installed(options.python)
    if options.quick:
        found = {library: version for library, version in found.items() if f"{library}_split" not in SLOW}
    chosen = [(number, case) for number, case in enumerate(CASES) if options.only in case.name]
    entries = [compare(case, number, options, found) for number, case in chosen]
    if not options.only and not options.quick:
        path = harness.record("split_peers", {"repeats": options.repeats, "threads": 1, "cases": entries}, found=found)
        print(f"recorded in benches/results/{path.name}")


def _versions(libraries: list[str]) -> dict[str, str]:
    seen = {}
    for library in libraries:
        try:
            seen |= harness.versions(library)
        except ModuleNotFoundError:
            continue
    return seen


if __name__ == "__main__":
    main()
