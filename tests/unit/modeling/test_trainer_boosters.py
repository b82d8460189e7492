"""Boosters under the trainer: broken off and resumed with the same bits, or told that it isn't so."""

import numpy as np
import pytest
from descent import split_problem

import tradewright as tw
from tradewright.base import Callback
from tradewright.training.files import TrainingFiles

DATA = split_problem()
#: Rows and columns are drawn at random.
SETTINGS = {
    "lightgbm": {"subsample": 0.5, "subsample_freq": 1, "colsample_bytree": 0.5, "min_child_samples": 5, "n_jobs": 1},
    "xgboost": {"subsample": 0.5, "colsample_bytree": 0.5, "max_depth": 3, "n_jobs": 1},
    "catboost": {"bootstrap_type": "Bernoulli", "subsample": 0.5, "rsm": 0.5, "depth": 3, "thread_count": 1},
}


@pytest.fixture(autouse=True, scope="module")
def no_plots():
    """Drawing takes longer than all the trainings here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingFiles, "write_plots", lambda self, drawn: None)
        yield


class CrashAt(Callback):
    """Raises at the beginning of one round."""

    order = 99

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, epoch):
        if epoch == self.epoch:
            raise RuntimeError("power cut")


def run(library, folder, callbacks, resume_from=None):
    model = tw.ModelRegistry.create(library, n_estimators=14, **SETTINGS[library])
    trainer = tw.ModelTrainer(model, mlflow_uri="off", output_dir=folder / "runs", seed=3)
    return trainer.train(*DATA, callbacks=callbacks, checks=None, resume_from=resume_from)


def without_seconds(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


@pytest.mark.parametrize("library", SETTINGS)
def test_resumed_with_the_same_bits(library, tmp_path):
    def callbacks(folder):
        saving = tw.ModelCheckpoint(folder, save_top_k=0, save_last=True, exact=True, every_n_epochs=4)
        halving = tw.LearningRateScheduler(lambda epoch: 0.3 * 0.9**epoch)
        return [saving, tw.EarlyStopping(patience=50), *([] if library == "catboost" else [halving])]

    whole = run(library, tmp_path, callbacks(tmp_path / "whole"))
    with pytest.raises(RuntimeError, match="power cut"):
        run(library, tmp_path, [*callbacks(tmp_path / "broken"), CrashAt(10)])
    resumed = run(library, tmp_path, callbacks(tmp_path / "broken"), resume_from=tmp_path / "broken" / "last.tw")

    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert resumed.best_epoch == whole.best_epoch
    assert resumed.model.n_rounds_ == whole.model.n_rounds_ == whole.best_epoch + 1
    np.testing.assert_array_equal(resumed.model.predict(DATA[2]), whole.model.predict(DATA[2]))
    assert resumed.notes[0] == "resumed from epoch 8 (last.tw)"
    assert not any("not bit-exact" in note for note in resumed.notes)


@pytest.mark.parametrize("library", SETTINGS)
def test_without_segments_the_trees_go_on_and_the_result_says_so(library, tmp_path):
    saving = tw.ModelCheckpoint(tmp_path / "broken", save_top_k=0, save_last=True)
    with pytest.raises(RuntimeError, match="power cut"):
        run(library, tmp_path, [saving, CrashAt(10)])
    early = tw.load_model(saving.last_model_path).predict(DATA[2])
    resumed = run(library, tmp_path, [], resume_from=saving.last_model_path)
    assert "resumed, not bit-exact" in resumed.notes
    assert [row["epoch"] for row in resumed.history] == list(range(14))
    library_of = resumed.model._library()
    np.testing.assert_allclose(library_of.raw_predict(resumed.model.booster_, DATA[2], 10), early, rtol=1e-6)


def test_checkpoints_cost_catboost_another_training(tmp_path, monkeypatch):
    monkeypatch.setattr("tradewright.models.tree_based.catboost_bridge._PATIENCE", 1)
    saving = tw.ModelCheckpoint(tmp_path / "files", save_top_k=-1)
    with pytest.warns(RuntimeWarning, match=r"train in segments.*ModelCheckpoint\(exact=True"):
        result = run("catboost", tmp_path, [saving])
    for path, _ in saving._kept:
        kept = tw.load_model(path)
        early = result.model._library().raw_predict(result.model.booster_, DATA[2], kept.n_rounds_)
        np.testing.assert_array_equal(kept.predict(DATA[2]), early)
