"""One callback set over the back ends: ridge, LightGBM and torch through the same trainer."""

import os
import signal

import numpy as np
import pytest
from descent import split_problem

import tradewright as tw
from tradewright.base import Callback
from tradewright.errors import UnsupportedError
from tradewright.training.files import TrainingFiles

DATA = split_problem()
MODELS = {
    "ridge": {},
    "lightgbm": {"n_estimators": 40, "min_child_samples": 5, "verbose": -1},
    "mlp": {"hidden": (8,), "epochs": 15, "batch_size": 32, "lr": 0.02},
}


@pytest.fixture(autouse=True, scope="module")
def no_plots():
    """Drawing takes longer than all the trainings here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingFiles, "write_plots", lambda self, drawn: None)
        yield


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


# --- dry runs -----------------------------------------------------------------------------------------------------


class Counts(Callback):
    """Counts the calls of its hooks."""

    def __init__(self):
        self.calls = dict.fromkeys(("on_epoch_end", "on_batch_end", "on_checkpoint_saved", "on_train_end"), 0)

    def _count(hook):
        def method(self, *arguments):
            self.calls[hook] += 1

        return method

    on_epoch_end, on_batch_end = _count("on_epoch_end"), _count("on_batch_end")
    on_checkpoint_saved, on_train_end = _count("on_checkpoint_saved"), _count("on_train_end")


@pytest.mark.parametrize(
    ("name", "options", "turns", "batches"),
    [
        ("ridge", {}, 1, 0),
        ("lightgbm", {}, 3, 0),
        ("xgboost", {"n_estimators": 40}, 3, 0),
        ("mlp", {"batch_size": 4}, 1, 3),  # three batches of ten
        ("mlp", {"batch_size": 20}, 2, 3),  # two in the first epoch, one in the second
    ],
)
def test_a_dry_run_goes_through_hooks_checkpoints_and_loggers(tmp_path, name, options, turns, batches):
    pytest.importorskip({"ridge": "sklearn", "mlp": "torch"}.get(name, name))
    counts = Counts()
    # A callback that looks at each hundredth turn would see nothing of three.
    checkpoint = tw.ModelCheckpoint(tmp_path / "c", every_n_epochs=100, save_last=True)
    model = tw.ModelRegistry.create(name, **{**MODELS.get(name, {}), **options})
    trainer = tw.ModelTrainer(model, mlflow_uri="off", output_dir=tmp_path, seed=1)
    result = trainer.train(*DATA, callbacks=[checkpoint, counts], checks=None, dry_run=3)
    assert len(result.history) == turns
    assert counts.calls["on_batch_end"] == batches
    assert counts.calls["on_train_end"] == 1
    assert counts.calls["on_checkpoint_saved"] >= turns
    assert all(np.isfinite(row["train_loss"]) for row in result.history)
    assert result.stop_reason == (None if name == "ridge" else "dry run of 3")
    assert result.model is not None
    assert checkpoint.last_model_path.is_file()


def test_a_dry_run_with_dates_has_whole_dates(tmp_path):
    pytest.importorskip("torch")
    dates = np.repeat(np.arange(10), 4)
    model = tw.ModelRegistry.create("mlp", hidden=(4,), epochs=5, batch_size=8, loss="pairwise", device="cpu")
    trainer = tw.ModelTrainer(model, mlflow_uri="off", output_dir=tmp_path, seed=1)
    result = trainer.train(*DATA[:2], groups=dates, callbacks=[Counts()], checks=None, dry_run=2)
    assert len(result.history) == 1
    assert np.isfinite(result.history[0]["train_loss"])


# --- resuming -----------------------------------------------------------------------------------------------------

RESUMED = {
    "lightgbm": {
        "n_estimators": 12,
        "min_child_samples": 5,
        "subsample": 0.7,
        "subsample_freq": 1,
        "colsample_bytree": 0.7,
    },
    "xgboost": {"n_estimators": 12, "subsample": 0.7, "colsample_bynode": 0.7},
    "mlp": {"hidden": (8,), "epochs": 12, "batch_size": 16, "lr": 0.02, "device": "cpu"},
}


def resumable(folder, name, exact, *further, resume_from=None):
    model = tw.ModelRegistry.create(name, **RESUMED[name])
    callbacks = [
        tw.EarlyStopping(patience=100),
        tw.LearningRateScheduler("cosine", lr=0.05),
        tw.ModelCheckpoint(folder, save_top_k=0, save_last=True, every_n_epochs=4, exact=exact),
        *further,
    ]
    trainer = tw.ModelTrainer(model, mlflow_uri="off", output_dir=folder / "runs", seed=1)
    return trainer.train(*DATA, callbacks=callbacks, checks=None, resume_from=resume_from)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_training(tmp_path, name, exact):
    pytest.importorskip({"mlp": "torch"}.get(name, name))

    class Crash(Callback):
        def on_epoch_begin(self, epoch):
            if epoch == 6:
                raise RuntimeError("power cut")

    whole = resumable(tmp_path / "whole", name, exact)
    with pytest.raises(RuntimeError, match="power cut"):
        resumable(tmp_path / "broken", name, exact, Crash())
    result = resumable(tmp_path / "broken", name, exact, resume_from=tmp_path / "broken" / "last.tw")
    assert [row["epoch"] for row in result.history] == list(range(12))
    assert result.notes[0] == "resumed from epoch 4 (last.tw)"
    if not exact and name != "mlp":
        assert "resumed, not bit-exact" in result.notes
        return
    assert not any("not bit-exact" in note for note in result.notes)
    for mine, expected in zip(result.history, whole.history, strict=True):
        assert {**mine, "seconds": 0} == {**expected, "seconds": 0}
    assert result.best_epoch == whole.best_epoch
    np.testing.assert_array_equal(result.model.predict(DATA[2]), whole.model.predict(DATA[2]))


def test_a_one_shot_fit_has_nothing_to_resume(tmp_path):
    checkpoint = tw.ModelCheckpoint(tmp_path / "c")
    train(tmp_path, "ridge", checkpoint)
    with pytest.raises(UnsupportedError, match="cannot go on with a broken-off fit"):
        train(tmp_path, "ridge", resume_from=checkpoint.best_model_path)
