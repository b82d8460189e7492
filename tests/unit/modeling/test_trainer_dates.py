"""Losses that look across the rows of a date, in both forms of train: each set of rows has dates of its own."""

import numpy as np
import pytest
from descent import split_problem

import tradewright as tw
from tradewright import _optional
from tradewright.errors import LossError, ParameterError
from tradewright.training.files import TrainingFiles

MODELS = {
    "lightgbm": {"n_estimators": 5, "min_child_samples": 5, "subsample": 1.0},
    "mlp": {"hidden": (4,), "epochs": 4, "batch_size": 64, "device": "cpu"},
}
LIBRARIES = {"lightgbm": "lightgbm", "mlp": "torch"}
LOSSES = {"ranking": tw.PairwiseLogisticLoss(), "sharpe": tw.SharpeLoss()}


@pytest.fixture(autouse=True, scope="module")
def no_plots():
    """Drawing takes longer than all the trainings here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingFiles, "write_plots", lambda self, drawn: None)
        yield


def market(days=40, assets=6):
    """A panel whose rows come in no order, and a plan with a validation block."""
    rng = np.random.default_rng(5)
    time, asset = (values.ravel() for values in np.meshgrid(np.arange(days), np.arange(assets), indexing="ij"))
    X = rng.normal(size=(len(time), 3))
    y = 0.01 * (X[:, 0] + rng.normal(size=len(time)))
    order = rng.permutation(len(time))
    panel = tw.Panel.from_arrays(
        X[order], y[order], time=time[order], asset=asset[order], label_end=time[order], feature_names=["a", "b", "c"]
    )
    return panel, tw.SequentialSplit(train_size=0.5, val_size=0.3, test_size=0.2).plan(panel)[0]


def trainer(tmp_path, name, loss):
    if not _optional.is_available(LIBRARIES[name]):
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    model = tw.ModelRegistry.create(name, loss=loss, **MODELS[name])
    return tw.ModelTrainer(model, mlflow_uri="off", output_dir=tmp_path, seed=1)


def arrays(panel, fold):
    X, y = panel.matrix(), panel.y
    return [part[rows] for rows in (fold.train, fold.val) for part in (X, y)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", MODELS)
def test_both_forms_are_the_same_training(tmp_path, name, loss):
    panel, fold = market()
    of_panel = trainer(tmp_path, name, LOSSES[loss]).train(panel, fold=fold, callbacks=[tw.EarlyStopping(patience=50)])
    run = trainer(tmp_path, name, LOSSES[loss])
    run.seed = of_panel.model.metadata.seed  # the panel form derives one from the fold
    of_arrays = run.train(
        *arrays(panel, fold),
        callbacks=[tw.EarlyStopping(patience=50)],
        groups=panel.time[fold.train],
        assets=panel.asset[fold.train],
        groups_val=panel.time[fold.val],
        assets_val=panel.asset[fold.val],
        checks=None,
    )
    for first, second in zip(of_panel.history, of_arrays.history, strict=True):
        assert first["val_loss"] == second["val_loss"]
        assert first["train_loss"] == second["train_loss"]
    X = panel.matrix()[fold.val]
    np.testing.assert_array_equal(of_panel.model.predict(X), of_arrays.model.predict(X))
    # What is reported is the loss of the predictions on the dates of the validation rows.
    dates = tw.GroupIndex(panel.time[fold.val], panel.asset[fold.val])
    own = LOSSES[loss](panel.y[fold.val], of_panel.model.predict(X), groups=dates)
    assert of_panel.metrics["val_loss"] == pytest.approx(own, rel=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_validation_rows_without_dates_are_refused_with_the_names_of_train(tmp_path, name):
    panel, fold = market()
    with pytest.raises(LossError, match=r"the validation rows have no dates: .* groups_val= and assets_val= to train"):
        trainer(tmp_path, name, LOSSES["ranking"]).train(
            *arrays(panel, fold), callbacks=[], groups=panel.time[fold.train], checks=None
        )


@pytest.mark.parametrize("name", ["groups_val", "assets_val"])
def test_dates_of_validation_rows_that_there_are_not(tmp_path, name):
    X, y, _, _ = split_problem()
    run = tw.ModelTrainer(tw.ModelRegistry.create("ridge"), mlflow_uri="off", output_dir=tmp_path)
    with pytest.raises(ParameterError, match=f"{name} without X_val: pass both, or neither"):
        run.train(X, y, **{name: np.arange(3)})
    panel, fold = market()
    with pytest.raises(ParameterError, match=f"leave out {name}"):
        run.train(panel, fold=fold, **{name: np.arange(3)})
