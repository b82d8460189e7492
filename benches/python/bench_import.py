"""What ``import tradewright`` costs, against ``import numpy`` and the libraries behind it, each in a fresh interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys

import harness

MODULES = ("numpy", "tradewright", "polars", "sklearn", "torch", "mlflow")
BAR_SECONDS = 0.1  # on top of numpy


def seconds_of(module: str) -> float:
    """Wall time of the import statement alone."""
    code = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    repeats = harness.arguments(__doc__).parse_args().repeats
    found: dict[str, list[float]] = {module: [] for module in MODULES}
    for _ in range(repeats):  # in turn, so that a slow minute hits all of them
        for module in MODULES:
            found[module].append(seconds_of(module))
    medians = {module: statistics.median(values) for module, values in found.items()}
    for module, seconds in medians.items():
        print(f"import {module:12} {1e3 * seconds:8.1f} ms  {seconds / medians['numpy']:6.2f}x numpy")
    extra = medians["tradewright"] - medians["numpy"]
    path = harness.record(
        "import",
        {"seconds": medians, "beyond_numpy": extra, "bar": BAR_SECONDS, "met": extra <= BAR_SECONDS},
        ["numpy", "polars", "scikit-learn", "torch", "mlflow", "tradewright"],
    )
    print(f"recorded in benches/results/{path.name}")


if __name__ == "__main__":
    main()
