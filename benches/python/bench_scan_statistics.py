"""Statistics between columns against numpy, scipy and polars, and the default suite as a whole.

Run ``python benches/python/bench_scan_statistics.py [--rows 1000000] [--columns 100]``. Each case runs in a process of its
own, so that its memory is its own; ratios are what counts, since machines differ. Bars are printed beside them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np

LAGS = 21
SAMPLE = 200_000
#: By case: the peer it is held against, and the least ratio; or the most seconds and memory.
BARS = {
    "lag scan: ours": ("lag scan: numpy, shifted product", 3.0),
    "correlation of 200,000 rows: ours": ("correlation of 200,000 rows: numpy corrcoef", 1.0),
    "ranks of 200,000 rows: ours": ("ranks of 200,000 rows: scipy rankdata", 1.0),
}
SUITE_SECONDS, SUITE_MEMORY = 3.0, 1.2


def data(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Column-major features with a few missing cells in every tenth, and labels."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((columns, rows)).T
    X[: rows // 100, ::10] = np.nan
    return X, rng.standard_normal(rows)


def numpy_lag_scan(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Centre, fill, shift the labels into a table, multiply: the obvious vectorised way."""
    known = ~np.isnan(X)
    Z = np.where(known, X - np.nanmean(X, axis=0), 0.0)
    y = y - y.mean()
    shifted = np.zeros((len(y), LAGS))
    marks = np.zeros((len(y), LAGS))
    for k in range(LAGS):
        lag = k - LAGS // 2
        here, there = slice(max(0, -lag), len(y) - max(0, lag)), slice(max(0, lag), len(y) - max(0, -lag))
        shifted[here, k] = y[there]
        marks[here, k] = 1.0
    pairs = known.astype(float).T @ marks
    return (Z.T @ shifted) / pairs / Z.std(axis=0)[:, None] / y.std()


def cases(rows: int, columns: int) -> dict[str, Callable[[], Callable[[], Any]]]:  # noqa: C901  a case is a closure
    """What is measured: a function that makes the input and returns the work."""
    from tradewright import _core

    half = LAGS // 2
    start = np.zeros(1, np.int64)

    def lag_ours() -> Callable[[], Any]:
        X, y = data(rows, columns)
        return lambda: _core.lag_profile(X, [False] * columns, y, None, start, -half, half)

    def lag_numpy() -> Callable[[], Any]:
        X, y = data(rows, columns)
        return lambda: numpy_lag_scan(X, y)

    def sample() -> np.ndarray:
        return np.ascontiguousarray(data(min(rows, SAMPLE), columns)[0].T)

    def clean() -> np.ndarray:
        return np.nan_to_num(sample())

    def ranks_ours() -> Callable[[], Any]:
        X = list(sample())
        return lambda: _core.ranks(X)

    def ranks_scipy() -> Callable[[], Any]:
        from scipy.stats import rankdata

        X = sample()
        return lambda: rankdata(X, axis=1, nan_policy="omit")

    def ranks_polars() -> Callable[[], Any]:
        import polars as pl

        frame = pl.DataFrame({f"c{j}": column for j, column in enumerate(sample())})
        return lambda: frame.select(pl.all().rank("average"))

    def correlation_ours() -> Callable[[], Any]:
        X = list(clean())
        return lambda: _core.correlations(X)

    def correlation_ours_missing() -> Callable[[], Any]:
        X = list(sample())
        return lambda: _core.correlations(X)

    def correlation_numpy() -> Callable[[], Any]:
        X = clean()
        return lambda: np.corrcoef(X)

    def correlation_polars() -> Callable[[], Any]:
        import polars as pl

        frame = pl.DataFrame({f"c{j}": column for j, column in enumerate(clean())})
        return lambda: frame.corr()

    def autocorrelation() -> Callable[[], Any]:
        X, _ = data(rows, columns)
        return lambda: _core.autocorrelations(X, None, start)

    def drift() -> Callable[[], Any]:
        X = list(sample())
        return lambda: _core.drifts(X, X)

    def drift_scipy() -> Callable[[], Any]:
        from scipy.stats import ks_2samp

        X = clean()
        return lambda: [ks_2samp(x, x, method="asymp") for x in X[:10]]

    def suite() -> Callable[[], Any]:
        from tradewright import ModelSanityChecker

        X, y = data(rows, columns)
        cut, time = rows * 4 // 5, np.arange(rows)
        sides = (X[:cut], y[:cut], X[cut:], y[cut:])
        return lambda: ModelSanityChecker().run(
            *sides,
            time_train=time[:cut],
            time_val=time[cut:],
            label_end_train=time[:cut],
            label_end_val=time[cut:],
            lookback=1,
        )

    return {
        "lag scan: ours": lag_ours,
        "lag scan: numpy, shifted product": lag_numpy,
        "autocorrelations: ours": autocorrelation,
        "ranks of 200,000 rows: ours": ranks_ours,
        "ranks of 200,000 rows: scipy rankdata": ranks_scipy,
        "ranks of 200,000 rows: polars": ranks_polars,
        "correlation of 200,000 rows: ours": correlation_ours,
        "correlation of 200,000 rows: ours, cells missing": correlation_ours_missing,
        "correlation of 200,000 rows: numpy corrcoef": correlation_numpy,
        "correlation of 200,000 rows: polars": correlation_polars,
        "drift of 200,000 rows: ours": drift,
        "drift of 200,000 rows: scipy ks_2samp, 10 columns": drift_scipy,
        "the default suite": suite,
    }


