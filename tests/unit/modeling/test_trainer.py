"""The trainer: hooks, statuses, errors, interrupts, seeds, both forms of train."""

import json
import os
import pickle
import random
import signal
import threading
import warnings

import numpy as np
import pytest
from descent import DescentModel, problem, split_problem

import tradewright as tw
from tradewright import _optional
from tradewright.base import Callback
from tradewright.errors import (
    CallbackError,
    DataError,
    FeatureMismatchError,
    LeakageError,
    MissingExtraError,
    ModelNotFoundError,
    ParameterError,
)
from tradewright.runtime.seed import fold_seed
from tradewright.training import ModelTrainer, default_callbacks

DATA = split_problem()
HOOKS = [
    "on_train_begin",
    "on_epoch_begin",
    "on_epoch_end",
    "on_train_end",
    "on_fold_begin",
    "on_fold_end",
    "on_batch_begin",
    "on_batch_end",
    "on_validation_end",
    "on_checkpoint_saved",
    "on_interrupt",
    "on_exception",
]


class Recorder(Callback):
    """Writes down every hook; with ``fail``, raises in that one."""

    def __init__(self, name="", fail=None, on_error="raise", sink=None):
        self.name, self.fail, self.on_error = name, fail, on_error
        self.seen = [] if sink is None else sink

    def note(self, hook, *arguments):
        self.seen.append((self.name + hook, *arguments))
        if hook == self.fail:
            raise ValueError(f"{hook} is broken")


def _hook(hook):
    def method(self, *arguments):
        # A trainer or a path says nothing in a list of calls; numbers do.
        self.note(hook, *(argument for argument in arguments if isinstance(argument, int)))

    return method


for name in HOOKS:
    setattr(Recorder, name, _hook(name))


def trainer(tmp_path, seed=None, plots=False, **model):
    return ModelTrainer(DescentModel(**model), mlflow_uri="off", output_dir=tmp_path, seed=seed, plots=plots)


def train(tmp_path, *callbacks, data=DATA, model=None, plots=False, **options):
    options.setdefault("checks", None)
    return trainer(tmp_path, plots=plots, **(model or {})).train(*data, callbacks=callbacks, **options)


def names(recorder):
    return [entry[0] for entry in recorder.seen]


# --- hooks --------------------------------------------------------------------------------------------------------


def test_every_hook_in_order(tmp_path):
    recorder = Recorder()
    train(tmp_path, recorder, model={"epochs": 2, "batches": 2})
    epoch = [
        "on_batch_begin",
        "on_batch_end",
        "on_batch_begin",
        "on_batch_end",
        "on_validation_end",
        "on_epoch_end",
    ]
    assert names(recorder) == ["on_train_begin", "on_epoch_begin", *epoch, "on_epoch_begin", *epoch, "on_train_end"]
    assert [entry[1] for entry in recorder.seen if entry[0] in ("on_epoch_begin", "on_epoch_end")] == [0, 0, 1, 1]


def test_no_validation_hook_without_validation_rows(tmp_path):
    recorder = Recorder()
    train(tmp_path, recorder, data=DATA[:2], model={"epochs": 1})
    assert "on_validation_end" not in names(recorder)


def test_batch_hooks_cost_nothing_when_nobody_listens(tmp_path):
    class Quiet(Callback):
        def on_epoch_end(self, epoch, logs):
            pass

    run = trainer(tmp_path, epochs=1)
    wanted = []
    loop = DescentModel._fit_loop

    def spy(self, train, val, observer, seed):
        wanted.append(observer.wants_batches)
        loop(self, train, val, observer, seed)

    run.model._fit_loop = spy.__get__(run.model)
    run.train(*DATA, callbacks=[Quiet()], checks=None)
    run.train(*DATA, callbacks=[Recorder()], checks=None)
    assert wanted == [False, True]


def test_callbacks_run_by_order_and_equal_ones_as_given(tmp_path):
    seen = []

    def made(order, name):
        recorder = Recorder(name, sink=seen)
        recorder.order = order
        return recorder

    train(tmp_path, made(50, "e."), made(40, "c."), made(40, "d."), made(10, "a."), made(30, "b."), model={"epochs": 1})
    assert [entry[0] for entry in seen if entry[0].endswith("on_epoch_end")] == [
        f"{name}.on_epoch_end" for name in "abcde"
    ]


