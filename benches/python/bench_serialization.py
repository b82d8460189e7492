"""What a bundle costs beside the bare native format, and beside the peers: load, save, size.

Three models: a forest of 200 trees (bare: skops), LightGBM of 500 rounds (bare: its text file), an MLP (bare: safetensors
and the module built anew). Bare and ours are timed in turns in one process and compared by the least times; the peers
are joblib, pickle, skops and MLflow. Bars: load <= 1.3x, save <= 1.5x, size <= 1.02x of the bare format.
"""

from __future__ import annotations

import argparse
import hashlib
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


def synced(path: Path, data: bytes) -> None:
    """A file as careful people write it by hand: flushed to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


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
        "bare_load_unchecked": lambda path: skops.io.load(path, trusted=sorted(skops_payload.TRUSTED)),
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
    options = {"serialization_format": "cloudpickle"} if flavour == "sklearn" else {}

    def mlflow_save(path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)
        module.save_model(**{named: thing}, path=str(path), pip_requirements=["numpy"], **options)

    ways[f"mlflow.{flavour}"] = (mlflow_save, lambda path: module.load_model(str(path)))
    del mlflow
    results = {}
    for name, (save, load) in ways.items():
        path = folder / f"peer-{name}"
        try:
            times = in_turns({"save": lambda save=save, path=path: save(path)}, 1.0, least=2)
            times |= in_turns({"load": lambda load=load, path=path: load(path)}, 1.0, least=2)
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
            "bare_flushed": lambda: synced(bare, found["bare_save"]()),
            "ours": lambda: tw.save_model(model, ours),
        },
        seconds,
    )
    loads = in_turns(
        {
            "bare": lambda: found["bare_load"](bare),
            "ours": lambda: tw.load_model(ours),
            "reading_and_digests": lambda: read_bundle(ours),
            **(
                {"bare_unchecked": lambda: found["bare_load_unchecked"](bare)} if "bare_load_unchecked" in found else {}
            ),
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
            "save": saves["ours"] / saves["bare"],
            "save_flushed": saves["ours"] / saves["bare_flushed"],
            "size": ours.stat().st_size / len(data),
        },
        "peers": peers(model, found, folder),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of turns, for saving and for loading")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    results: dict[str, Any] = {}
    for name, make in {"forest_200": forest, "lightgbm_500": boosted, "mlp": network}.items():
        with tempfile.TemporaryDirectory() as folder:
            results[name] = measured(make, chosen.rows, chosen.seconds, Path(folder))
        show(name, results[name])
    packages = ("tradewright", "scikit-learn", "skops", "lightgbm", "torch", "safetensors", "joblib", "mlflow")
    print(harness.record("serialization", {"rows": chosen.rows, "bars": BARS, "results": results}, packages))


def show(name: str, result: dict[str, Any]) -> None:
    ratios = result["ratios"]
    told = ", ".join(f"{key} {ratios[key]:.2f}x (bar {bar})" for key, bar in BARS.items())
    print(f"{name}: {told}; save against a flushed file {ratios['save_flushed']:.2f}x")
    sizes = result["bytes"]
    ours = {"load": result["load_seconds"]["ours"], "save": result["save_seconds"]["ours"]}
    print(
        f"  ours        load {ours['load'] * 1e3:8.2f} ms  save {ours['save'] * 1e3:8.2f} ms  {sizes['ours']:>10,} bytes"
        f"  (sha256 {result['sha256_seconds'] * 1e3:.2f} ms)"
    )
    for peer, found in result["peers"].items():
        if "error" in found:
            print(f"  {peer:<11} {found['error']}")
            continue
        print(
            f"  {peer:<11} load {found['load_seconds'] * 1e3:8.2f} ms  save {found['save_seconds'] * 1e3:8.2f} ms"
            f"  {found['bytes']:>10,} bytes"
        )


if __name__ == "__main__":
    main()
