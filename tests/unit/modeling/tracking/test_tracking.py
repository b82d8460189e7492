"""Tracking against a store in memory that refuses what MLflow refuses."""

import math
import socket
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from descent import DescentModel, split_problem
from fake_mlflow import FakeClient
from hypothesis import given
from hypothesis import strategies as st

import tradewright as tw
from tradewright.base import Callback
from tradewright.errors import ParameterError, TrackingError
from tradewright.tracking import MLflowLogger, TrackingClient, TrackingRun, limits
from tradewright.tracking.client import artifact_location, default_uri
from tradewright.tracking.health import is_alive
from tradewright.training import ModelTrainer

pytest.importorskip("mlflow")

DATA = split_problem()


def trainer(tmp_path, client, **model):
    run = ModelTrainer(DescentModel(**model), "alpha", mlflow_uri="fake:", output_dir=tmp_path)
    run._client = TrackingClient(client, "fake:")
    return run


def open_run(client):
    return TrackingClient(client, "fake:").start_run("alpha")


# --- a training in the store --------------------------------------------------------------------------------------


def test_a_training_is_recorded(tmp_path):
    client = FakeClient()
    run = trainer(tmp_path, client, epochs=4)
    result = run.train(*DATA, callbacks=[MLflowLogger()], checks=None)
    stored = client.runs[result.run_id]
    assert stored.info.status == "FINISHED"
    assert run.mlflow_client is client
    for key in ("train_loss", "val_loss"):
        assert [(value, step) for name, value, step in stored.metrics if name == key] == [
            (row[key], row["epoch"]) for row in result.history
        ]
    assert stored.params["epochs"] == "4"
    assert stored.params["n_rows"] == "40"
    expected = {
        "framework": "numpy",
        "task": "regression",
        "status": "completed",
        "seed": str(run.model.metadata.seed),
        "tradewright_version": tw.__version__,
    }
    assert expected.items() <= stored.tags.items()
    assert set(stored.artifacts) == {path.name for path in result.artifacts.values()}
    assert stored.artifacts["model.tw"] == result.artifacts["model"].read_bytes()


def test_defaults_log_and_off_does_not(tmp_path, capsys):
    client = FakeClient()
    result = trainer(tmp_path, client, epochs=3).train(*DATA, checks=None)
    assert {step for name, _, step in client.runs[result.run_id].metrics if name == "train_loss"} == {0, 1, 2}
    off = ModelTrainer(DescentModel(), mlflow_uri="off", output_dir=tmp_path)
    assert off.train(*DATA, callbacks=[MLflowLogger()], checks=None).run_id is None
    assert off.mlflow_client is None


@pytest.mark.parametrize(
    ("end", "status", "tag"),
    [("stop", "FINISHED", "stopped"), ("error", "FAILED", "failed"), ("interrupt", "KILLED", "interrupted")],
)
def test_the_status_is_right_whatever_ended_it(tmp_path, end, status, tag):
    class End(Callback):
        def on_epoch_end(self, epoch, logs):
            if end == "stop":
                self.trainer.request_stop("enough")
            elif end == "error":
                raise ValueError("mine")
            else:
                raise KeyboardInterrupt

    client = FakeClient()
    run = trainer(tmp_path, client)
    if end == "stop":
        run.train(*DATA, callbacks=[End()], checks=None)
    else:
        with pytest.raises((ValueError, KeyboardInterrupt)):
            run.train(*DATA, callbacks=[End()], checks=None)
    (stored,) = client.runs.values()
    assert stored.info.status == status
    assert stored.tags["status"] == tag
    assert ("traceback.txt" in stored.artifacts) == (end == "error")


def test_an_interrupt_at_the_very_end_still_closes_the_run(tmp_path):
    class Late(Callback):
        def on_train_end(self, logs):
            raise KeyboardInterrupt

    client = FakeClient()
    run = trainer(tmp_path, client)
    with pytest.raises(KeyboardInterrupt):
        run.train(*DATA, callbacks=[Late()], checks=None)
    (stored,) = client.runs.values()
    assert stored.info.status == "KILLED"
    assert run.last_result.status == "interrupted"