def test_a_metric_maker_is_seen_by_those_after_it_and_in_the_history(tmp_path):
    class Maker(Callback):
        order = 10

        def on_epoch_end(self, epoch, logs):
            logs["val_twice"] = 2 * logs["val_loss"]

    result = train(
        tmp_path, tw.EarlyStopping("val_twice", patience=1), Maker(), model={"val_losses": [3, 2, 1] + [9] * 7}
    )
    assert [row["val_twice"] for row in result.history] == [6, 4, 2, 18]
    assert result.best_epoch == 2


def test_callbacks_see_the_trainer(tmp_path):
    facts = {}

    class Look(Callback):
        def on_train_begin(self, trainer):
            facts["same"] = trainer is self.trainer
            facts["view"] = (
                trainer.model,
                trainer.experiment_name,
                trainer.has_validation,
                trainer.unit,
                trainer.total,
            )
            facts["folder"] = trainer.output_dir.is_dir()
            facts["run"] = trainer.tracking_run

    run = trainer(tmp_path, epochs=3)
    run.train(*DATA, callbacks=[Look()], checks=None)
    assert facts == {
        "same": True,
        "view": (run.model, "default", True, "epoch", 3),
        "folder": True,
        "run": None,
    }


@pytest.mark.parametrize(
    "hook", ["on_train_begin", "on_epoch_begin", "on_validation_end", "on_epoch_end", "on_batch_end"]
)
def test_request_stop_from_any_hook_after_all_callbacks_of_it(tmp_path, hook):
    def ask(self, *arguments):
        self.trainer.request_stop("enough")

    asking = type("Asking", (Callback,), {hook: ask, "order": 1})()
    recorder = Recorder()
    result = train(tmp_path, asking, recorder, model={"epochs": 5})
    assert (result.status, result.stop_reason) == ("stopped", "enough")
    assert hook in names(recorder)
    assert len(result.history) == (0 if hook in ("on_train_begin", "on_epoch_begin") else 1)
    assert names(recorder)[-1] == "on_train_end"


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hook", ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_validation_end", "on_epoch_end"]
)
def test_an_error_in_a_hook_ends_the_training_unchanged(tmp_path, hook):
    other = Recorder()
    other.order = 90
    run = trainer(tmp_path, epochs=5)
    with pytest.raises(ValueError, match=f"^{hook} is broken$"):
        run.train(*DATA, callbacks=[Recorder(fail=hook), other], checks=None)
    result = run.last_result
    assert result.status == "failed"
    assert f"ValueError: {hook} is broken" in result.stop_reason
    # The others have seen that hook too (and the end of an epoch that was scored), then the error, then the end.
    after = ["on_epoch_end"] if hook == "on_validation_end" else []
    assert names(other)[-3 - len(after) :] == [hook, *after, "on_exception", "on_train_end"]
    assert names(other).count("on_epoch_end") <= 1
    assert f"ValueError: {hook} is broken" in result.artifacts["traceback"].read_text()


def test_an_error_at_the_end_fails_the_training_and_keeps_the_model(tmp_path):
    run = trainer(tmp_path)
    with pytest.raises(ValueError, match="on_train_end is broken"):
        run.train(*DATA, callbacks=[Recorder(fail="on_train_end")], checks=None)
    assert run.last_result.status == "failed"
    assert run.last_result.model is run.model


def test_an_error_in_on_checkpoint_saved_and_on_exception(tmp_path):
    run = trainer(tmp_path)
    callbacks = [tw.ModelCheckpoint(), Recorder(fail="on_checkpoint_saved"), Recorder(fail="on_exception")]
    with pytest.raises(ValueError, match="on_checkpoint_saved is broken") as caught:
        run.train(*DATA, callbacks=callbacks, checks=None)
    assert "on_exception failed as well" in caught.value.__notes__[0]


class Refusing(DescentModel):
    """Raises as the real back ends do when there was no first turn."""

    def _fit_loop(self, train, val, observer, seed):
        super()._fit_loop(train, val, observer, seed)
        if self.epoch < 0:
            raise CallbackError("stopped before its first turn", code="model.stopped_before_start")


