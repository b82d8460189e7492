"""What a bundle costs beside the bare native format, and beside the peers: load, save, size.

Three models: a forest of 200 trees (bare: skops), LightGBM of 500 rounds (bare: its text file), an MLP (bare: safetensors
and the module built anew). Bare and ours are timed in turns in one process and compared by the least times. Bars: load
<= 1.3x, save <= 1.5x, size <= 1.02x of the bare format. Two lines show what a bundle does on top: ``careful`` writes the
bare format to a temporary file, flushes it, renames it and flushes the folder; ``hashed`` does that with a SHA-256, and
checks it when it loads. The peers are joblib, pickle, skops and MLflow, on the library's own object.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import logging
import os
import pickle
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import joblib
import numpy as np

import tradewright as tw
from tradewright.bundle import read_bundle
from tradewright.models import skops_payload

BARS = {"load": 1.3, "save": 1.5, "size": 1.02}
FEATURES = 50


def in_turns(works: dict[str, Callable[[], Any]], seconds: float, least: int = 3) -> dict[str, float]:
    """The least time of each, in seconds; they take turns, so that a busy moment hits all of them."""
    for work in works.values():
        work()
    best = dict.fromkeys(works, float("inf"))
    until, turns = time.perf_counter() + seconds, 0
    while turns < least or time.perf_counter() < until:
        for name, work in works.items():
            start = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - start)
        turns += 1
    return best


def careful(path: Path, data: bytes) -> None:
    """A file as careful people write it by hand: whole or not at all, also after a crash."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def hashed(path: Path, data: bytes) -> None:
    """The same, with a digest that is checked when it is read."""
    path.with_suffix(".sha256").write_text(hashlib.sha256(data).hexdigest())
    careful(path, data)


def checked(path: Path) -> None:
    if hashlib.sha256(path.read_bytes()).hexdigest() != path.with_suffix(".sha256").read_text():
        raise ValueError("damaged")


def forest(rows: int) -> tuple[Any, dict[str, Any]]:
    X, y = table(rows)
    model = tw.ModelRegistry.create("random_forest", n_estimators=200, max_depth=10, random_state=0).fit(X, y)
    estimator = model.estimator_

    def load(path: Path) -> Any:
        return skops_payload.load(path.read_bytes())

    import skops.io

    return model, {
        "bare_save": lambda: skops.io.dumps(estimator),
        "bare_load": load,
        "object": estimator,
        "peers": {
            "skops": (
                lambda path: skops.io.dump(estimator, path),
                lambda path: skops.io.load(path, trusted=sorted(skops_payload.TRUSTED)),
            )
        },
    }


def boosted(rows: int) -> tuple[Any, dict[str, Any]]:
    import lightgbm as lgb

    X, y = table(rows)
    model = tw.ModelRegistry.create("lightgbm", n_estimators=500, num_leaves=31, n_jobs=1).fit(X, y)
    return model, {
        "bare_save": lambda: model.booster_.model_to_string().encode(),
        "bare_load": lambda path: lgb.Booster(model_str=path.read_text()),
        "object": model.booster_,
    }


def network(rows: int) -> tuple[Any, dict[str, Any]]:
    import safetensors.torch

    from tradewright.models.neural.mlp import MLP

    X, y = table(rows)
    hidden = [512, 512]
    model = tw.ModelRegistry.create("mlp", hidden=hidden, epochs=1, seed=0, device="cpu").fit(X, y)
    module = model.module_

    def load(path: Path) -> Any:
        tensors = safetensors.torch.load(path.read_bytes())
        built = MLP(FEATURES, 1, hidden=hidden)
        built.load_state_dict(tensors)
        return built

    return model, {
        "bare_save": lambda: safetensors.torch.save(dict(module.state_dict())),
        "bare_load": load,
        "object": module,
    }


def table(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, FEATURES))
    return X, X[:, :5].sum(axis=1) + rng.normal(size=rows)


