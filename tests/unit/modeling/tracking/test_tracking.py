"""Tracking against a store in memory that refuses what MLflow refuses."""

import json
import math
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest
from descent import DescentModel, split_problem
from fake_mlflow import FakeClient
from tracked import model_folder, replay_into, spools, tracking

import tradewright as tw
from tradewright.base import Callback
from tradewright.errors import ParameterError
from tradewright.tracking import MLflowLogger, TrackingClient, health
from tradewright.tracking import outbox as outbox_module
from tradewright.tracking.client import default_uri
from tradewright.tracking.store import artifact_location
from tradewright.training import ModelTrainer

pytest.importorskip("mlflow")

DATA = split_problem()


def trainer(tmp_path, client, **model):
    run = ModelTrainer(DescentModel(**model), "alpha", mlflow_uri="fake:", output_dir=tmp_path, plots=False)
    run._client = tracking(client, tmp_path / "spool")
    return run


# --- a training in the store --------------------------------------------------------------------------------------


def test_a_training_is_recorded(tmp_path):
    client = FakeClient()
    run = trainer(tmp_path, client, epochs=4)
    result = run.train(*DATA, callbacks=[MLflowLogger()], checks=None)
    stored = client.runs[result.run_id]
    assert stored.info.status == "FINISHED"
    assert run.mlflow_client is client
    for key in ("train_loss", "val_loss"):
        assert [(value, step) for name, value, _, step in stored.metrics if name == key] == [
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
    assert {step for name, _, _, step in client.runs[result.run_id].metrics if name == "train_loss"} == {0, 1, 2}
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


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 5, 8])
def test_a_store_that_dies_never_ends_a_training_and_loses_nothing(tmp_path, monkeypatch, calls):
    client = FakeClient(dies_after=calls)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = trainer(tmp_path, client, epochs=3).train(*DATA, callbacks=[MLflowLogger()], checks=None)
    assert (result.status, len(result.history)) == ("completed", 3)
    (about,) = [str(item.message) for item in caught if "track" in str(item.message)]
    assert "the store is gone" in about
    (spool,) = spools(tmp_path)
    assert f"tradewright replay {spool}" in about
    client.dies_after = None
    replay_into(monkeypatch, client)
    (replayed,) = tw.replay_mlflow(tmp_path)
    assert replayed.is_complete
    (stored,) = client.runs.values()
    assert replayed.run_id == stored.info.run_id
    assert (stored.info.status, stored.tags["status"]) == ("FINISHED", "completed")
    assert [value for name, value, _, _ in stored.metrics if name == "train_loss"] == [
        row["train_loss"] for row in result.history
    ]
    assert stored.artifacts["model.tw"] == result.artifacts["model"].read_bytes()


def test_the_id_of_a_run_is_known_after_it_came_back(tmp_path):
    class Back(Callback):
        def on_epoch_end(self, epoch, logs):
            client.down = False

    client = FakeClient()
    client.down = True
    with pytest.warns(RuntimeWarning, match="the training goes on"):
        result = trainer(tmp_path, client).train(*DATA, callbacks=[Back(), MLflowLogger()], checks=None)
    assert list(client.runs) == [result.run_id]
    assert client.runs[result.run_id].info.status == "FINISHED"


# --- runs ---------------------------------------------------------------------------------------------------------


def test_queued_metrics_wait_for_company_but_not_for_long(tmp_path, monkeypatch):
    client = FakeClient()
    run = tracking(client, tmp_path).start_run("alpha")
    run.log_metrics({"a": 1.0}, 0)
    (stored,) = client.runs.values()
    assert stored.metrics == []
    monkeypatch.setattr(outbox_module, "FLUSH_SECONDS", 0.0)
    run.log_metrics({"a": 2.0}, 1)
    run.flush()
    assert run.wait(5)
    assert len(stored.metrics) == 2
    run.close("FINISHED")