def test_before_the_first_turn_the_callbacks_error_is_raised_not_the_models(tmp_path):
    run = ModelTrainer(Refusing(), mlflow_uri="off", output_dir=tmp_path)
    with pytest.raises(ValueError, match=r"^on_epoch_begin is broken$") as caught:
        run.train(*DATA, callbacks=[Recorder(fail="on_epoch_begin")], checks=None)
    assert not hasattr(caught.value, "__notes__")
    assert run.last_result.status == "failed"


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
def test_a_stop_asked_for_before_the_first_turn_is_a_stop(tmp_path, hook):
    asking = type("Asking", (Callback,), {hook: lambda self, *arguments: self.trainer.request_stop("enough")})()
    result = ModelTrainer(Refusing(), mlflow_uri="off", output_dir=tmp_path).train(
        *DATA, callbacks=[asking], checks=None
    )
    assert (result.status, result.stop_reason, result.model) == ("stopped", "enough", None)


def test_two_errors_in_one_hook_are_both_told(tmp_path):
    with pytest.raises(ValueError, match="on_epoch_end is broken") as caught:
        train(tmp_path, Recorder(fail="on_epoch_end"), Recorder(fail="on_epoch_end"))
    assert len(caught.value.__notes__) == 1


@pytest.mark.parametrize(
    "hook", [hook for hook in HOOKS if "fold" not in hook and hook not in ("on_interrupt", "on_exception")]
)
def test_telemetry_that_fails_warns_once_and_is_switched_off(tmp_path, hook):
    broken = Recorder(fail=hook, on_error="warn")
    with pytest.warns(RuntimeWarning, match=f"Recorder is switched off: {hook} failed") as caught:
        result = train(tmp_path, broken, tw.ModelCheckpoint(), model={"epochs": 3})
    assert result.status == "completed"
    assert len(caught) == 1
    assert names(broken)[-1] == hook
    # The next training starts with it again.
    broken.fail = None
    broken.seen.clear()
    train(tmp_path, broken, model={"epochs": 1})
    assert names(broken)[-1] == "on_train_end"


def test_an_error_of_the_library_is_raised_unchanged(tmp_path):
    run = trainer(tmp_path, fails_at=3)
    recorder = Recorder()
    with pytest.raises(RuntimeError, match=r"^the library gave up in epoch 3$") as caught:
        run.train(*DATA, callbacks=[recorder], checks=None)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    result = run.last_result
    assert (result.status, result.model, len(result.history)) == ("failed", None, 3)
    assert names(recorder)[-2:] == ["on_exception", "on_train_end"]
    assert "gave up" in result.artifacts["traceback"].read_text()
    assert "model" not in result.artifacts


def test_files_that_cannot_be_written_do_not_hide_the_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    run = ModelTrainer(DescentModel(fails_at=1), mlflow_uri="off", output_dir=blocked)
    with pytest.raises(RuntimeError, match="gave up"):
        run.train(*DATA, callbacks=[], checks=None)
    run = ModelTrainer(DescentModel(), mlflow_uri="off", output_dir=blocked)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run.train(*DATA, callbacks=[], checks=None)
    assert result.status == "completed"
    assert result.artifacts == {}
    assert any("model could not be written" in str(item.message) for item in caught)


@pytest.mark.parametrize("wrong", [Recorder, object(), "EarlyStopping"])
def test_what_is_no_callback(tmp_path, wrong):
    with pytest.raises(CallbackError, match="is no callback"):
        train(tmp_path, wrong)


@pytest.mark.parametrize("wrong", [tw.EarlyStopping(), 3])
def test_callbacks_that_are_no_list(tmp_path, wrong):
    with pytest.raises(CallbackError, match="pass a list"):
        trainer(tmp_path).train(*DATA, callbacks=wrong, checks=None)


@pytest.mark.parametrize("wrong", [1.5, "1", None, True, -1])
def test_a_wrong_dry_run(tmp_path, wrong):
    with pytest.raises(ParameterError, match="dry_run="):
        train(tmp_path, dry_run=wrong)


def test_a_wrong_error_policy(tmp_path):
    with pytest.raises(CallbackError, match="on_error"):
        train(tmp_path, Recorder(on_error="ignore"))


def test_a_trainer_is_not_used_inside_itself(tmp_path):
    class Again(Callback):
        def on_epoch_end(self, epoch, logs):
            self.trainer.train(*DATA, checks=None)

    with pytest.raises(CallbackError, match="is training"):
        train(tmp_path, Again())


