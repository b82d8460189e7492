"""The same script with the same callbacks trains every kind of model on the S&P 500 sample."""

from datetime import timedelta

import numpy as np
import pytest

import tradewright as tw
from tradewright import _optional

MODELS = {
    "ridge": ("sklearn", {}),
    "lightgbm": ("lightgbm", {"n_estimators": 20}),
    "xgboost": ("xgboost", {"n_estimators": 20}),
    "mlp": ("torch", {"hidden": (16,), "epochs": 3, "device": "cpu"}),
    "gru": ("torch", {"epochs": 2, "device": "cpu"}),
}


@pytest.fixture(scope="module")
def sample():
    panel = tw.datasets.sp500_panel(horizon=5)
    return panel, tw.WalkForward(n_splits=3, test_size="3mo", train_size="1y", val_size="3mo").plan(panel)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:TimeBudget:UserWarning", "ignore:LearningRateScheduler:UserWarning")
def test_one_script_for_every_model(tmp_path, sample, name):
    library, parameters = MODELS[name]
    if not _optional.is_available(library):
        pytest.skip(f"{library} is not installed")
    panel, plan = sample
    fold = plan[2]
    trainer = tw.ModelTrainer(
        tw.ModelRegistry.create(name, **parameters), mlflow_uri="off", output_dir=tmp_path, seed=1
    )
    checkpoint = tw.ModelCheckpoint(save_last=True)
    callbacks = [
        tw.EarlyStopping("val_loss", patience=100),
        checkpoint,
        tw.TimeBudget(timedelta(hours=1)),
        tw.LearningRateScheduler("cosine", lr=0.01),
        tw.MLflowLogger(),
    ]
    result = trainer.train(panel, fold=fold, callbacks=callbacks)
    assert result.status == "completed"
    assert {"train_loss", "val_loss", "seconds"} <= set(result.metrics)
    assert not any("not bit-exact" in note for note in result.notes)
    assert {"model", "config", "environment", "metrics", "report"} <= set(result.artifacts)
    assert result.model.metadata.plan_digest == plan.digest
    # The model, its file and the best checkpoint say the same of rows nobody has looked at.
    expected = result.model.predict(panel, rows=fold.test)
    assert np.isfinite(expected).all()
    for path in (result.artifacts["model"], checkpoint.best_model_path):
        np.testing.assert_array_equal(tw.load_model(path).predict(panel, rows=fold.test), expected)
