"""One callback set over the back ends: ridge, LightGBM and torch through the same trainer."""

import os
import signal

import numpy as np
import pytest
from descent import split_problem

import tradewright as tw
from tradewright.base import Callback

DATA = split_problem()
MODELS = {
    "ridge": {},
    "lightgbm": {"n_estimators": 40, "min_child_samples": 5, "verbose": -1},
    "mlp": {"hidden": (8,), "epochs": 15, "batch_size": 32, "lr": 0.02},
}


def train(tmp_path, name, *callbacks, **options):
    model = tw.ModelRegistry.create(name, **MODELS[name])
    trainer = tw.ModelTrainer(model, mlflow_uri="off", output_dir=tmp_path, seed=1)
    return trainer.train(*DATA, callbacks=callbacks, checks=None, **options)


@pytest.mark.parametrize("name", MODELS)
def test_stopping_and_checkpoints(tmp_path, name):
    stopping, checkpoint = tw.EarlyStopping(patience=3), tw.ModelCheckpoint(save_last=True)
    result = train(tmp_path, name, stopping, checkpoint)
    assert result.status in ("completed", "stopped")
    best = min(result.history, key=lambda row: row["val_loss"])
    assert result.best_epoch == best["epoch"]
    assert result.metrics["val_loss"] == best["val_loss"]
    # The model kept, the model saved and the best checkpoint are one and the same.
    expected = result.model.predict(DATA[2])
    for path in (result.artifacts["model"], checkpoint.best_model_path):
        np.testing.assert_array_equal(tw.load_model(path).predict(DATA[2]), expected)
    np.testing.assert_allclose(np.mean((expected - DATA[3]) ** 2), best["val_loss"], rtol=1e-6)


@pytest.mark.parametrize("name", ["lightgbm", "mlp"])
def test_the_model_is_kept_after_an_interrupt(tmp_path, name):
    class Interrupt(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 4:
                os.kill(os.getpid(), signal.SIGINT)

    result = train(tmp_path, name, Interrupt())
    assert result.status == "interrupted"
    assert len(result.history) == 5
    assert np.isfinite(result.model.predict(DATA[2])).all()