def test_nothing_to_see_before_the_first_training(tmp_path):
    with pytest.raises(CallbackError, match="no training has begun"):
        trainer(tmp_path).request_stop("now")


# --- the result ---------------------------------------------------------------------------------------------------


def test_the_result(tmp_path):
    result = train(tmp_path, data=DATA, model={"epochs": 4}, plots=True)
    assert (result.status, result.stop_reason, result.run_id) == ("completed", None, None)
    assert [row["epoch"] for row in result.history] == [0, 1, 2, 3]
    assert result.metrics == {key: value for key, value in result.history[-1].items() if key != "epoch"}
    assert set(result.metrics) == {"train_loss", "val_loss", "lr", "seconds"}
    assert result.best_epoch == 3
    assert result.training_time > 0
    assert result.environment["versions"]["numpy"] == np.__version__
    expected = {"config", "environment", "metrics", "model", "learning_curve", "importance", "residuals"}
    assert set(result.artifacts) == expected
    assert all(path.stat().st_size for path in result.artifacts.values())
    loaded = DescentModel.load(result.artifacts["model"])
    np.testing.assert_array_equal(loaded.predict(DATA[2]), result.model.predict(DATA[2]))
    assert json.loads(result.artifacts["metrics"].read_text())["history"] == [dict(row) for row in result.history]
    assert json.loads(result.artifacts["config"].read_text())["hyperparameters"]["epochs"] == 4
    assert "DescentModel, completed" in repr(result)
    again = pickle.loads(pickle.dumps(result))
    assert again.metrics == result.metrics
    with pytest.raises(AttributeError):
        result.status = "failed"


def test_nan_losses_make_strict_json(tmp_path):
    result = train(tmp_path, model={"epochs": 2, "val_losses": [float("nan"), float("inf")]})
    text = result.artifacts["metrics"].read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize(("restore", "kept"), [(None, 4), (False, 4), (True, 1)])
def test_the_learning_curve_marks_the_turn_the_model_is_at(tmp_path, monkeypatch, restore, kept):
    from tradewright.tracking.plots import learning_curve

    figures = []
    monkeypatch.setattr(learning_curve, "save", lambda figure, path: (figures.append(figure), path)[1])
    stopping = [] if restore is None else [tw.EarlyStopping(patience=50, restore_best=restore)]
    train(tmp_path, *stopping, model={"epochs": 5, "val_losses": [5, 1, 3, 4, 5]}, plots=True)
    marks = [
        text.get_text() for text in figures[0].axes[0].get_legend().get_texts() if not text.get_text().endswith("_loss")
    ]
    lowest = [] if kept == 1 else ["lowest val_loss: epoch 1"]
    assert marks == [f"model kept: epoch {kept}", *lowest]


def test_without_matplotlib_there_are_no_plots(tmp_path, monkeypatch):
    monkeypatch.setattr(_optional, "is_available", lambda module: module != "matplotlib")
    result = train(tmp_path, plots=True)
    assert "model" in result.artifacts
    assert "learning_curve" not in result.artifacts
    told = json.loads(result.artifacts["metrics"].read_text())["plots_not_drawn"]
    assert "pip install 'tradewright[plots]'" in told["learning_curve"]


def test_each_training_has_a_folder_of_its_own(tmp_path):
    run = trainer(tmp_path, epochs=1)
    folders = set()
    for _ in range(3):
        run.train(*DATA, callbacks=[], checks=None)
        folders.add(run.output_dir)
    assert len(folders) == 3
    assert all(folder.parent == tmp_path / "default" for folder in folders)


def test_dry_run_goes_through_every_hook(tmp_path):
    recorder = Recorder()
    result = train(tmp_path, recorder, tw.ModelCheckpoint(), dry_run=2)
    assert result.stop_reason == "dry run of 2"
    assert names(recorder).count("on_epoch_end") == 2
    assert names(recorder)[-1] == "on_train_end"


def test_one_shot_fits_have_one_turn(tmp_path):
    recorder = Recorder()
    result = train(tmp_path, recorder, model={"unit": "fit"})
    assert names(recorder) == ["on_train_begin", "on_epoch_begin", "on_validation_end", "on_epoch_end", "on_train_end"]
    assert result.best_epoch == 0


