"""What the training loop and losses of ours cost LightGBM and XGBoost: pairs of the same fit, with and without.

``bridge``: the loop with an observer that keeps every report, against the library's own ``train`` without a callback on
the same sets, evaluated each round as well. ``quiet`` is the library without any evaluation, for the record.
``bce``, ``mse``: LightGBM on a loss of ours, against its built-in objective, both in our loop.

Pairs are interleaved, so that a busy machine is busy for both; the figure is the median of their ratios. With one thread
(the default) the ratio of processor seconds is given too, which other processes disturb less.

Run ``python benches/python/bench_boosting_bridge.py [--rows N] [--repeats R] [--rounds K]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np

FEATURES = 20
#: Case → the most that ours may take, as a multiple; None where there is no goal.
BARS = {
    "bridge lightgbm": 1.03,
    "bridge xgboost": 1.03,
    "quiet lightgbm": None,
    "quiet xgboost": None,
    "bce lightgbm": 1.05,
    "mse lightgbm": 1.05,
}


def table(rows: int) -> tuple[Any, Any]:
    """Features and a target with some signal; the last tenth of the rows is for validation."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, FEATURES))
    y = X[:, 0] - 0.5 * X[:, 1] ** 2 + 0.3 * X[:, 2] * X[:, 3] + rng.standard_t(4, rows)
    return X, y.astype(np.float32).astype(np.float64)


def model(library: str, rounds: int, threads: int, **params: Any) -> Any:
    """A model of ours; sizes as the libraries have them by default, so that a round is as short as they come."""
    from tradewright.models import ModelRegistry

    return ModelRegistry.create(library, n_estimators=rounds, n_jobs=threads, random_state=0, **params)


def watched(fitted: Any, train: Any, val: Any) -> None:
    """Fit under an observer that keeps every report, as the trainer's does."""
    from tradewright.base import SilentObserver

    class Keeper(SilentObserver):
        def __init__(self) -> None:
            self.history: list[dict[str, float]] = []

        def epoch_end(self, state: Any) -> bool:
            self.history.append({"epoch": state.epoch, **state.logs})
            return False

    keeper = Keeper()
    fitted.fit_samples(train, val, observer=keeper)
    if len(keeper.history) != fitted.n_rounds_:
        raise RuntimeError("a round was not reported")


def lightgbm_alone(train: Any, val: Any, rounds: int, threads: int, *, evaluate: bool) -> None:
    """LightGBM's own ``train`` with the settings that our loop puts in."""
    import lightgbm as lgb

    params = {"objective": "regression", "num_threads": threads, "seed": 0, "verbosity": -1}
    params |= {"deterministic": True, "force_row_wise": True}
    data = lgb.Dataset(train.X, train.y, params=params)
    sets = [data, data.create_valid(val.X, val.y, params=params)] if evaluate else None
    lgb.train(params, data, rounds, valid_sets=sets, valid_names=["train", "val"] if evaluate else None)


def xgboost_alone(train: Any, val: Any, rounds: int, threads: int, *, evaluate: bool) -> None:
    """XGBoost's own ``train``."""
    import xgboost as xgb

    params = {"objective": "reg:squarederror", "nthread": threads, "seed": 0, "verbosity": 0}
    data = xgb.QuantileDMatrix(train.X, train.y, nthread=threads)
    sets = [(data, "train")]
    sets += [(xgb.QuantileDMatrix(val.X, val.y, ref=data, nthread=threads), "val")]
    xgb.train(params, data, rounds, evals=sets if evaluate else None, verbose_eval=False)


def pair(case: str, rows: int, rounds: int, threads: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The two sides of a case: the library's, and ours."""
    from tradewright.base import Samples

    kind, library = case.split()
    X, y = table(rows)
    cut = rows - rows // 10
    if kind in ("bce", "mse"):
        task = "classification" if kind == "bce" else "regression"
        target = (y > 0).astype(np.float64) if kind == "bce" else y
        sets = Samples.collect(X[:cut], target[:cut]), Samples.collect(X[cut:], target[cut:])
        built_in, ours = (
            (lambda loss=loss: watched(model(library, rounds, threads, task=task, **loss), *sets))
            for loss in ({}, {"loss": kind})
        )
        return built_in, ours
    train, val = Samples.collect(X[:cut], y[:cut]), Samples.collect(X[cut:], y[cut:])
    alone = {"lightgbm": lightgbm_alone, "xgboost": xgboost_alone}[library]
    return (
        lambda: alone(train, val, rounds, threads, evaluate=kind == "bridge"),
        lambda: watched(model(library, rounds, threads), train, val),
    )


def measure(case: str, rows: int, rounds: int, threads: int, repeats: int) -> dict[str, Any]:
    """Interleaved pairs; which side goes first takes turns."""
    sides = pair(case, rows, rounds, threads)
    for side in sides:
        side()
    seconds: list[list[float]] = [[], []]
    processor: list[list[float]] = [[], []]
    for number in range(repeats):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            wall, used = time.perf_counter(), time.process_time()
            sides[which]()
            seconds[which].append(time.perf_counter() - wall)
            processor[which].append(time.process_time() - used)
    return {
        "library_seconds": statistics.median(seconds[0]),
        "ours_seconds": statistics.median(seconds[1]),
        "ratio": statistics.median(b / a for a, b in zip(*seconds, strict=True)),
        "processor_ratio": statistics.median(b / a for a, b in zip(*processor, strict=True)),
        "ratios": [round(b / a, 4) for a, b in zip(*seconds, strict=True)],
    }


def main() -> None:
    """Run every case in a process of its own, and record it."""
    parser = harness.arguments(__doc__)
    parser.set_defaults(rows=1_000_000, repeats=5, threads=1)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--case", choices=BARS, help="run this one here, and print it as JSON")
    parser.add_argument("--record", action=argparse.BooleanOptionalAction, default=True, help="write benches/results")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(options.case, options.rows, options.rounds, options.threads, options.repeats)))
        return
    cases = []
    for case, bar in BARS.items():
        arguments = [f"--{name}={getattr(options, name)}" for name in ("rows", "rounds", "threads", "repeats")]
        limits = {"TRADEWRIGHT_NUM_THREADS": str(options.threads), "OMP_NUM_THREADS": str(options.threads)}
        found = harness.in_child(Path(__file__), [f"--case={case}", *arguments], limits)
        goal = "" if bar is None else f"  goal {bar:.2f}{'' if found['ratio'] <= bar else '  MISSED'}"
        print(
            f"{case:16}  library {found['library_seconds']:6.2f} s  ours {found['ours_seconds']:6.2f} s"
            f"  ratio {found['ratio']:.3f} (processor {found['processor_ratio']:.3f}){goal}",
            flush=True,
        )
        cases.append({"case": case, "bar": bar, **found})
    if options.record:
        content = {"rows": options.rows, "features": FEATURES, "rounds": options.rounds, "threads": options.threads}
        packages = ("numpy", "lightgbm", "xgboost", "tradewright")
        harness.record(f"boosting_bridge_{options.rows}", {**content, "cases": cases}, packages)


if __name__ == "__main__":
    sys.exit(main())
