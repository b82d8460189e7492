"""What ends a training, on every back end: callbacks that raise or stop in any hook, signals, divergence."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from descent import split_problem

import tradewright as tw
from tradewright import _optional
from tradewright.base import Callback
from tradewright.errors import LossError
from tradewright.training.files import TrainingFiles

DATA = split_problem()
SUPPORT = Path(__file__).parents[2] / "support"
MODELS = {
    "ridge": {},
    "lightgbm": {"n_estimators": 6, "min_child_samples": 5},
    "xgboost": {"n_estimators": 6},
    "mlp": {"hidden": (4,), "epochs": 6, "batch_size": 16, "lr": 0.02},
}
LIBRARIES = {"ridge": "sklearn", "lightgbm": "lightgbm", "xgboost": "xgboost", "mlp": "torch"}
BACKENDS = [name for name in MODELS if name in tw.ModelRegistry.list()]
WITH_TURNS = [name for name in BACKENDS if name != "ridge"]
HOOKS = [
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_batch_end",
    "on_validation_end",
    "on_epoch_end",
    "on_checkpoint_saved",
    "on_interrupt",
    "on_exception",
    "on_train_end",
]


@pytest.fixture(autouse=True, scope="module")
def no_plots():
    """Drawing takes longer than all the trainings here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingFiles, "write_plots", lambda self, drawn: None)
        yield


def trainer_of(tmp_path, name, **options):
    if not _optional.is_available(LIBRARIES[name]):
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    model = tw.ModelRegistry.create(name, **{**MODELS[name], **options})
    return tw.ModelTrainer(model, mlflow_uri="off", output_dir=tmp_path, seed=1)


def val_loss(name, model):
    """What the back end calls its loss: XGBoost the root of what the others report."""
    error = float(np.mean((model.predict(DATA[2]) - DATA[3]) ** 2))
    return error**0.5 if name == "xgboost" else error


class Raises(Callback):
    """Raises once in one hook; from the fourth call on in those of turns, so that there is a best turn to keep."""

    order = 60

    def __init__(self, hook, on_error="raise", error=ValueError, at=3):
        self.on_error = on_error
        self.calls = 0
        self.error = error(f"{hook} is broken")
        setattr(self, hook, self._raise)
        self.at = at

    def _raise(self, *arguments):
        self.calls += 1
        if self.calls > self.at:
            raise self.error


class Sees(Callback):
    """Notes what comes."""

    def __init__(self):
        self.epochs, self.ends, self.errors = [], 0, []

    def on_epoch_end(self, epoch, logs):
        self.epochs.append(epoch)

    def on_train_end(self, logs):
        self.ends += 1

    def on_exception(self, error):
        self.errors.append(error)


class Kills(Callback):
    """Sends this process a signal at the end of the third turn."""

    def __init__(self, signum=signal.SIGINT):
        self.signum = signum

    def on_epoch_end(self, epoch, logs):
        if epoch == 2 or self.trainer.unit == "fit":
            os.kill(os.getpid(), self.signum)


def callbacks_for(hook, broken, tmp_path):
    others = [Sees(), tw.EarlyStopping(patience=100), tw.ModelCheckpoint(tmp_path / "checkpoints")]
    if hook == "on_interrupt":
        others.append(Kills())
    if hook == "on_exception":
        others.append(Raises("on_epoch_end", error=KeyError, at=0 if broken.at == 0 else 3))
    return [*others, broken]


