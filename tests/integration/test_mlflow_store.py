"""Against real MLflow: an embedded SQLite store and a real server. What is recorded is read back."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import pytest
from descent import DescentModel, split_problem

from tradewright.base import Callback
from tradewright.tracking import MLflowLogger
from tradewright.training import ModelTrainer

pytest.importorskip("mlflow")

DATA = split_problem()
SUPPORT = Path(__file__).parents[1] / "support"


@contextlib.contextmanager
def quiet():
    """MLflow's own imports and calls warn; here the test is the caller."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def sqlite_uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store').as_posix()}/mlflow.db"


@pytest.fixture(scope="module")
def server_uri(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = [
        "--backend-store-uri",
        f"sqlite:///{folder.as_posix()}/mlflow.db",
        "--artifacts-destination",
        str(folder / "a"),
    ]
    log = (folder / "log").open("w")
    # Its background jobs are of no use here, and start a process of their own.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        [*command, *store], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        # Importing MLflow's server takes minutes on a machine that is busy.
        for _ in range(1800):
            assert process.poll() is None, (folder / "log").read_text()
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{uri}/health", timeout=2).close()
                break
            time.sleep(0.2)
        else:
            pytest.fail((folder / "log").read_text())
        yield uri
    finally:
        # The server forks workers: end its session, which this test started.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
        log.close()


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
def test_a_signal_in_another_process_ends_its_run_as_killed(tmp_path, uri, signum):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    child = subprocess.Popen(
        [sys.executable, str(SUPPORT / "child_training.py"), uri, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    line = child.stdout.readline()
    assert line == "ready\n", child.communicate()[1]
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


@pytest.mark.parametrize("stage", ["open", "checks", "fit", "files", "close"])
def test_sigterm_outside_a_loop_ends_the_run_too(tmp_path, sqlite_uri, stage):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    child = subprocess.Popen(
        [sys.executable, str(SUPPORT / "child_stages.py"), sqlite_uri, str(tmp_path), stage],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    line = child.stdout.readline()
    assert line == "ready\n", child.communicate()[1]
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


def test_a_server_that_dies_in_mid_training(tmp_path):
    """The training goes on, warns once, and waits for nothing."""
    import http.server
    import threading

    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    uri = f"http://127.0.0.1:{server.server_address[1]}"

    from tradewright.tracking import TrackingRun

    class Client:
        def log_batch(self, *arguments, **keywords):
            pass

    class Die(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                server.shutdown()
                server.server_close()

    trainer = ModelTrainer(DescentModel(), "alpha", mlflow_uri=uri, output_dir=tmp_path)
    trainer._open_run = lambda data, seed: TrackingRun(Client(), uri, "r1")
    try:
        with pytest.warns(RuntimeWarning, match=r"switched off for run r1.*does not answer") as caught:
            result = trainer.train(*DATA, callbacks=[MLflowLogger(), Die()], checks=None)
    finally:
        server.shutdown()
        thread.join()
    assert len(caught) == 1
    assert (result.status, len(result.history)) == ("completed", 10)