def test_default_callbacks(tmp_path, capsys):
    assert [type(callback).__name__ for callback in default_callbacks()] == ["ProgressBar", "MLflowLogger"]
    assert [type(callback).__name__ for callback in default_callbacks(tracking=False)] == ["ProgressBar"]
    trainer(tmp_path, epochs=2).train(*DATA, checks=None)
    assert "DescentModel epoch 2/2" in capsys.readouterr().err


# --- seeds --------------------------------------------------------------------------------------------------------


def test_the_callers_random_state_is_left_alone(tmp_path):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = (random.random(), np.random.random())  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    train(tmp_path)
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002


def test_the_same_seed_gives_the_same_draws(tmp_path):
    draws = []
    for seed in (5, 5, 6):
        run = trainer(tmp_path, seed=seed)
        run.train(*DATA, callbacks=[], checks=None)
        draws.append(run.model.draws)
        assert run.model.metadata.seed == seed
    assert draws[0] == draws[1] != draws[2]


def test_without_a_seed_a_fresh_one_is_recorded_and_repeats_the_run(tmp_path):
    run = trainer(tmp_path)
    run.train(*DATA, callbacks=[], checks=None)
    again = trainer(tmp_path, seed=run.model.metadata.seed)
    again.train(*DATA, callbacks=[], checks=None)
    assert again.model.draws == run.model.draws


def test_the_models_own_seed_goes_first(tmp_path):
    run = ModelTrainer(DescentModel(seed=9), mlflow_uri="off", output_dir=tmp_path, seed=5)
    run.train(*DATA, callbacks=[], checks=None)
    assert run.model.seed_used == 9


# --- arguments ----------------------------------------------------------------------------------------------------


def panel(n=80):
    X, y = problem(n)
    return tw.Panel.from_arrays(X, y, time=np.arange(n), label_end=np.arange(n) + 2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"checks": "all"}, ParameterError, "checks='all'"),
        ({"dry_run": -1}, ParameterError, "dry_run"),
        ({"dry_run": True}, ParameterError, "dry_run"),
        ({"on_interrupt": "exit"}, ParameterError, "on_interrupt"),
        ({"resume_from": "x.tw"}, ModelNotFoundError, "there is no file"),
        ({"fold": object()}, ParameterError, "goes with a Panel"),
        ({"time_train": np.arange(3)}, DataError, "time_train has shape"),
    ],
)
def test_wrong_arguments(tmp_path, options, error, message):
    run = trainer(tmp_path)
    with pytest.raises(error, match=message):
        run.train(*DATA, callbacks=[], **options)
    assert run.last_result is None
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_do_not_fit_together(tmp_path):
    run = trainer(tmp_path)
    with pytest.raises(ParameterError, match="y_val without X_val"):
        run.train(DATA[0], DATA[1], y_val=DATA[3], callbacks=[])
    with pytest.raises(ParameterError, match="time_val without X_val"):
        run.train(DATA[0], DATA[1], time_val=np.arange(20), callbacks=[])
    with pytest.raises(FeatureMismatchError, match="2 features"):
        run.train(DATA[0], DATA[1], DATA[2][:, :2], DATA[3], callbacks=[])
    with pytest.raises(ParameterError, match="leave out X_val, y_train"):
        run.train(panel(), DATA[1], DATA[2], callbacks=[])


def test_labels_that_are_not_finite_fail_the_run(tmp_path):
    y = DATA[1].copy()
    y[7] = np.nan
    run = trainer(tmp_path)
    with pytest.raises(DataError, match="row 7"):
        run.train(DATA[0], y, callbacks=[], checks=None)
    assert run.last_result.status == "failed"


@pytest.mark.parametrize("wrong", [object(), DescentModel, None])
def test_what_is_no_model(wrong):
    with pytest.raises(ParameterError, match="pass"):
        ModelTrainer(wrong)


def test_an_estimator_becomes_a_model(tmp_path):
    from sklearn.linear_model import Ridge

    result = ModelTrainer(Ridge(), mlflow_uri="off", output_dir=tmp_path).train(*DATA, callbacks=[], checks=None)
    assert result.status == "completed"
    assert type(result.model).__name__ == "SklearnModel"