def peers(model: Any, found: dict[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """Save, load and size of joblib, pickle, skops and MLflow, of the library's own object."""
    thing = found["object"]

    def pickled(path: Path) -> None:
        path.write_bytes(pickle.dumps(thing, protocol=5))

    ways: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
        "joblib": (lambda path: joblib.dump(thing, path), joblib.load),
        "pickle": (pickled, lambda path: pickle.loads(path.read_bytes())),
    }
    flavour = {"SklearnModel": "sklearn", "BoostingModel": "lightgbm", "TorchModel": "pytorch"}[type(model).__name__]
    import mlflow

    module = __import__(f"mlflow.{flavour}", fromlist=["x"])
    named = {"sklearn": "sk_model", "lightgbm": "lgb_model", "pytorch": "pytorch_model"}[flavour]
    options = {
        "sklearn": {"serialization_format": "cloudpickle"},
        "pytorch": {"input_example": np.zeros((2, FEATURES), np.float32)},  # what it is exported with
    }.get(flavour, {})

    def mlflow_save(path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)
        module.save_model(**{named: thing}, path=str(path), pip_requirements=["numpy"], **options)

    ways[f"mlflow.{flavour}"] = (mlflow_save, lambda path: module.load_model(str(path)))
    del mlflow
    ways |= found.get("peers", {})
    results = {}
    for name, (save, load) in ways.items():
        path = folder / f"peer-{name}"
        try:
            # MLflow says at length what it would rather have
            with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                times = timed(save, load, path)
        except Exception as error:  # noqa: BLE001  a peer that cannot do it is a result too
            results[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
            continue
        size = (
            sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
            if path.is_dir()
            else path.stat().st_size
        )
        results[name] = {"save_seconds": times["save"], "load_seconds": times["load"], "bytes": size}
    return results


def timed(save: Callable[[Path], Any], load: Callable[[Path], Any], path: Path) -> dict[str, float]:
    return in_turns({"save": lambda: save(path)}, 1.0, least=2) | in_turns({"load": lambda: load(path)}, 1.0, least=2)


def measured(
    make: Callable[[int], tuple[Any, dict[str, Any]]], rows: int, seconds: float, folder: Path
) -> dict[str, Any]:
    model, found = make(rows)
    bare, ours = folder / "bare", folder / "ours.tw"
    data = found["bare_save"]()
    bare.write_bytes(data)
    tw.save_model(model, ours)
    saves = in_turns(
        {
            "bare": lambda: bare.write_bytes(found["bare_save"]()),
            "careful": lambda: careful(bare, found["bare_save"]()),
            "hashed": lambda: hashed(bare, found["bare_save"]()),
            "ours": lambda: tw.save_model(model, ours),
        },
        seconds,
    )
    loads = in_turns(
        {
            "bare": lambda: found["bare_load"](bare),
            "ours": lambda: tw.load_model(ours),
            "reading_and_digests": lambda: read_bundle(ours),
            "hashed": lambda: (checked(bare), found["bare_load"](bare)),
        },
        seconds,
    )
    payload = b"".join(read_bundle(ours).payloads.values())
    digest = in_turns({"sha256": lambda: hashlib.sha256(payload).hexdigest()}, min(seconds, 0.5))
    return {
        "bytes": {"bare": len(data), "ours": ours.stat().st_size},
        "save_seconds": saves,
        "load_seconds": loads,
        "sha256_seconds": digest["sha256"],
        "ratios": {
            "load": loads["ours"] / loads["bare"],
            "load_hashed": loads["ours"] / loads["hashed"],
            "save": saves["ours"] / saves["bare"],
            "save_careful": saves["ours"] / saves["careful"],
            "save_hashed": saves["ours"] / saves["hashed"],
            "size": ours.stat().st_size / len(data),
        },
        "peers": peers(model, found, folder),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of turns, for saving and for loading")
    parser.add_argument("--quick", action="store_true", help="a second of turns, nothing recorded")
    chosen = parser.parse_args()
    seconds = 1.0 if chosen.quick else chosen.seconds
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    results: dict[str, Any] = {}
    for name, make in {"forest_200": forest, "lightgbm_500": boosted, "mlp": network}.items():
        with tempfile.TemporaryDirectory() as folder:
            results[name] = measured(make, chosen.rows, seconds, Path(folder))
        show(name, results[name])
    if chosen.quick:
        return
    packages = ("tradewright", "scikit-learn", "skops", "lightgbm", "torch", "safetensors", "joblib", "mlflow")
    print(harness.record("serialization", {"rows": chosen.rows, "bars": BARS, "results": results}, packages))


def show(name: str, result: dict[str, Any]) -> None:
    """One line for each way: milliseconds, and how many times as long ours takes."""
    loads, saves, sizes, peers = (result[key] for key in ("load_seconds", "save_seconds", "bytes", "peers"))
    lines = {
        "ours": (loads["ours"], saves["ours"], sizes["ours"]),
        "bare": (loads["bare"], saves["bare"], sizes["bare"]),
        "bare, careful": (loads["bare"], saves["careful"], sizes["bare"]),
        "bare, hashed": (loads["hashed"], saves["hashed"], sizes["bare"]),
    } | {
        peer: (found["load_seconds"], found["save_seconds"], found["bytes"])
        for peer, found in peers.items()
        if "error" not in found
    }
    print(f"\n{name:<16} {'load':>10} {'ours/it':>8} {'save':>13} {'ours/it':>8} {'size':>14} {'ours/it':>8}")
    ours = lines["ours"]
    for what, (load, save, size) in lines.items():
        print(
            f"  {what:<14} {load * 1e3:7.2f} ms {ours[0] / load:7.2f}x {save * 1e3:10.2f} ms {ours[1] / save:7.2f}x"
            f" {size:>12,} B {ours[2] / size:7.3f}x"
        )
    for peer, found in peers.items():
        if "error" in found:
            print(f"  {peer:<14} {found['error']}")
    ratios = result["ratios"]
    told = ", ".join(
        f"{key} {ratios[key]:.2f}x {'<=' if ratios[key] <= bar else '>'} {bar}" for key, bar in BARS.items()
    )
    print(
        f"  bars, against bare: {told}\n  apart: reading and digests {loads['reading_and_digests'] * 1e3:.2f} ms, of"
        f" which SHA-256 {result['sha256_seconds'] * 1e3:.2f} ms"
    )


if __name__ == "__main__":
    main()
