"""Cross-set duplicates, fingerprint and missing values, against polars and numpy.

Run ``python benches/python/bench_scan.py [--rows 1000000] [--columns 100] [--dtype f8]``. Medians of repeated runs in
one process; ratios are what counts, since machines differ. "floor" reads every value once and does nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import harness
import numpy as np
import polars as pl

from tradewright import _core


def polars_duplicates(train: pl.DataFrame, val: pl.DataFrame) -> int:
    """Rows of val whose 64-bit row hash is in train: no verification, NaN and −0.0 as polars sees them."""
    return val.hash_rows().is_in(train.hash_rows().implode()).sum()


def polars_semi_join(train: pl.DataFrame, val: pl.DataFrame) -> int:
    hashes = [pl.DataFrame({"h": frame.hash_rows()}) for frame in (val, train)]
    return hashes[0].join(hashes[1], on="h", how="semi").height


def numpy_hash_duplicates(train: np.ndarray, val: np.ndarray) -> int:
    """The obvious vectorised way: a random projection of the bits, then isin. No verification either."""
    rng = np.random.default_rng(1)
    salts = rng.integers(1, 2**63, train.shape[1], dtype=np.uint64) | np.uint64(1)

    def hashes(matrix: np.ndarray) -> np.ndarray:
        out = np.zeros(len(matrix), dtype=np.uint64)
        for j, salt in enumerate(salts):
            bits = np.ascontiguousarray(matrix[:, j] + 0.0).view(f"u{matrix.itemsize}").astype(np.uint64)
            out = (out ^ bits) * salt
        return out

    return int(np.isin(hashes(val), hashes(train)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--dtype", default="f8", choices=["f8", "f4"])
    parser.add_argument("--copied", type=float, default=0.01, help="share of val rows copied from train")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    n_train, n_val = options.rows, options.rows // 4
    train = rng.standard_normal((options.columns, n_train), dtype=options.dtype).T
    val = rng.standard_normal((options.columns, n_val), dtype=options.dtype).T
    copied = int(n_val * options.copied)
    val[:copied] = train[:copied]
    names = [f"c{j}" for j in range(options.columns)]
    frames = [pl.DataFrame({name: matrix[:, j] for j, name in enumerate(names)}) for matrix in (train, val)]
    row_major = [np.ascontiguousarray(matrix) for matrix in (train, val)]
    lists = [[matrix[:, j] for j in range(options.columns)] for matrix in (train, val)]
    assert len(_core.cross_duplicates(train, val)[0]) == copied
    assert len(_core.cross_duplicates(*row_major)[0]) == copied

    def floor() -> None:
        for matrix in (train, val):
            for j in range(options.columns):
                matrix[:, j].view(f"u{matrix.itemsize}").max()

    print(f"{n_train:,} + {n_val:,} × {options.columns} {options.dtype}, {_core.num_threads()} threads")
    contenders: dict[str, Callable[[], Any]] = {
        "floor: numpy max, 1 thread": floor,
        "duplicates, verified: F order": lambda: _core.cross_duplicates(train, val),
        "duplicates, verified: column list": lambda: _core.cross_duplicates(*lists),
        "duplicates, verified: C order": lambda: _core.cross_duplicates(*row_major),
        "duplicates within train: F order": lambda: _core.duplicate_rows(train),
        "polars hash_rows + semi join": lambda: polars_semi_join(*frames),
        "polars hash_rows + is_in": lambda: polars_duplicates(*frames),
        "numpy hash + isin: F order": lambda: numpy_hash_duplicates(train, val),
        "fingerprint: F order": lambda: _core.fingerprint_columns(train, names),
        "fingerprint: C order": lambda: _core.fingerprint_columns(row_major[0], names),
        "nan counts: F order": lambda: _core.nan_counts(train),
        "nan counts: C order": lambda: _core.nan_counts(row_major[0]),
        "polars is_nan().sum()": lambda: frames[0].select(pl.all().is_nan().sum()),
    }
    found = {}
    for name, work in contenders.items():
        found[name] = harness.median_seconds(work, options.repeats if "numpy hash" not in name else 1)
        base = found.get("duplicates, verified: F order")
        ratio = f"{found[name]['median'] / base['median']:6.2f}×" if base else ""
        print(f"{name:<36} {found[name]['median']:8.3f} s {ratio}")
    path = harness.record(
        f"scan_{options.dtype}",
        {
            "rows": [n_train, n_val],
            "columns": options.columns,
            "threads": _core.num_threads(),
            "seconds": found,
            "ratio_to": "duplicates, verified: F order",
            "ratios": {name: seconds["median"] / base["median"] for name, seconds in found.items()},
        },
        ["numpy", "polars", "tradewright"],
    )
    print(f"recorded in benches/results/{path.name}")


if __name__ == "__main__":
    main()
