"""Runs one engine per peer in child processes and records what it found.

A case is a function of an engine module in ``engines/``. Each engine runs in a fresh process, so that its memory is its
own; medians of repeated runs are compared by ratio, since machines differ.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"


def median_seconds(work: Callable[[], Any], repeats: int, *, warm: bool = True) -> dict[str, float]:
    """Median, least and largest of the repeats, after one run to warm up (not for peers that take many seconds)."""
    if warm:
        work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return {"median": statistics.median(seconds), "least": min(seconds), "largest": max(seconds)}


def held_rss_mb() -> float:
    """The memory this process holds now, in MB; from here on :func:`peak_rss_mb` counts afresh (Linux)."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        # What making the input needed for a moment must not hide what the work needs.
        clear.write_text("5")
    return peak_rss_mb()


def peak_rss_mb() -> float:
    """The most memory this process held since :func:`held_rss_mb` (Linux), or ever, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        if lines:
            return int(lines[0].split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform == "linux" else 1024**2)


def in_child(
    script: Path,
    arguments: Sequence[str],
    environment: dict[str, str] | None = None,
    python: Path | str = sys.executable,
) -> dict[str, Any]:
    """Run a script in a fresh process; the last line it prints is its JSON result."""
    done = subprocess.run(
        [str(python), str(script), *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{script.name} {' '.join(arguments)} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def engine(name: str) -> Any:
    """Import an engine by its name."""
    sys.path.insert(0, str(HERE))
    return importlib.import_module(f"engines.{name}")


def machine() -> dict[str, Any]:
    """What the figures were taken on; no paths and no host name."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.system(), "load_before": load}


def versions(*packages: str) -> dict[str, str]:
    """Python's and the packages' versions; ours from the source where it is not installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = str(getattr(importlib.import_module(package), "__version__", "unknown"))
    return found


def record(
    name: str, content: dict[str, Any], packages: Sequence[str] = (), found: dict[str, str] | None = None
) -> Path:
    """Write the results as JSON into ``benches/results``; ``found`` are versions seen in another environment."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    head = {
        "bench": name,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(*packages) if found is None else found,
    }
    path.write_text(json.dumps(head | content, indent=2) + "\n")
    return path


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options every bench has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=None, help="threads of the Rust core")
    return parser