def child(name: str, rows: int, columns: int, repeats: int) -> dict[str, Any]:
    """Measure one case in this process."""
    work = cases(rows, columns)[name]()
    held = harness.held_rss_mb()
    found: dict[str, Any] = {"seconds": harness.median_seconds(work, repeats)}
    found["extra_mb"] = harness.peak_rss_mb() - held
    if name == "the default suite":
        found["timings"] = dict(work().timings)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="record nothing")
    parser.add_argument("--case")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(child(options.case, options.rows, options.columns, options.repeats)))
        return
    found: dict[str, Any] = {}
    size = [f"--rows={options.rows}", f"--columns={options.columns}", f"--repeats={options.repeats}"]
    for name in cases(options.rows, options.columns):
        found[name] = harness.in_child(Path(__file__), [f"--case={name}", *size], dict(os.environ))
        seconds = found[name]["seconds"]
        print(
            f"{name:<52} {seconds['median']:8.3f} s (least {seconds['least']:.3f}), +{found[name]['extra_mb']:.0f} MB"
        )
    ratios = {}
    for name, (peer, bar) in BARS.items():
        ratios[name] = found[peer]["seconds"]["median"] / found[name]["seconds"]["median"]
        print(f"{name}: {ratios[name]:.2f}× of {peer.partition(': ')[2]} (bar {bar}×)")
    suite, mb = found["the default suite"], options.rows * options.columns * 8 / 1e6
    memory = 1 + suite["extra_mb"] / mb
    print(f"the default suite: {suite['seconds']['median']:.2f} s (bar {SUITE_SECONDS} s at 1M × 100)")
    print(f"the default suite: peak {memory:.2f}× the data (bar {SUITE_MEMORY}×)")
    slowest = sorted(suite["timings"].items(), key=lambda item: -item[1])[:8]
    print("  " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in slowest))
    if options.quick:
        return
    from tradewright import _core

    content = {
        "rows": options.rows,
        "columns": options.columns,
        "threads": _core.num_threads(),
        "cases": found,
        "ratios": ratios,
        "suite_memory": memory,
    }
    path = harness.record("scan_statistics", content, ["numpy", "scipy", "polars", "tradewright"])
    print(f"recorded in benches/results/{path.name}")


if __name__ == "__main__":
    main()