@pytest.mark.parametrize("calls", range(12))
def test_a_store_that_dies_never_ends_a_training_and_warns_once(tmp_path, calls):
    client = FakeClient(dies_after=calls)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = trainer(tmp_path, client, epochs=3).train(*DATA, callbacks=[MLflowLogger()], checks=None)
    assert result.status == "completed"
    assert len(result.history) == 3
    about = [str(item.message) for item in caught if "track" in str(item.message)]
    assert len(about) == 1
    assert "the store is gone" in about[0]


def test_one_failed_artifact_does_not_leave_the_run_open(tmp_path):
    client = FakeClient(broken=["log_artifact"])
    with pytest.warns(RuntimeWarning, match="writing artifact") as caught:
        trainer(tmp_path, client).train(*DATA, callbacks=[], checks=None)
    assert len(caught) == 1
    (stored,) = client.runs.values()
    assert stored.info.status == "FINISHED"


# --- runs ---------------------------------------------------------------------------------------------------------


def test_metrics_are_written_in_batches(monkeypatch):
    client = FakeClient()
    run = open_run(client)
    client.calls.clear()
    for step in range(1500):
        run.log_metrics({"a": step, "b": -step}, step)
    run.flush()
    assert client.calls.count("log_batch") == 3
    (stored,) = client.runs.values()
    assert stored.metrics == [pair for step in range(1500) for pair in (("a", step, step), ("b", -step, step))]


def test_old_metrics_do_not_wait(monkeypatch):
    client = FakeClient()
    run = open_run(client)
    run.log_metrics({"a": 1.0}, 0)
    (stored,) = client.runs.values()
    assert stored.metrics == []
    later = time.monotonic() + 6
    monkeypatch.setattr(time, "monotonic", lambda: later)
    run.log_metrics({"a": 2.0}, 1)
    assert len(stored.metrics) == 2


def test_a_closed_run_takes_nothing_more():
    client = FakeClient()
    run = open_run(client)
    run.log_metrics({"a": 1.0}, 0)
    run.close("FINISHED")
    (stored,) = client.runs.values()
    assert len(stored.metrics) == 1
    before = list(client.calls)
    run.log_metrics({"a": 2.0}, 1)
    run.flush()
    run.set_tags({"x": 1})
    run.close("FAILED")
    assert client.calls == before
    assert stored.info.status == "FINISHED"
    assert not run.is_recording


def test_awkward_params_tags_and_metrics():
    client = FakeClient()
    run = open_run(client)
    run.log_params({"a": {"b": {"c": 1}}, "long": "x" * 10_000, "sign@": [1, {"z": 2}], "sign%": None, "/p/../q": 1})
    run.log_params({f"p{i}": i for i in range(250)})
    run.set_tags({"note": "y" * 20_000, "none": None, "é": 3})
    run.log_metrics({"f1@10%": 0.5, "inf": math.inf, "nan": math.nan, "np": np.float32(2)}, 0)
    run.close("FINISHED")
    (stored,) = client.runs.values()
    assert stored.info.status == "FINISHED"
    assert stored.params["a.b.c"] == "1"
    assert len(stored.params["long"]) == 6000
    assert stored.params["sign_"] == '[1, {"z": 2}]'
    assert stored.params["sign__2"] == "None"
    assert len(stored.params) == 5 + 250
    assert {name for name, _, _ in stored.metrics} == {"f1_10_", "nan", "np"}


@given(st.dictionaries(st.text(max_size=300), st.floats() | st.text(max_size=50) | st.none(), max_size=20))
def test_any_params_are_made_acceptable(params):
    cleaned = limits.clean_params(params)
    assert len(cleaned) == len(params)
    for key, value in cleaned.items():
        FakeClient._key(key)
        assert len(value) <= 6000