def test_a_closed_run_takes_nothing_more(tmp_path):
    client = FakeClient()
    run = tracking(client, tmp_path).start_run("alpha")
    run.log_metrics({"a": 1.0}, 0)
    run.close("FINISHED")
    (stored,) = client.runs.values()
    assert len(stored.metrics) == 1
    before = list(client.calls)
    run.log_metrics({"a": 2.0}, 1)
    run.flush()
    run.set_tags({"x": 1})
    run.log_text("a", "b")
    run.close("FAILED")
    assert client.calls == before
    assert stored.info.status == "FINISHED"
    assert not run.is_recording


def test_awkward_params_and_tags(tmp_path):
    client = FakeClient()
    run = tracking(client, tmp_path).start_run("alpha", tags={"long": "z" * 9000})
    run.log_params({"a": {"b": {"c": 1}}, "long": "x" * 10_000, "sign@": [1, {"z": 2}], "sign%": None, "/p/../q": 1})
    run.log_params({f"p{i}": i for i in range(250)})
    run.set_tags({"note": "y" * 20_000, "none": None, "é": 3})
    run.close("FINISHED")
    (stored,) = client.runs.values()
    assert stored.info.status == "FINISHED"
    assert stored.params["a.b.c"] == "1"
    assert len(stored.params["long"]) == 6000
    assert stored.artifacts["params/long.txt"] == b"x" * 10_000
    assert stored.artifacts["tags/note.txt"] == b"y" * 20_000
    assert stored.params["sign_"] == '[1, {"z": 2}]'
    assert stored.params["sign__2"] == "None"
    assert len(stored.params) == 5 + 250
    assert stored.tags["é"] == "3"


def test_a_param_with_another_value_does_not_fail_the_run(tmp_path):
    client = FakeClient()
    run = tracking(client, tmp_path).start_run("alpha")
    run.log_params({"lr": 0.1, "depth": 3})
    with pytest.warns(UserWarning, match="keeps the first value of a parameter.*'lr'"):
        run.log_params({"lr": 0.2, "depth": 3, "new": 1})
    run.log_params({"lr": 0.3})  # said once
    run.close("FINISHED")
    (stored,) = client.runs.values()
    assert stored.params == {"lr": "0.1", "depth": "3", "new": "1"}
    assert stored.tags["changed_param.lr"] == "0.3"
    assert stored.info.status == "FINISHED"


def test_names_of_metrics_are_changed_apart_and_said_once(tmp_path):
    client = FakeClient()
    run = tracking(client, tmp_path).start_run("alpha")
    with pytest.warns(UserWarning, match=r"'f1@10%' is 'f1_10_', 'f1@10\$' is 'f1_10__2'"):
        run.log_metrics({"f1@10%": 0.1, "f1@10$": 0.2, "ok": np.float32(0.5)}, 0)
    run.log_metrics({"f1@10%": 0.3, "f1@10$": 0.4, "../x": 1.0}, 1)
    run.close("FINISHED")
    (stored,) = client.runs.values()
    assert sorted((name, value) for name, value, _, _ in stored.metrics) == [
        ("__/x", 1.0),
        ("f1_10_", 0.1),
        ("f1_10_", 0.3),
        ("f1_10__2", 0.2),
        ("f1_10__2", 0.4),
        ("ok", 0.5),
    ]


def test_what_is_no_number_is_left_out_and_said(tmp_path):
    client = FakeClient()
    run = tracking(client, tmp_path).start_run("alpha")
    with pytest.warns(UserWarning, match="are no numbers, and are left out: a=None, b='x'"):
        run.log_metrics({"a": None, "b": "x", "c": 1, "d": True}, 0)
    run.close("FINISHED")
    (stored,) = client.runs.values()
    assert sorted((name, value) for name, value, _, _ in stored.metrics) == [("c", 1.0), ("d", 1.0)]


def test_infinite_metrics_are_kept_faithfully(tmp_path):
    client = FakeClient()
    run = tracking(client, tmp_path).start_run("alpha")
    for step, value in enumerate([1.0, math.inf, -math.inf, math.nan]):
        run.log_metrics({"loss": value}, step)
    run.close("FINISHED")
    (stored,) = client.runs.values()
    assert [step for _, _, _, step in stored.metrics] == [0, 3]
    assert math.isnan(stored.metrics[1][1])
    kept = json.loads(stored.artifacts["nonfinite_metrics.json"])
    assert [(row["key"], float(row["value"]), row["step"]) for row in kept] == [
        ("loss", math.inf, 1),
        ("loss", -math.inf, 2),
    ]
    assert stored.tags["nonfinite_metrics"] == "loss"


