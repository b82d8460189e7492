"""What tracking costs a training, and what a server that is dead costs it.

``overhead``: a training of short epochs, each with 10 metrics to a SQLite store, against the same one without tracking.
The loop is the same for every engine and stands for a small model: matrix products of numpy, so that what a worker does
beside them counts. What a run costs once (making and closing it) is given apart.
``flush``: what the training's thread sees of one step's metrics and a flush.
``points``: 10,000 points into SQLite, against one call each (fewer of those are made, and scaled).
``dead``: what a fit of the trainer takes more, when nobody listens at the address of the server, or somebody who never
answers.

Peers: MLflow's ``log_metric`` (plain), Lightning's ``MLFlowLogger``, in the environment of the peers (``.venv/bench``).
Sides of a comparison run in turns in one process, so that a busy machine is busy for both.

Run ``python benches/python/bench_tracking.py [--repeats R] [--epochs E]``.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np

METRICS = {f"metric_{number}": 1.0 / (1 + number) for number in range(10)}
POINTS = 10_000
#: Bars: the share of training time, milliseconds of a flush, seconds of a fit, times faster than one call each.
BARS = {"overhead": 0.02, "flush": 2.0, "dead": 5.0, "points": 20.0}


def uri_in(folder: str) -> str:
    """A store of its own in a folder."""
    return f"sqlite:///{Path(folder).as_posix()}/mlflow.db"


def training(log: Callable[[int], None], epochs: int, milliseconds: float) -> tuple[float, float]:
    """Seconds, and processor seconds of all threads, of a training of so many epochs of about so many milliseconds each.

    The work of an epoch is counted, not timed.
    """
    matrix = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)
    products = _products(matrix, milliseconds)
    started, used = time.perf_counter(), time.process_time()
    for epoch in range(epochs):
        for _ in range(products):
            matrix @ matrix
        log(epoch)
    return time.perf_counter() - started, time.process_time() - used


_COUNT: dict[float, int] = {}


def _products(matrix: np.ndarray, milliseconds: float) -> int:
    if milliseconds not in _COUNT:
        started = time.perf_counter()
        for _ in range(200):
            matrix @ matrix
        _COUNT[milliseconds] = max(1, round(milliseconds / 1e3 / ((time.perf_counter() - started) / 200)))
    return _COUNT[milliseconds]


def overhead(name: str, epochs: int, milliseconds: float, repeats: int) -> dict[str, Any]:
    """The share of the training's time that an engine adds, in pairs with no tracking."""
    engine, none = (harness.engine(f"tracking_{each}") for each in (name, "none"))
    shares, processor, once = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        uri = uri_in(folder)
        _warm(engine, uri, folder)
        for _ in range(repeats):
            plain = none.Logger(uri, folder)
            without = training(lambda epoch, to=plain: to.log(METRICS, epoch), epochs, milliseconds)
            started = time.perf_counter()
            logger = engine.Logger(uri, folder)
            opened = time.perf_counter() - started
            within = training(lambda epoch, to=logger: to.log(METRICS, epoch), epochs, milliseconds)
            started = time.perf_counter()
            logger.close()
            once.append(opened + time.perf_counter() - started)
            shares.append(within[0] / without[0] - 1)
            processor.append(within[1] / without[1] - 1)
    return {
        "share": statistics.median(shares),
        "processor_share": statistics.median(processor),
        "shares": [round(share, 4) for share in shares],
        "open_and_close_seconds": statistics.median(once),
    }


def _warm(engine: Any, uri: str, folder: str) -> None:
    logger = engine.Logger(uri, folder)
    logger.log(METRICS, 0)
    logger.close()


def flush(name: str, repeats: int) -> dict[str, Any]:
    """Milliseconds that the thread of the training spends on the metrics of one step and on asking for a flush."""
    engine = harness.engine(f"tracking_{name}")
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        uri = uri_in(folder)
        _warm(engine, uri, folder)
        logger = engine.Logger(uri, folder)

        def log(epoch: int) -> None:
            started = time.perf_counter()
            logger.log(METRICS, epoch)
            if hasattr(logger, "flush"):
                logger.flush()
            times.append((time.perf_counter() - started) * 1e3)

        for _ in range(repeats):
            training(log, 60, 50.0)
        logger.close()
    times.sort()
    return {
        "milliseconds": statistics.median(times),
        "p95_milliseconds": times[int(0.95 * len(times))],
        "largest_milliseconds": times[-1],
    }


