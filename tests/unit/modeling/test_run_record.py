"""How a training describes itself, and how its folds are summed up."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from descent import DescentModel

import tradewright as tw
from tradewright.training import TrainingResult, log_fold_summary
from tradewright.training.fold_facts import fold_facts, fold_params
from tradewright.training.run_description import describe_run


def panel(order=None):
    days = np.datetime64("2024-01-01") + np.arange(30)
    X = np.arange(60.0).reshape(30, 2)
    rows = np.arange(30) if order is None else order
    return tw.Panel.from_arrays(X[rows], X[rows, 0], time=days[rows], horizon=2, unresolved="drop")


@pytest.mark.parametrize("order", [None, np.random.default_rng(0).permutation(30)], ids=["sorted", "shuffled"])
def test_the_times_of_a_fold_are_those_of_its_rows(order):
    data = panel(order)
    plan = tw.WalkForward(n_splits=2, test_size=6, val_size=4, embargo=1).plan(data)
    for fold in plan.folds:
        facts = fold_facts(data, fold)
        assert sum(about["rows"] for about in facts["roles"].values()) == facts["n_rows"] == len(data)
        assert facts["time"] == [str(data.times.min()), str(data.times.max())]
        for role, about in facts["roles"].items():
            times = data.times[getattr(fold, role).indices()]
            assert about["rows"] == len(times)
            assert about["time"] == (None if len(times) == 0 else [str(times.min()), str(times.max())])
        params = fold_params(facts)
        assert params["splitter"] == "WalkForward"
        assert params["n_purged_rows"] == len(fold.purged)
        assert not {"n_train_rows", "purged_time"} & params.keys()


def session(**geometry):
    model = DescentModel()
    data = SimpleNamespace(geometry=geometry)
    return SimpleNamespace(model=model, data=data, observer=SimpleNamespace(unit="epoch"))


def test_a_description_says_what_a_reader_wants_to_know_first():
    roles = {
        "train": {"rows": 1200, "time": ["2020-01-01", "2021-01-01"]},
        "purged": {"rows": 7, "time": ["2021-01-02", "2021-01-03"]},
        "unused": {"rows": 0, "time": None},
    }
    result = TrainingResult(
        status="stopped",
        stop_reason="val_loss did not improve",
        metrics={"train_loss": 0.5, "val_loss": 0.25, "lr": 0.1},
        history=({"epoch": 0}, {"epoch": 1}),
        best_epoch=1,
        training_time=2.0,
        notes=("a <b> *note*",),
    )
    assert describe_run(session(roles=roles), result).split("\n\n") == [
        r"**DescentModel**: stopped (val\_loss did not improve). 2 epochs, best epoch 1, 2.0 s.",
        "Rows: train 1,200 (2020-01-01 … 2021-01-01); purged 7",
        "The model that was kept: train_loss 0.5, val_loss 0.25",
        r"- a \<b\> \*note\*",
    ]


def test_a_description_of_nothing_much():
    text = describe_run(session(), TrainingResult(status="failed", stop_reason="ValueError: a\nb"))
    assert text == "**DescentModel**: failed (ValueError: a b). 0 epochs, 0.0 s."


class Run:
    def __init__(self):
        self.metrics, self.tags, self.files = {}, {}, []

    def log_metrics(self, metrics, step):
        self.metrics.update(metrics)

    def set_tags(self, tags):
        self.tags.update(tags)

    def log_artifact(self, path, folder=None):
        assert path.read_bytes().startswith(b"\x89PNG")
        self.files.append(path.name)


def test_folds_are_summed_up():
    pytest.importorskip("matplotlib")
    run = Run()
    losses = [1.0, 2.0, math.nan, 4.0]
    results = {
        fold: TrainingResult(status="stopped" if fold == 3 else "completed", metrics={"val_loss": loss, "lr": 0.1})
        for fold, loss in enumerate(losses)
    }
    summary = log_fold_summary(run, results)
    known = np.array([1.0, 2.0, 4.0])
    expected = {"n_folds": 4.0, "mean_val_loss": known.mean(), "std_val_loss": known.std(ddof=1)}
    assert run.metrics == summary == expected
    assert run.tags == {"status_fold_3": "stopped"}
    assert run.files == ["fold_metrics.png"]


def test_folds_without_metrics_and_single_folds():
    pytest.importorskip("matplotlib")
    run = Run()
    assert log_fold_summary(run, {0: TrainingResult(status="failed")}) == {"n_folds": 1.0}
    assert run.tags["fold_metrics"].startswith("not drawn: no fold has a finite metric")
    assert log_fold_summary(Run(), {0: TrainingResult(status="completed", metrics={"val_loss": 2.0})}) == {
        "n_folds": 1.0,
        "mean_val_loss": 2.0,
    }


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (DescentModel(), "DescentModel"),
        (tw.ModelRegistry.create("ridge"), "Ridge"),
        (tw.ModelRegistry.create("random_forest"), "RandomForestRegressor"),
    ],
)
def test_a_run_is_called_after_what_is_inside_the_wrapper(model, name):
    assert model.display_name == name


def test_torch_models_are_called_after_their_module():
    nn = pytest.importorskip("torch").nn

    class Net(nn.Module):
        pass

    def build(n_features, n_outputs):
        return nn.Linear(n_features, n_outputs)

    names = [tw.TorchModel(module).display_name for module in ("mlp", Net, Net(), build)]
    assert names == ["mlp", "Net", "Net", "build"]