def reached(name, hook):
    """Whether a back end has that hook at all; how many calls it takes until it raises."""
    one_shot = name == "ridge"
    if hook.startswith("on_batch"):
        return name == "mlp", 3
    if hook == "on_interrupt":
        return not one_shot, 0  # a one-shot fit keeps Python's handler
    return True, 0 if one_shot or hook in ("on_train_begin", "on_exception", "on_train_end") else 3


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", BACKENDS)
def test_an_error_in_any_hook_ends_the_training_and_keeps_the_best(tmp_path, name, hook):
    exists, at = reached(name, hook)
    if not exists:
        pytest.skip("the back end has no such hook")
    run = trainer_of(tmp_path, name)
    broken = Raises(hook, at=at)
    callbacks = callbacks_for(hook, broken, tmp_path)
    with pytest.raises((ValueError, KeyError)) as caught:
        run.train(*DATA, callbacks=callbacks, checks=None)
    if hook == "on_exception":
        assert "on_exception failed as well: ValueError: on_exception is broken" in caught.value.__notes__
    else:
        assert caught.value is broken.error
        assert caught.value.__cause__ is None
    result, sees = run.last_result, callbacks[0]
    assert result.status == "failed"
    assert sees.ends == 1
    assert [row["epoch"] for row in result.history] == sees.epochs
    if hook == "on_train_begin" or (name == "ridge" and hook == "on_epoch_begin"):
        assert result.model is None
        return
    best = min(result.history, key=lambda row: row["val_loss"])
    assert result.metrics["val_loss"] == best["val_loss"]
    assert val_loss(name, result.model) == pytest.approx(best["val_loss"], rel=1e-5)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", BACKENDS)
def test_telemetry_that_fails_in_any_hook_is_switched_off(tmp_path, name, hook):
    exists, at = reached(name, hook)
    if not exists:
        pytest.skip("the back end has no such hook")
    run = trainer_of(tmp_path, name)
    broken = Raises(hook, on_error="warn", at=at)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if hook == "on_exception":
            with pytest.raises(KeyError):
                run.train(*DATA, callbacks=callbacks_for(hook, broken, tmp_path), checks=None)
        else:
            run.train(*DATA, callbacks=callbacks_for(hook, broken, tmp_path), checks=None)
    told = [str(item.message) for item in caught if "switched off" in str(item.message)]
    assert told == [f"Raises is switched off: {hook} failed (ValueError: {hook} is broken). Training goes on"]
    assert broken.calls == at + 1
    expected = {"on_exception": "failed", "on_interrupt": "interrupted"}.get(hook, "completed")
    assert run.last_result.status == expected
    assert run.last_result.model is not None


@pytest.mark.parametrize("name", WITH_TURNS)
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_validation_end", "on_epoch_end", "on_checkpoint_saved"])
def test_a_stop_from_any_hook_keeps_the_best(tmp_path, name, hook):
    class Stops(Callback):
        pass

    stops, calls = Stops(), []

    def stop(*arguments):
        calls.append(hook)
        if len(calls) == 3:
            stops.trainer.request_stop("enough")

    setattr(stops, hook, stop)
    callbacks = [tw.EarlyStopping(patience=100), tw.ModelCheckpoint(tmp_path / "c"), stops]
    result = trainer_of(tmp_path, name).train(*DATA, callbacks=callbacks, checks=None)
    assert (result.status, result.stop_reason) == ("stopped", "enough")
    best = min(result.history, key=lambda row: row["val_loss"])
    assert result.best_epoch == best["epoch"]
    assert val_loss(name, result.model) == pytest.approx(best["val_loss"], rel=1e-5)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", WITH_TURNS)
def test_what_tears_a_fit_apart_still_leaves_the_best_turn(tmp_path, name, error):
    """A second Ctrl-C, or sys.exit in a callback: the fit ends at once, and the snapshot is what is left of it."""
    run = trainer_of(tmp_path, name)
    with pytest.raises(error):
        run.train(*DATA, callbacks=[tw.EarlyStopping(patience=100), Raises("on_epoch_end", error=error)], checks=None)
    result = run.last_result
    assert result.status == ("interrupted" if error is KeyboardInterrupt else "failed")
    best = min(result.history, key=lambda row: row["val_loss"])
    assert result.best_epoch == best["epoch"]
    assert val_loss(name, result.model) == pytest.approx(best["val_loss"], rel=1e-5)
    np.testing.assert_array_equal(
        tw.load_model(result.artifacts["model"]).predict(DATA[2]), result.model.predict(DATA[2])
    )


