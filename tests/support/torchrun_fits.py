"""Fits models as one of several processes; the first one writes what came out, each its own weights' digest."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

import tradewright as tw
from tradewright.base import Samples, SilentObserver
from tradewright.models import TorchModel

N = 203
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
Y = X[:, 0] + 0.1 * RNG.normal(size=N)
WEIGHT = RNG.uniform(0.5, 2.0, N)
GROUPS = np.arange(N) // 7

FITS = {
    "rows": {},
    "weights": {"weighted": True},
    "accumulate and momentum": {
        "optimizer": "sgd",
        "optimizer_params": {"momentum": 0.9},
        "accumulate": 2,
        "grad_clip": 0.5,
        "schedule": "cosine",
    },
    "bfloat16": {"amp": "bf16"},
    "dates": {"loss": "pairwise", "optimizer": "sgd"},  # which leaves the last bias alone: its gradient is rounding
    "series": {"loss": "sharpe_loss"},
    "classes": {"task": "classification"},
    "few rows": {"batch_size": 101},  # the last batch is one row: less than there are processes
    "stopped": {"stop_at": 1},
    "rate set": {"lr_from": 0.05},
}


class FirstOnly(SilentObserver):
    """What the first process's callbacks do: keep the logs, stop, change the rate; the others have none."""

    def __init__(self, model, stop_at, lr):
        self.model, self.stop_at, self.lr = model, stop_at, lr
        self.logs = []

    def epoch_end(self, state):
        self.logs.append({name: value for name, value in state.logs.items() if name != "seconds"})
        if self.lr is not None:
            self.model.set_learning_rate(self.lr)
        return state.epoch == self.stop_at


def fit(name, rank=0):
    params = {"epochs": 3, "batch_size": 32, "lr": 0.01, "seed": 3, "device": "cpu", **FITS[name]}
    weighted, stop_at, lr = params.pop("weighted", False), params.pop("stop_at", None), params.pop("lr_from", None)
    dated = "loss" in params
    y = Y > 0 if params.get("task") == "classification" else Y
    train, val = (
        Samples.collect(
            X[part],
            y[part],
            sample_weight=WEIGHT[part] if weighted else None,
            groups=GROUPS[part] if dated else None,
        )
        for part in (slice(0, 150), slice(150, N))
    )
    if name == "few rows":
        train = Samples.collect(X[:102], y[:102])
    model = TorchModel("mlp", module_params={"hidden": [8]}, **params)
    seen = FirstOnly(model, stop_at, lr) if rank == 0 else SilentObserver()
    model.fit_samples(train, val, observer=seen)
    weights = torch.cat([value.reshape(-1) for value in model.module_.state_dict().values()]).numpy()
    return weights, getattr(seen, "logs", None)


def train(folder: Path) -> dict[str, object]:
    """The trainer with callbacks, in every process; the first one's decide."""
    model = TorchModel("mlp", module_params={"hidden": [8]}, epochs=20, batch_size=32, device="cpu")
    trainer = tw.ModelTrainer(model, "together", mlflow_uri="off", output_dir=folder / "runs")
    callbacks = [
        tw.LearningRateScheduler(lambda epoch: 0.02 / (1 + epoch)),
        tw.EarlyStopping(stopping_threshold=1e6, start_from_epoch=2, patience=20),  # whatever seed is drawn
        tw.ModelCheckpoint(save_last=True),
        tw.ProgressBar(),
    ]
    result = trainer.train(X[:150], Y[:150], X[150:], Y[150:], callbacks=callbacks, checks=None)
    return {"artifacts": sorted(result.artifacts), "epochs": len(result.history), "seed": model.metadata.seed}


def main(folder: Path) -> None:
    rank = int(os.environ["RANK"])
    torch.set_num_threads(1)
    digests = {}
    for name in FITS:
        weights, logs = fit(name, rank)
        digests[name] = hashlib.sha256(weights.tobytes()).hexdigest()
        if rank == 0:
            (folder / f"{name}.json").write_text(json.dumps({"weights": weights.tolist(), "logs": logs}))
    (folder / f"digests-{rank}.json").write_text(json.dumps(digests))
    (folder / f"trained-{rank}.json").write_text(json.dumps(train(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