def test_wrong_trainer_arguments():
    with pytest.raises(ParameterError, match="experiment_name"):
        ModelTrainer(DescentModel(), "")
    with pytest.raises(ParameterError, match="seed="):
        ModelTrainer(DescentModel(), seed=-1)


def test_without_mlflow(tmp_path, monkeypatch):
    monkeypatch.setattr(_optional, "is_available", lambda module: module != "mlflow")
    with pytest.raises(MissingExtraError, match=r"tradewright\[mlflow\]"):
        ModelTrainer(DescentModel(), mlflow_uri="http://127.0.0.1:1")
    run = ModelTrainer(DescentModel(), output_dir=tmp_path)
    with pytest.warns(UserWarning, match=r"tradewright\[mlflow\]") as caught:
        result = run.train(*DATA, callbacks=[], checks=None)
    assert len(caught) == 1
    assert result.status == "completed"
    assert result.run_id is None


# --- a panel and a fold -------------------------------------------------------------------------------------------


def test_a_fold_of_a_panel_is_stamped(tmp_path):
    data = panel()
    plan = tw.PurgedKFold(n_splits=4, val_size=10).plan(data)
    fold = plan[1]
    run = trainer(tmp_path, seed=3)
    result = run.train(data, fold=fold, callbacks=[tw.EarlyStopping(patience=50)])
    facts = result.model.metadata
    assert facts.data_fingerprint == data.fingerprint
    assert facts.plan_digest == plan.digest
    assert facts.fold == 1
    assert facts.train_ranges == tuple((int(a), int(b)) for a, b in fold.train.ranges)
    held_out = sorted([*fold.purged.ranges.tolist(), *fold.embargoed.ranges.tolist()])
    assert [list(pair) for pair in facts.purged_ranges] == held_out
    rows = fold.train.indices()
    assert facts.time_range == (str(rows.min()), str(rows.max()))
    assert facts.n_rows == len(rows)
    assert facts.n_val_rows == len(fold.val)
    assert facts.report_digest == result.report.digest
    assert facts.seed == fold_seed(3, 1)
    # The model is the one of those rows alone.
    twin = DescentModel().fit(data.matrix()[rows], data.y[rows])
    best = DescentModel(epochs=result.best_epoch + 1).fit(data.matrix()[rows], data.y[rows])
    np.testing.assert_array_equal(result.model.weights, best.weights)
    assert twin.weights.shape == result.model.weights.shape


def test_the_gate_reads_labels_as_the_plan_does(tmp_path):
    """Labels that only touch are no overlap for a half-open plan, and its folds are not refused."""
    days = np.arange(40)
    touching = tw.Panel.from_arrays(panel().matrix()[:40], panel().y[:40], time=days, label_end=days + 1)
    plan = tw.PurgedKFold(n_splits=4, val_size=5, closed="left").plan(touching)
    assert trainer(tmp_path).train(touching, fold=plan[2]).status == "completed"


def test_the_fingerprint_is_of_the_data_as_it_is_now(tmp_path):
    features = panel().matrix()
    data = tw.Panel.from_arrays(features, panel().y, time=np.arange(len(features)))
    before = data.fingerprint
    features[0, 0] += 1.0
    result = trainer(tmp_path).train(data, fold=tw.PurgedKFold(n_splits=4, val_size=5).plan(data)[1])
    assert result.model.metadata.data_fingerprint != before


def test_a_fold_of_other_data_is_refused(tmp_path):
    data = panel()
    other = tw.Panel.from_arrays(data.matrix() + 1.0, data.y, time=data.time)
    plan = tw.PurgedKFold(n_splits=4, val_size=5).plan(other)
    with pytest.raises(tw.DataError, match="made from other data") as caught:
        trainer(tmp_path).train(data, fold=plan[1])
    assert caught.value.fields["fold"] == 1
    del other
    assert pickle.loads(pickle.dumps(plan)).data_fingerprint == plan.data_fingerprint