def test_experiments_are_made_once_and_found_again():
    client = FakeClient()
    store = TrackingClient(client, "sqlite:////data/store/mlflow.db")
    first, second = store.start_run("alpha"), store.start_run("alpha")
    assert client.calls.count("create_experiment") == 1
    assert first.run_id != second.run_id
    assert client.experiments["alpha"].artifact_location == "file:///data/store/mlartifacts"


def test_an_experiment_made_by_another_process_in_the_meantime():
    class Raced(FakeClient):
        def get_experiment_by_name(self, name):
            if "create_experiment" not in self.calls:
                super().get_experiment_by_name(name)
                return None
            return super().get_experiment_by_name(name)

    client = Raced()
    FakeClient.create_experiment(client, "alpha")
    client.calls.clear()
    assert TrackingClient(client, "fake:").start_run("alpha") is not None


def test_a_deleted_experiment_is_the_users_to_restore():
    client = FakeClient()
    client.create_experiment("alpha")
    client.experiments["alpha"].lifecycle_stage = "deleted"
    with pytest.raises(TrackingError, match=r"has been deleted.*--experiment-id 1"):
        TrackingClient(client, "fake:").start_run("alpha")


# --- where the store is -------------------------------------------------------------------------------------------


def test_artifact_locations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert artifact_location("sqlite:///mlflow.db") == (tmp_path / "mlartifacts").as_uri()
    assert artifact_location("sqlite:////srv/x.db?timeout=5") == "file:///srv/mlartifacts"
    for uri in ("http://host:5000", "sqlite:///:memory:", "sqlite://", "databricks", "postgresql://h/d"):
        assert artifact_location(uri) is None


def test_default_uri(tmp_path, monkeypatch):
    class Mlflow:
        is_set = False

        def is_tracking_uri_set(self):
            return self.is_set

        def get_tracking_uri(self):
            return "http://set"

    monkeypatch.chdir(tmp_path)
    mlflow = Mlflow()
    assert default_uri(mlflow) == f"sqlite:///{Path.cwd().as_posix()}/mlflow.db"
    mlflow.is_set = True
    assert default_uri(mlflow) == "http://set"


def test_a_dead_server_costs_little_and_the_training_goes_on(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        # Bound but not listening: connections are refused.
        assert not is_alive(uri)
        run = ModelTrainer(DescentModel(), mlflow_uri=uri, output_dir=tmp_path)
        with pytest.warns(RuntimeWarning, match="not tracked.*does not answer") as caught:
            result = run.train(*DATA, callbacks=[], checks=None)
    assert len(caught) == 1
    assert (result.status, result.run_id) == ("completed", None)


def test_a_hanging_server_is_not_waited_for():
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen(8)
        assert not is_alive(f"http://127.0.0.1:{hanging.getsockname()[1]}")


def test_other_stores_are_not_probed():
    assert is_alive("sqlite:///x.db")
    assert is_alive("databricks")


# --- the callback -------------------------------------------------------------------------------------------------


def test_every_n_epochs_and_the_last(tmp_path):
    client = FakeClient()
    result = trainer(tmp_path, client, epochs=8).train(*DATA, callbacks=[MLflowLogger(3)], checks=None)
    steps = [step for name, _, step in client.runs[result.run_id].metrics if name == "train_loss"]
    assert steps == [2, 5, 7]


def test_the_logger_serves_two_fits_and_is_telemetry(tmp_path):
    client, logger = FakeClient(), MLflowLogger(100)
    for _ in range(2):
        result = trainer(tmp_path, client, epochs=2).train(*DATA, callbacks=[logger], checks=None)
        assert len([name for name, _, _ in client.runs[result.run_id].metrics if name == "train_loss"]) == 1
    assert (logger.order, logger.on_error) == (40, "warn")
    with pytest.raises(ParameterError, match="every_n_epochs"):
        MLflowLogger(0)


def test_a_run_knows_its_id():
    assert TrackingRun(FakeClient(), "fake:", "r1").run_id == "r1"
