"""Opening real stores: made by two processes at once, of another schema, in places where none can be."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from descent import DescentModel, split_problem
from fake_mlflow import LARGEST, FakeClient
from mlflow_server import make_store, quiet

from tradewright.cli import main
from tradewright.tracking import connect, replay_mlflow
from tradewright.tracking.journal import SUFFIX
from tradewright.training import ModelTrainer

pytest.importorskip("mlflow")

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("template") / "mlflow.db")


def set_revision(path, revision):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        (old,) = connection.execute("select version_num from alembic_version").fetchone()
        connection.execute("update alembic_version set version_num = ?", (revision,))
    return old


@pytest.mark.slow
def test_two_processes_at_once(tmp_path):
    """Both make the store, one after the other, and the experiment."""
    program = (
        "import sys, time\n"
        "from tradewright.tracking import connect\n"
        "client = connect(sys.argv[1], spool=sys.argv[2])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "with client.start_run('alpha') as run:\n"
        "    run.log_metrics({'a': 1.0}, 0)\n"
        "print(run.run_id, run.spool)\n"
    )
    uri = f"sqlite:///{tmp_path.as_posix()}/mlflow.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    command = [sys.executable, "-W", "error", "-c", program, uri, str(tmp_path / "spool")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    children = [subprocess.Popen(command, text=True, env=environment, **pipes) for _ in range(2)]
    for child in children:
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0, 0], answers
    ids = [out.split()[0] for out, _ in answers]
    assert len(set(ids)) == 2
    assert all(out.split()[1] == "None" for out, _ in answers)
    client = connect(uri, spool=tmp_path).client
    with quiet():
        for run_id in ids:
            assert client.get_run(run_id).data.metrics == {"a": 1.0}


@pytest.mark.parametrize("revision", ["0584bdc529eb", "ffffffffffff"], ids=["older", "newer"])
def test_a_store_of_another_schema(tmp_path, store, revision, capsys):
    path = tmp_path / "mlflow.db"
    shutil.copy(store, path)
    right = set_revision(path, revision)
    uri = f"sqlite:///{path.as_posix()}"
    trainer = ModelTrainer(DescentModel(), "alpha", mlflow_uri=uri, output_dir=tmp_path / "out")
    with pytest.warns(RuntimeWarning, match="of another version of MLflow") as caught:
        result = trainer.train(*split_problem(), callbacks=[], checks=None)
    assert len(caught) == 1
    assert f"mlflow db upgrade {uri}" in str(caught[0].message)
    assert (result.status, result.run_id) == ("completed", None)
    # Once the store is upgraded, nothing is missing.
    set_revision(path, right)
    assert main(["replay", str(tmp_path / "out")]) == 0
    assert "(FINISHED)" in capsys.readouterr().out
    client = trainer.mlflow_client
    with quiet():
        (run,) = client.search_runs([client.get_experiment_by_name("alpha").experiment_id])
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("htp://tracking:5000", "no such kind of store"),
        ("sqlite:///{folder}/file/below/mlflow.db", "is a file"),
        ("sqlite:///{folder}/file", "not a database"),
        ("postgresql://127.0.0.1:9/mlflow", "refused"),
    ],
)
def test_a_bad_uri_is_said_and_the_run_is_kept(tmp_path, store, uri, why, capsys):
    (tmp_path / "file").write_text("no database, " * 100)
    uri = uri.format(folder=tmp_path.as_posix())
    trainer = ModelTrainer(DescentModel(epochs=5), "alpha", mlflow_uri=uri, output_dir=tmp_path / "out")
    with pytest.warns(RuntimeWarning, match=why) as caught:
        result = trainer.train(*split_problem(), checks=None)
    assert len(caught) == 1
    assert (result.status, result.run_id) == ("completed", None)
    assert main(["replay", str(tmp_path / "out")]) == 1
    assert "writes left" in capsys.readouterr().out
    # The right address is given later.
    shutil.copy(store, tmp_path / "right.db")
    right = f"sqlite:///{tmp_path.as_posix()}/right.db"
    assert main(["replay", str(tmp_path / "out"), "--uri", right]) == 0
    client = connect(right, spool=tmp_path).client
    with quiet():
        (run,) = client.search_runs([client.get_experiment_by_name("alpha").experiment_id])
        history = client.get_metric_history(run.info.run_id, "train_loss")
    assert run.info.status == "FINISHED"
    assert [point.value for point in history] == [row["train_loss"] for row in result.history]


def test_another_store_gets_the_whole_run(tmp_path, store):
    """A part of the run is in the first one already."""
    for name in ("first.db", "second.db"):
        shutil.copy(store, tmp_path / name)
    first, second = (f"sqlite:///{tmp_path.as_posix()}/{name}" for name in ("first.db", "second.db"))
    client = connect(first, spool=tmp_path / "spool")
    run = client.start_run("alpha")
    run.log_metrics({"a": 1.0}, 0)
    assert run.wait(60)
    run.log_metrics({"a": 2.0}, 1)
    client._worker.remove(run._outbox)  # as if the process ended here
    run._outbox.journal.release()
    (replayed,) = replay_mlflow(tmp_path / "spool", second)
    assert replayed.is_complete
    assert replayed.run_id != run.run_id
    with quiet():
        history = connect(second, spool=tmp_path).client.get_metric_history(replayed.run_id, "a")
    assert [point.value for point in history] == [1.0, 2.0]
    run._closed = True


def test_replay_on_the_command_line(tmp_path, capsys):
    assert main(["replay", str(tmp_path / "nowhere")]) == 1
    assert "is not there" in capsys.readouterr().err
    assert main(["replay", str(tmp_path)]) == 0
    assert "nothing is left" in capsys.readouterr().out
    (tmp_path / f"x{SUFFIX}").write_text("no spool")
    assert main(["replay", str(tmp_path)]) == 1
    assert "is no spool" in capsys.readouterr().err


# --- the store in memory of the unit tests is as strict as this one --------------------------------------------------


@pytest.fixture(scope="module")
def clients(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    shutil.copy(store, folder)
    with quiet():
        from mlflow import MlflowClient

        real = MlflowClient(tracking_uri=f"sqlite:///{folder.as_posix()}/mlflow.db")
        return [(client, client.create_run("0").info.run_id) for client in (FakeClient(), real)]


def outcome(client, run_id, kind, entities):
    with quiet():
        from mlflow.entities import Metric, Param, RunTag

        made = {
            "metrics": lambda: [Metric(key, value, 1, 0) for key, value in entities],
            "params": lambda: [Param(*pair) for pair in entities],
            "tags": lambda: [RunTag(*pair) for pair in entities],
        }[kind]()
        try:
            # The store itself: the client above it cuts large batches.
            getattr(client, "_tracking_client", None)
            store = client if isinstance(client, FakeClient) else client._tracking_client.store
            given = {"metrics": [], "params": [], "tags": [], kind: made}
            store.log_batch(run_id, **given)
        except Exception as error:  # noqa: BLE001  that it fails is what is asked
            return getattr(error, "error_code", type(error).__name__)
    return "taken"


@pytest.mark.parametrize(
    ("kind", "entities"),
    [
        *(
            ("metrics", [(name, 1.0)])
            for name in ("a", "a/b", "a//b", "../a", "/a", "a/", ".", "a@", "é", "x:y", "a b")
        ),
        ("metrics", [("k" * 250, 1.0)]),
        ("metrics", [("k" * 251, 1.0)]),
        ("metrics", [(f"m{i}", 1.0) for i in range(1000)]),
        ("metrics", [(f"n{i}", 1.0) for i in range(1001)]),
        ("params", [(f"p{i}", "1") for i in range(100)]),
        ("params", [(f"q{i}", "1") for i in range(101)]),
        ("params", [("p1", "another value")]),
        ("params", [("twice", "1"), ("twice", "2")]),
        ("tags", [(f"t{i}", "1") for i in range(101)]),
        ("tags", [("t", "x" * 8000)]),
    ],
)
def test_the_fake_store_refuses_what_the_real_one_does(clients, kind, entities):
    fake, real = (outcome(*client, kind, entities) for client in clients)
    assert fake == real


def test_the_fake_store_keeps_what_the_real_one_does(clients):
    points = [("x", value) for value in (float("inf"), float("-inf"), float("nan"), 1.0)]
    found = []
    for client, run_id in clients:
        assert outcome(client, run_id, "metrics", points) == "taken"
        assert outcome(client, run_id, "metrics", points) == "taken"
        with quiet():
            found.append(sorted(repr(point.value) for point in client.get_metric_history(run_id, "x")))
    assert found[0] == found[1] == sorted(map(repr, (LARGEST, -LARGEST, float("nan"), 1.0)))


def test_nothing_of_mlflow_is_heard(tmp_path, store):
    """Under -W error a training in a process of its own says nothing but its progress."""
    shutil.copy(store, tmp_path)
    program = (
        "from descent import DescentModel, split_problem\n"
        "from tradewright.training import ModelTrainer\n"
        f"uri = 'sqlite:///{tmp_path.as_posix()}/mlflow.db'\n"
        "result = ModelTrainer(DescentModel(), mlflow_uri=uri).train(*split_problem(), callbacks=[], checks=None)\n"
        "import json, warnings\n"
        "print(json.dumps([result.status, result.run_id is not None, len(warnings.filters)]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    status, is_tracked, _ = json.loads(done.stdout.splitlines()[-1])
    assert (status, is_tracked) == ("completed", True)


def test_the_users_warning_filters_are_left_alone(tmp_path, store):
    shutil.copy(store, tmp_path)
    with warnings.catch_warnings():
        warnings.resetwarnings()
        run = connect(f"sqlite:///{tmp_path.as_posix()}/mlflow.db", spool=tmp_path).start_run("alpha")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run.log_metrics({"a": 1}, 0)
            run.wait(60)
            warnings.warn("mine", UserWarning, stacklevel=1)
        run.close("FINISHED")
        with pytest.warns(UserWarning, match="mine too"):
            warnings.warn("mine too", UserWarning, stacklevel=1)
    assert [str(item.message) for item in caught] == ["mine"]