def test_checkpoints_carry_the_stamps_too(tmp_path):
    data = panel()
    plan = tw.PurgedKFold(n_splits=4, val_size=10).plan(data)
    checkpoint = tw.ModelCheckpoint()
    trainer(tmp_path).train(data, fold=plan[2], callbacks=[checkpoint])
    facts = DescentModel.load(checkpoint.best_model_path).metadata
    assert (facts.plan_digest, facts.fold, facts.data_fingerprint) == (plan.digest, 2, data.fingerprint)


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_label_error_names_the_panels_row(tmp_path, part):
    data, splitter = panel(), tw.PurgedKFold(n_splits=4, val_size=5)
    row = int(getattr(splitter.plan(data)[1], part)[2])
    features, labels = data.matrix(), np.array(data.y)
    labels[row] = np.nan
    broken = tw.Panel.from_arrays(features, labels, time=np.arange(len(features)))
    fold = splitter.plan(broken)[1]
    run = trainer(tmp_path)
    with pytest.raises(DataError, match=f"row {row} of the panel") as caught:
        run.train(broken, fold=fold, callbacks=[], checks=None)
    assert caught.value.fields["row"] == row
    assert caught.value.code == "data.label_not_finite"
    assert run.last_result.status == "failed"


def test_a_panel_without_a_fold_trains_on_all_rows(tmp_path):
    data = panel()
    result = trainer(tmp_path).train(data, callbacks=[])
    assert result.model.metadata.n_rows == len(data)
    assert result.model.metadata.fold is None


# --- leakage ------------------------------------------------------------------------------------------------------


def test_overlapping_labels_are_refused(tmp_path):
    times = np.arange(60)
    options = {
        "time_train": times[:40],
        "time_val": times[40:],
        "label_end_train": times[:40] + 5,
        "label_end_val": times[40:] + 5,
    }
    run = trainer(tmp_path)
    with pytest.raises(LeakageError, match=r"split\.label_overlap.*allow_leakage=True"):
        run.train(*DATA, callbacks=[], **options)
    assert run.last_result.status == "failed"
    assert "split.label_overlap" in [finding.id for finding in run.last_result.report.findings]
    assert run.model.draws == []
    result = run.train(*DATA, callbacks=[], allow_leakage=True, **options)
    assert result.status == "completed"
    assert any("leakage allowed" in note and "split.label_overlap" in note for note in result.notes)
    assert json.loads(result.artifacts["config"].read_text())["allow_leakage"] is True


def test_shared_rows_are_refused_also_without_times(tmp_path):
    X, y = problem(60)
    X_val, y_val = np.vstack([X[:20], X[40:]]), np.concatenate([y[:20], y[40:]])
    with pytest.raises(LeakageError, match=r"dup\.cross_exact"):
        trainer(tmp_path).train(X[:40], y[:40], X_val, y_val, callbacks=[])


@pytest.mark.parametrize("kind", [str, object])
def test_named_classes_pass_the_gate_as_they_do_fit(tmp_path, kind):
    from sklearn.linear_model import LogisticRegression

    X, y, X_val, y_val = DATA
    names = [np.where(labels > 0, "up", "down").astype(kind) for labels in (y, y_val)]
    model = tw.SklearnModel(LogisticRegression())
    run = ModelTrainer(model, mlflow_uri="off", output_dir=tmp_path)
    result = run.train(X, names[0], X_val, names[1], callbacks=[])
    assert result.status == "completed"
    assert result.report is not None
    assert set(model.predict(X_val)) <= set(names[0])
    with pytest.raises(LeakageError, match=r"dup\.cross_exact"):
        run.train(X, names[0], X, names[0], callbacks=[])


def test_honest_rows_pass_and_what_was_not_checked_is_said(tmp_path):
    result = trainer(tmp_path).train(*DATA, callbacks=[])
    assert any("overlap not checked" in note for note in result.notes)
    times = np.arange(60)
    result = trainer(tmp_path).train(
        *DATA,
        callbacks=[],
        time_train=times[:40],
        time_val=times[40:] + 10,
        label_end_train=times[:40] + 5,
        label_end_val=times[40:] + 15,
    )
    assert not any("overlap" in note for note in result.notes)
    assert result.report is not None
    assert "report" in result.artifacts


# --- interrupts ---------------------------------------------------------------------------------------------------


class Signal(Callback):
    """Sends this process a signal in a given epoch."""

    def __init__(self, signum, epoch=2, hook="on_epoch_begin", times=1):
        self.signum, self.epoch, self.times = signum, epoch, times

    def on_epoch_begin(self, epoch):
        if epoch == self.epoch:
            for _ in range(self.times):
                os.kill(os.getpid(), self.signum)