def points(name: str, count: int) -> dict[str, Any]:
    """Microseconds a point until all of them are in the store."""
    engine = harness.engine(f"tracking_{name}")
    with tempfile.TemporaryDirectory() as folder:
        uri = uri_in(folder)
        _warm(engine, uri, folder)
        logger = engine.Logger(uri, folder)
        started = time.perf_counter()
        for step in range(count // len(METRICS)):
            logger.log(METRICS, step)
        if name == "tradewright" and not logger.run.wait(600):
            raise RuntimeError("not everything arrived")
        seconds = time.perf_counter() - started
        logger.close()
    return {"points": count, "microseconds": seconds / count * 1e6}


def dead(hangs: bool, repeats: int) -> dict[str, Any]:
    """Seconds that a fit takes more with a server that does not answer than without tracking, and the largest of them."""
    from sklearn.linear_model import Ridge

    import tradewright as tw

    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 5))
    rows = X[:400], X[:400, 0], X[400:], X[400:, 0]
    warnings.simplefilter("ignore")
    more = []
    with tempfile.TemporaryDirectory() as folder, socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if hangs:
            server.listen(64)
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        for repeat in range(repeats + 1):
            seconds = []
            for place in ("off", uri):
                trainer = tw.ModelTrainer(tw.as_model(Ridge()), "bench", place, output_dir=folder, seed=1)
                started = time.perf_counter()
                trainer.train(*rows, callbacks=[tw.MLflowLogger()], checks=None)
                seconds.append(time.perf_counter() - started)
            if repeat:  # the first one imports
                more.append(seconds[1] - seconds[0])
    return {"seconds": statistics.median(more), "largest_seconds": max(more)}


def main() -> None:
    """Run every case in a process of its own, and record it."""
    parser = harness.arguments(__doc__)
    parser.set_defaults(repeats=3)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--milliseconds", type=float, default=100.0, help="of an epoch")
    parser.add_argument("--python", type=Path, default=Path(sys.prefix) / "bench" / "bin" / "python")
    parser.add_argument("--case", nargs=2, help="run this one here, and print it as JSON")
    parser.add_argument("--record", action=argparse.BooleanOptionalAction, default=True, help="write benches/results")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(one(*options.case, options)))
        return

    def child(kind: str, name: str) -> dict[str, Any]:
        # The peers are so much slower that one run of them is enough.
        repeats = options.repeats if name not in ("mlflow", "lightning") else 1
        arguments = [f"--repeats={repeats}", f"--epochs={options.epochs}", f"--milliseconds={options.milliseconds}"]
        python = options.python if name == "lightning" else sys.executable
        limits = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
        return {
            "case": kind,
            "engine": name,
            **harness.in_child(Path(__file__), ["--case", kind, name, *arguments], limits, python),
        }

    engines = ["tradewright", "mlflow", *(["lightning"] if options.python.exists() else [])]
    cases = []
    for name in engines:
        found = child("overhead", name)
        share = found["share"]
        said = "" if name != "tradewright" else verdict(share <= BARS["overhead"], f"at most {BARS['overhead']:.0%}")
        processor, once = found["processor_share"], found["open_and_close_seconds"]
        print(
            f"overhead  {name:12} {share:7.2%} of the training (processor {processor:.2%}), {once:.2f} s a run{said}",
            flush=True,
        )
        cases.append(found)
    for name in engines:
        found = child("flush", name)
        said = (
            ""
            if name != "tradewright"
            else verdict(found["milliseconds"] <= BARS["flush"], f"at most {BARS['flush']:g} ms")
        )
        print(
            f"flush     {name:12} {found['milliseconds']:7.3f} ms (95 %: {found['p95_milliseconds']:.3f}){said}",
            flush=True,
        )
        cases.append(found)
    for name in engines:
        cases.append(child("points", name))
        faster = cases[-1]["microseconds"] / next(
            case["microseconds"] for case in cases if (case["case"], case["engine"]) == ("points", "tradewright")
        )
        said = verdict(faster >= BARS["points"], f"at least {BARS['points']:g}x") if name == "mlflow" else ""
        print(f"points    {name:12} {cases[-1]['microseconds']:7.0f} us a point ({faster:.1f}x ours){said}", flush=True)
    for name in ("refusing", "hanging"):
        found = child("dead", name)
        said = verdict(found["largest_seconds"] < BARS["dead"], f"less than {BARS['dead']:g} s")
        print(
            f"dead      {name:12} {found['seconds']:7.2f} s a fit (largest {found['largest_seconds']:.2f}){said}",
            flush=True,
        )
        cases.append(found)
    if options.record:
        content = {"metrics": len(METRICS), "epochs": options.epochs, "epoch_milliseconds": options.milliseconds}
        harness.record("tracking", {**content, "bars": BARS, "cases": cases}, ("numpy", "mlflow", "tradewright"))


def one(kind: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one case in this process."""
    if kind == "overhead":
        return overhead(name, options.epochs, options.milliseconds, options.repeats)
    if kind == "flush":
        return flush(name, options.repeats)
    if kind == "points":
        return points(name, POINTS if name == "tradewright" else POINTS // 20)
    return dead(name == "hanging", options.repeats)


def verdict(holds: bool, bar: str) -> str:
    """The bar, and whether it was missed."""
    return f"  goal {bar}{'' if holds else '  MISSED'}"


if __name__ == "__main__":
    sys.exit(main())
