"""Against real MLflow: an embedded SQLite store and a real server. What is recorded is read back."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from descent import DescentModel, split_problem
from mlflow_server import Server, make_store, quiet
from nursery import Nursery
from tracked import model_folder

from tradewright.base import Callback
from tradewright.tracking import MLflowLogger, connect, replay_mlflow
from tradewright.training import ModelTrainer

pytest.importorskip("mlflow")

DATA = split_problem()
SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A SQLite store to be copied: making one takes seconds."""
    return make_store(tmp_path_factory.mktemp("template") / "mlflow.db")


@pytest.fixture(scope="module")
def nursery():
    """Forks with MLflow imported, which takes seconds in a process of its own."""
    nursery = Nursery("mlflow", "mlflow.store.tracking.sqlalchemy_store", "tradewright.training", "descent")
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def sqlite_uri(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    shutil.copy(store, folder)
    return f"sqlite:///{folder.as_posix()}/mlflow.db"


@pytest.fixture(scope="module")
def server(store, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"), store)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def server_uri(server):
    return server.uri


@pytest.fixture(params=["sqlite", "server"])
def uri(request):
    return request.getfixturevalue(f"{request.param}_uri")


def curve(client, run_id, key):
    with quiet():
        return [(point.step, point.value) for point in client.get_metric_history(run_id, key)]


def stored_run(client, run_id):
    with quiet():
        return client.get_run(run_id)


def test_a_training_is_all_there(tmp_path, uri):
    trainer = ModelTrainer(DescentModel(epochs=30), "alpha", mlflow_uri=uri, output_dir=tmp_path)
    result = trainer.train(*DATA, callbacks=[MLflowLogger()], checks=None)
    client = trainer.mlflow_client
    run = stored_run(client, result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["status"] == "completed"
    assert run.data.params["epochs"] == "30"
    for key in ("train_loss", "val_loss", "lr"):
        assert curve(client, result.run_id, key) == [(row["epoch"], row[key]) for row in result.history]
    with quiet():
        names = {item.path for item in client.list_artifacts(result.run_id)}
        copy = client.download_artifacts(result.run_id, "model.tw", str(tmp_path))
    assert {"model.tw", "config.json", "environment.json", "metrics.json", "learning_curve.png"} <= names
    loaded = DescentModel.load(copy)
    assert (loaded.predict(DATA[2]) == result.model.predict(DATA[2])).all()


def test_a_failed_training_is_failed_with_its_traceback(tmp_path, uri):
    trainer = ModelTrainer(DescentModel(fails_at=3), "alpha", mlflow_uri=uri, output_dir=tmp_path)
    with pytest.raises(RuntimeError, match="gave up"):
        trainer.train(*DATA, callbacks=[MLflowLogger()], checks=None)
    client, run_id = trainer.mlflow_client, trainer.last_result.run_id
    run = stored_run(client, run_id)
    assert run.info.status == "FAILED"
    assert len(curve(client, run_id, "train_loss")) == 3
    with quiet():
        text = Path(client.download_artifacts(run_id, "traceback.txt", str(tmp_path))).read_text()
    assert "the library gave up in epoch 3" in text


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_in_another_process_ends_its_run_as_killed(tmp_path, nursery, uri, signum):
    child = nursery.start(tmp_path, "child_training.py", uri, tmp_path)
    assert child.first_line() == "ready"
    child.send_signal(signum)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    told = json.loads(out.splitlines()[-1])  # MLflow prints where to view a run of a server
    assert told["status"] == "interrupted"
    client = ModelTrainer(DescentModel(), mlflow_uri=uri).mlflow_client
    run = stored_run(client, told["run_id"])
    assert run.info.status == "KILLED"
    assert signal.Signals(signum).name in run.data.tags["stop_reason"]
    assert len(curve(client, told["run_id"], "train_loss")) == told["turns"] < 3000


@pytest.mark.slow
def test_a_killed_process_leaves_a_run_that_replay_closes(tmp_path, nursery, sqlite_uri):
    child = nursery.start(tmp_path, "child_training.py", sqlite_uri, tmp_path)
    assert child.first_line() == "ready"
    (living,) = replay_mlflow(tmp_path)
    assert not living.is_complete
    assert f"process {child.pid}" in living.problem
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=120)
    client = ModelTrainer(DescentModel(), mlflow_uri=sqlite_uri).mlflow_client
    (replayed,) = replay_mlflow(tmp_path)
    assert replayed.is_complete
    run = stored_run(client, replayed.run_id)
    assert (run.info.status, replayed.status) == ("KILLED", "KILLED")
    assert run.info.end_time >= run.info.start_time
    # Also the turns that had not been sent when the process died.
    assert [step for step, _ in curve(client, replayed.run_id, "train_loss")][:3] == [0, 1, 2]


@pytest.mark.parametrize("stage", ["open", "checks", "fit", "files", "close"])
def test_sigterm_outside_a_loop_ends_the_run_too(tmp_path, nursery, sqlite_uri, stage):
    child = nursery.start(tmp_path, "child_stages.py", sqlite_uri, tmp_path, stage)
    assert child.first_line() == "ready"
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    told = json.loads(out.splitlines()[-1])
    run = stored_run(ModelTrainer(DescentModel(), mlflow_uri=sqlite_uri).mlflow_client, told["run_id"])
    # A one-shot fit answers an interrupt with its result, as it does Ctrl-C; elsewhere the caller is told at once.
    assert told["raised"] is (stage != "fit")
    if stage == "close":  # the training was over
        assert (told["status"], run.info.status) == ("completed", "FINISHED")
        return
    assert (told["status"], told["reason"]) == ("interrupted", "interrupted by SIGTERM")
    assert run.info.status == "KILLED"
    assert run.data.tags["status"] == "interrupted"


def test_the_users_own_run_is_untouched(tmp_path, sqlite_uri):
    with quiet():
        import mlflow

        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path.as_posix()}/mine.db")
        mlflow.create_experiment("mine", artifact_location=(tmp_path / "a").as_uri())
        mlflow.set_experiment("mine")
        mine = mlflow.start_run()
    try:
        trainer = ModelTrainer(DescentModel(), "alpha", mlflow_uri=sqlite_uri, output_dir=tmp_path)
        result = trainer.train(*DATA, callbacks=[MLflowLogger()], checks=None)
        with quiet():
            assert mlflow.active_run().info.run_id == mine.info.run_id
            assert mlflow.get_tracking_uri().endswith("mine.db")
            again = mlflow.get_run(mine.info.run_id)
        assert again.info.status == "RUNNING"
        assert again.data.metrics == {}
        assert again.data.params == {}
        assert result.run_id != mine.info.run_id
        # Without a URI of its own the trainer follows MLflow's setting, and still opens its own run.
        trainer = ModelTrainer(DescentModel(), "alpha", output_dir=tmp_path)
        result = trainer.train(*DATA, callbacks=[MLflowLogger()], checks=None)
        with quiet():
            assert mlflow.get_run(result.run_id).info.status == "FINISHED"
            assert mlflow.active_run().info.run_id == mine.info.run_id
    finally:
        with quiet():
            mlflow.end_run()
            mlflow.set_tracking_uri(before)


def test_the_store_in_the_working_directory(tmp_path):
    program = (
        "from descent import DescentModel, split_problem\n"
        "from tradewright.training import ModelTrainer\n"
        "result = ModelTrainer(DescentModel()).train(*split_problem(), checks=None)\n"
        "print(result.run_id)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.strip()
    assert (tmp_path / "mlflow.db").exists()
    assert (tmp_path / "mlartifacts" / run_id / "artifacts" / "model.tw").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlartifacts", "mlflow.db", "tradewright-runs"]
    # Nothing but the progress is said: no migration log lines, no warnings.
    assert all(line.startswith("DescentModel epoch") for line in done.stderr.splitlines()), done.stderr


def test_a_model_is_logged_registered_and_loads(tmp_path, uri):
    with connect(uri, spool=tmp_path).start_run("models") as run:
        run.log_model(model_folder(tmp_path), "model", params={"depth": 3}, registered_name="best", alias="champion")
        run.log_dataset(name="prices", digest="0123456789abcdef", schema={"mlflow_colspec": []}, context="training")
    client = connect(uri, spool=tmp_path).client
    stored = stored_run(client, run.run_id)
    assert stored.inputs.dataset_inputs[0].dataset.digest == "0123456789abcdef"
    (output,) = stored.outputs.model_outputs
    with quiet():
        import mlflow

        assert client.get_logged_model(output.model_id).params == {"depth": "3"}
        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        mlflow.set_tracking_uri(uri)
        try:
            for place in (f"models:/{output.model_id}", f"runs:/{run.run_id}/model", "models:/best@champion"):
                copy = Path(mlflow.artifacts.download_artifacts(place, dst_path=str(tmp_path / "copies")))
                assert (copy / "data" / "weights.bin").read_bytes() == bytes(range(256)), place
        finally:
            mlflow.set_tracking_uri(before)


def test_awkward_values_in_a_real_store(tmp_path, uri):
    with pytest.warns(UserWarning, match="f1@10"), connect(uri, spool=tmp_path).start_run("awkward") as run:  # noqa: PT031
        for step, value in enumerate([1.0, math.nan, math.inf, -math.inf]):
            run.log_metrics({"loss": value, "f1@10": value}, step)
        run.log_params({"long": "é" * 7000, **{f"p{i}": "x" * 5000 for i in range(300)}})
        run.set_tags({"long": "y" * 9000})
    assert run.spool is None
    client = connect(uri, spool=tmp_path).client
    values = [value for _, value in curve(client, run.run_id, "f1_10")]
    assert values[0] == 1.0
    assert math.isnan(values[1])
    assert len(values) == 2
    with quiet():
        kept = Path(client.download_artifacts(run.run_id, "nonfinite_metrics.json", str(tmp_path)))
        text = Path(client.download_artifacts(run.run_id, "params/long.txt", str(tmp_path))).read_text("utf-8")
    assert [row["value"] for row in json.loads(kept.read_text())] == ["inf", "inf", "-inf", "-inf"]
    assert text == "é" * 7000
    assert len(stored_run(client, run.run_id).data.params) == 301


class At(Callback):
    """Does something at the end of an epoch."""

    def __init__(self, epoch, work):
        self.epoch, self.work = epoch, work

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            self.work()


@pytest.mark.slow
def test_a_server_killed_and_started_again_in_mid_run_has_everything(tmp_path, server):
    """Three runs: killed in the middle, down from the start, and open all the while."""
    open_run = connect(server.uri, spool=tmp_path / "mlflow-spool").start_run("alpha", run_name="open")
    open_run.log_metrics({"loss": 0.0}, 0)
    assert open_run.wait(60)
    trainer = ModelTrainer(DescentModel(epochs=60), "alpha", mlflow_uri=server.uri, output_dir=tmp_path)
    with pytest.warns(RuntimeWarning, match="tradewright replay") as caught:  # noqa: PT031
        killed = trainer.train(*DATA, callbacks=[At(20, server.kill), MLflowLogger()], checks=None)
        with_server_down = ModelTrainer(DescentModel(), "alpha", mlflow_uri=server.uri, output_dir=tmp_path)
        down = with_server_down.train(*DATA, callbacks=[MLflowLogger()], checks=None)
        open_run.log_metrics({"loss": 1.0}, 1)
        open_run.log_model(model_folder(tmp_path), "model", registered_name="outage")
    # Each run says it once.
    assert len({str(warning.message) for warning in caught}) <= 3
    assert (killed.status, down.status, down.run_id) == ("completed", "completed", None)
    assert [one.is_complete for one in replay_mlflow(tmp_path)] == [False] * 3
    server.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the worker may not have noticed yet that the server is back
        open_run.log_metrics({"loss": 2.0}, 2)
        open_run.close("FINISHED")
    replayed = {one.path.name.partition(".")[0]: one for one in replay_mlflow(tmp_path)}
    assert all(one.is_complete for one in replayed.values()), list(map(str, replayed.values()))
    client = trainer.mlflow_client
    for result in (killed, down):
        run_id = result.run_id or next(
            one.run_id for one in replayed.values() if one.run_id not in (killed.run_id, open_run.run_id)
        )
        run = stored_run(client, run_id)
        assert (run.info.status, run.data.tags["status"]) == ("FINISHED", "completed")
        assert curve(client, run_id, "train_loss") == [(row["epoch"], row["train_loss"]) for row in result.history]
        with quiet():
            copy = Path(client.download_artifacts(run_id, "model.tw", str(tmp_path)))
        assert copy.read_bytes() == result.artifacts["model"].read_bytes()
    run = stored_run(client, open_run.run_id or replayed[open_run.key].run_id)
    assert run.info.status == "FINISHED"
    assert curve(client, run.info.run_id, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert len(run.outputs.model_outputs) == 1
    with quiet():
        assert len(client.search_model_versions("name = 'outage'")) == 1
    # Again, and nothing is different.
    for one in replayed.values():
        assert [again.written for again in replay_mlflow(one.path)] == [0]
    assert stored_run(client, run.info.run_id).to_dictionary() == run.to_dictionary()