@pytest.mark.parametrize("name", WITH_TURNS)
def test_without_a_snapshot_a_torn_fit_leaves_no_model(tmp_path, name):
    run = trainer_of(tmp_path, name)
    with pytest.raises(KeyboardInterrupt):
        run.train(*DATA, callbacks=[Raises("on_epoch_end", error=KeyboardInterrupt)], checks=None)
    assert run.last_result.model is None
    assert not run.model.is_fitted


# --- divergence ---------------------------------------------------------------------------------------------------


class Explodes(Callback):
    """Sets the weights on fire at the end of the third turn, and asks for the end, if it is told to."""

    def __init__(self, stop):
        self.stop = stop

    def on_epoch_end(self, epoch, logs):
        if epoch == 2:
            for parameter in self.trainer.model.module_.parameters():
                parameter.data.fill_(float("nan"))
            if self.stop:
                self.trainer.request_stop("enough")


@pytest.mark.parametrize("stop", [True, False])
def test_a_diverged_model_is_not_handed_out(tmp_path, stop):
    run = trainer_of(tmp_path, "mlp")
    sees = Sees()
    with pytest.raises(LossError, match="training diverged") as caught:
        run.train(*DATA, callbacks=[sees, Explodes(stop)], checks=None)
    result = run.last_result
    assert (result.status, result.model) == ("failed", None)
    assert result.stop_reason.startswith("LossError")
    assert sees.errors == [caught.value]
    assert sees.ends == 1


def test_a_diverged_model_that_was_taken_back_is(tmp_path):
    stopping = tw.EarlyStopping(patience=100)
    callbacks = [stopping, Explodes(True)]
    result = trainer_of(tmp_path, "mlp").train(*DATA, callbacks=callbacks, checks=None)
    assert (result.status, result.stop_reason, result.best_epoch) == ("stopped", "enough", stopping.best_epoch)
    assert np.isfinite(result.model.predict(DATA[2])).all()


@pytest.mark.parametrize("check_finite", [True, False])
def test_early_stopping_takes_a_diverged_training_back(tmp_path, check_finite):
    """It stops by itself when the loss is NaN; told not to look, the model's error ends the fit."""
    run = trainer_of(tmp_path, "mlp")
    callbacks = [tw.EarlyStopping(patience=100, check_finite=check_finite), Explodes(False)]
    if check_finite:
        run.train(*DATA, callbacks=callbacks, checks=None)
    else:
        with pytest.raises(LossError, match="training diverged"):
            run.train(*DATA, callbacks=callbacks, checks=None)
    result = run.last_result
    assert result.status == ("stopped" if check_finite else "failed")
    assert result.best_epoch == result.model.metadata.best_iteration < 3
    assert np.isfinite(result.model.predict(DATA[2])).all()


# --- signals ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=BACKENDS)
def child(request, tmp_path_factory):
    """A process that trains one back end again and again; yields its name and how to interrupt it."""
    name = request.param
    if not _optional.is_available(LIBRARIES[name]):
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    folder = tmp_path_factory.mktemp(name)
    command = [sys.executable, str(SUPPORT / "child_backends.py"), name, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )

    def interrupt(*signums, pause=0.005):
        process.stdin.write(f"{pause}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        for signum in signums:
            process.send_signal(signum)
            time.sleep(0.3)  # a signal that finds another one pending may go to another thread, and wake nobody
        return json.loads(process.stdout.readline())

    with process:
        yield name, interrupt
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_training_and_the_process_goes_on(child, signum):
    name, interrupt = child
    found = interrupt(signum)
    kept = None if name == "ridge" else True
    assert found == {
        "status": "interrupted",
        "reason": f"interrupted by {signum.name}",
        "raised": None,
        "kept": kept,
        "is_best": True,
    }


def test_a_second_ctrl_c_raises_at_once(child):
    name, interrupt = child
    if name == "ridge":
        pytest.skip("the first one does already")
    # Each turn takes a minute from the third on: without the second signal this would time out.
    found = interrupt(signal.SIGINT, signal.SIGTERM, pause=60)
    assert found["status"] == "interrupted"
    assert found["raised"] == "KeyboardInterrupt"
    assert found["kept"], "EarlyStopping had a snapshot"
    assert found["is_best"]