def test_arguments_that_cannot_be_kept(tmp_path):
    client = FakeClient()
    run = tracking(client, tmp_path / "spool").start_run("alpha")
    with pytest.raises(ParameterError, match=r"digest=.*37 characters"):
        run.log_dataset(name="d", digest="x" * 37)
    with pytest.raises(ParameterError, match="holds no MLmodel"):
        run.log_model(tmp_path)
    with pytest.raises(ParameterError, match="needs registered_name"):
        run.log_model(model_folder(tmp_path), alias="best")
    run.close("FINISHED")
    assert client.runs[run.run_id].info.status == "FINISHED"


def test_a_file_that_is_missing_is_said_and_the_rest_goes_on(tmp_path):
    client = FakeClient()
    run = tracking(client, tmp_path / "spool").start_run("alpha")
    with pytest.warns(RuntimeWarning, match=r"gone\.txt"):
        run.log_artifact(tmp_path / "gone.txt")
    run.log_metrics({"a": 1}, 0)
    with pytest.warns(RuntimeWarning, match="refused 1 writes"):
        run.close("FINISHED")
    (stored,) = client.runs.values()
    assert (stored.info.status, len(stored.metrics)) == ("FINISHED", 1)


def test_experiments_are_made_once_and_found_again(tmp_path):
    client = FakeClient()
    store = TrackingClient(client, f"sqlite:///{tmp_path.as_posix()}/data/mlflow.db", spool=tmp_path)
    first, second = store.start_run("alpha"), store.start_run("alpha")
    assert client.calls.count("create_experiment") == 1
    assert first.run_id != second.run_id
    assert client.experiments["alpha"].artifact_location == (tmp_path / "data" / "mlartifacts").as_uri()
    for run in (first, second):
        run.close("FINISHED")


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


@pytest.mark.parametrize("hangs", [False, True], ids=["dead", "hanging"])
def test_a_server_that_does_not_answer_is_asked_little_and_the_training_goes_on(tmp_path, monkeypatch, hangs):
    probes = []
    real = health.unreachable
    monkeypatch.setattr("tradewright.tracking.client.unreachable", lambda uri: (probes.append(uri), real(uri))[1])
    monkeypatch.setattr("mlflow.utils.rest_utils.http_request", lambda *a, **k: pytest.fail("MLflow was called"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if hangs:
            taken.listen(8)  # takes connections, and says nothing
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        run = ModelTrainer(DescentModel(epochs=50), mlflow_uri=uri, output_dir=tmp_path)
        with pytest.warns(RuntimeWarning, match="does not answer.*the training goes on.*tradewright replay") as caught:
            result = run.train(*DATA, callbacks=[MLflowLogger()], checks=None)
    assert len(caught) == 1
    assert (result.status, result.run_id) == ("completed", None)
    # Of a second each: one at the start, one at the end.
    assert len(probes) <= 3


# --- the callback -------------------------------------------------------------------------------------------------


def test_every_n_epochs_and_the_last(tmp_path):
    client = FakeClient()
    result = trainer(tmp_path, client, epochs=8).train(*DATA, callbacks=[MLflowLogger(3)], checks=None)
    steps = [step for name, _, _, step in client.runs[result.run_id].metrics if name == "train_loss"]
    assert steps == [2, 5, 7]


def test_the_logger_serves_two_fits_and_is_telemetry(tmp_path):
    client, logger = FakeClient(), MLflowLogger(100)
    for _ in range(2):
        result = trainer(tmp_path, client, epochs=2).train(*DATA, callbacks=[logger], checks=None)
        assert len([name for name, _, _, _ in client.runs[result.run_id].metrics if name == "train_loss"]) == 1
    assert (logger.order, logger.on_error) == (40, "warn")
    with pytest.raises(ParameterError, match="every_n_epochs"):
        MLflowLogger(0)