@pytest.fixture
def handlers():
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield before
    for signum, handler in before.items():
        assert signal.getsignal(signum) == handler
        signal.signal(signum, handler)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_round_and_keeps_the_model(tmp_path, handlers, signum):
    recorder = Recorder()
    result = train(tmp_path, Signal(signum), recorder)
    assert result.status == "interrupted"
    assert signal.Signals(signum).name in result.stop_reason
    assert len(result.history) <= 3
    assert result.model is not None
    twin = DescentModel(epochs=len(result.history)).fit(DATA[0], DATA[1])
    np.testing.assert_array_equal(result.model.weights, twin.weights)
    assert [entry for entry in recorder.seen if entry[0] == "on_interrupt"] == [("on_interrupt", signum)]
    assert names(recorder)[-2:] == ["on_interrupt", "on_train_end"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_turn_is_an_interrupt(tmp_path, handlers, signum):
    class Kill(Callback):
        def on_train_begin(self, trainer):
            os.kill(os.getpid(), signum)

    recorder = Recorder()
    result = ModelTrainer(Refusing(), mlflow_uri="off", output_dir=tmp_path).train(
        *DATA, callbacks=[Kill(), recorder], checks=None
    )
    assert (result.status, result.model) == ("interrupted", None)
    assert result.stop_reason == f"interrupted by {signum.name}"
    assert names(recorder) == ["on_train_begin", "on_interrupt", "on_train_end"]


def test_restore_best_after_an_interrupt(tmp_path, handlers):
    stopping = tw.EarlyStopping(patience=50)
    result = train(tmp_path, Signal(signal.SIGINT, 5), stopping, model={"val_losses": [5, 1, 3, 4, 5, 6, 7, 8, 9, 10]})
    assert result.status == "interrupted"
    assert result.best_epoch == 1
    np.testing.assert_array_equal(result.model.weights, DescentModel(epochs=2).fit(DATA[0], DATA[1]).weights)


def test_on_interrupt_raise(tmp_path, handlers):
    run = trainer(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.train(*DATA, callbacks=[Signal(signal.SIGINT)], checks=None, on_interrupt="raise")
    assert run.last_result.status == "interrupted"
    assert run.last_result.model is run.model


def test_a_second_signal_raises_at_once(tmp_path, handlers):
    run = trainer(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.train(*DATA, callbacks=[Signal(signal.SIGINT, times=2)], checks=None)
    result = run.last_result
    assert result.status == "interrupted"
    assert len(result.history) == 2
    assert result.model is None


def test_the_core_works_again_after_an_interrupt(tmp_path, handlers):
    from tradewright import _core

    run = trainer(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.train(*DATA, callbacks=[Signal(signal.SIGINT, times=2)], checks=None)
    _core.spin(200_000)


def test_a_one_shot_fit_keeps_pythons_handler(tmp_path, handlers):
    seen = []

    class Look(Callback):
        def on_epoch_begin(self, epoch):
            seen.append(signal.getsignal(signal.SIGINT))
            os.kill(os.getpid(), signal.SIGINT)

    recorder = Recorder()
    result = train(tmp_path, Look(), recorder, model={"unit": "fit"})
    assert seen == [handlers[signal.SIGINT]]
    assert (result.status, result.model) == ("interrupted", None)
    assert names(recorder)[-2:] == ["on_interrupt", "on_train_end"]
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, Look(), model={"unit": "fit"}, on_interrupt="raise")


def test_a_handler_of_the_user_is_put_back_and_an_ignored_signal_stays_ignored(tmp_path, handlers):
    calls = []
    mine = lambda signum, frame: calls.append(signum)  # noqa: E731
    signal.signal(signal.SIGTERM, mine)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = train(tmp_path, Signal(signal.SIGINT))
        assert result.status == "completed"
        result = train(tmp_path, Signal(signal.SIGTERM))
        assert result.status == "interrupted"
        assert signal.getsignal(signal.SIGTERM) is mine
        assert calls == []
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


def test_on_another_thread_signals_are_left_alone(tmp_path, handlers):
    outcome = []

    class Look(Callback):
        def on_epoch_end(self, epoch, logs):
            outcome.append(signal.getsignal(signal.SIGINT))

    def work():
        outcome.append(train(tmp_path, Look(), model={"epochs": 1}).status)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcome == [handlers[signal.SIGINT], "completed"]
