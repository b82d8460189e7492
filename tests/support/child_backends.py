"""Trainings in a process of their own that a parent interrupts: python child_backends.py MODEL OUTPUT_DIR.

Per line of input trains once, prints ``ready`` when a signal may come, and then what became of it as JSON.
"""

import json
import sys
import time

import numpy as np
from descent import split_problem
from sklearn.linear_model import Ridge

import tradewright as tw

DATA = split_problem()
MODELS = {
    "lightgbm": {"n_estimators": 100_000, "min_child_samples": 5},
    "xgboost": {"n_estimators": 100_000},
    "mlp": {"hidden": (4,), "epochs": 100_000, "batch_size": 32},
}


class Ready(tw.Callback):
    """Tells the parent that the loop runs; takes its time, so that signals find it."""

    def __init__(self, pause):
        self.pause = pause

    def on_epoch_end(self, epoch, logs):
        if epoch == 2:
            print("ready", flush=True)
        if epoch >= 2:
            until = time.monotonic() + self.pause
            while time.monotonic() < until:
                time.sleep(0.005)


class SlowRidge(Ridge):
    """Fits for a minute."""

    def fit(self, X, y, sample_weight=None):
        print("ready", flush=True)
        time.sleep(60)
        return super().fit(X, y, sample_weight)


def train(name, folder, pause):
    model = tw.SklearnModel(SlowRidge()) if name == "ridge" else tw.ModelRegistry.create(name, **MODELS[name])
    trainer = tw.ModelTrainer(model, mlflow_uri="off", output_dir=folder, seed=0)
    callbacks = [Ready(pause), tw.EarlyStopping(patience=10**6)]
    raised = None
    try:
        trainer.train(*DATA, callbacks=callbacks, checks=None)
    except KeyboardInterrupt:
        raised = "KeyboardInterrupt"
    result = trainer.last_result
    kept = None if result.model is None else bool(np.isfinite(result.model.predict(DATA[2])).all())
    best = min(result.history, key=lambda row: row["val_loss"])["epoch"] if result.history else None
    return {
        "status": result.status,
        "reason": result.stop_reason,
        "raised": raised,
        "kept": kept,
        "is_best": result.best_epoch == best,
    }


if __name__ == "__main__":
    name, folder = sys.argv[1:]
    for line in sys.stdin:
        print(json.dumps(train(name, folder, float(line))), flush=True)
