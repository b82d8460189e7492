"""What a run does when its store is slow, fails, hangs, comes back: nothing is lost, doubled or out of order."""

# ruff: noqa: PT031  the warning comes from whichever call first sees the outage

import os
import sys
import threading
import warnings

import pytest
from fake_mlflow import FakeClient, StoreError
from hypothesis import given, settings
from hypothesis import strategies as st
from tracked import contents, model_folder, replay_into, spooled, spools, tracking

import tradewright as tw
from tradewright.errors import TrackingError
from tradewright.tracking import TrackingClient
from tradewright.tracking import outbox as outbox_module
from tradewright.tracking import run as run_module

pytest.importorskip("mlflow")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Queued metrics wait for company, but not for long here."""
    monkeypatch.setattr(outbox_module, "FLUSH_SECONDS", 0.02)


def steps(fake, key="loss"):
    (run,) = fake.runs.values()
    return [step for name, _, _, step in run.metrics if name == key]


# --- a store that is well -----------------------------------------------------------------------------------------


def test_everything_arrives_and_no_spool_is_left(tmp_path):
    fake = FakeClient()
    run = tracking(fake, tmp_path).start_run("alpha", run_name="one", tags={"a": 1, "b": None})
    (tmp_path / "file.txt").write_text("text")
    run.log_params({"x": {"y": 1}})
    for step in range(2500):
        run.log_metrics({"loss": step}, step)
    run.log_artifact(tmp_path / "file.txt", "kept")
    run.log_artifacts(model_folder(tmp_path), "folder")
    run.log_text("hello", "a/b.txt")
    run.log_dataset(name="d", digest="abc", schema={"mlflow_colspec": []}, context="training")
    run.log_model(tmp_path / "some_model", params={"p": 1}, registered_name="best", alias="champion")
    (tmp_path / "file.txt").unlink()  # it was taken when it was logged
    run.close("FINISHED")
    (stored,) = fake.runs.values()
    assert (stored.info.status, stored.info.run_name, run.run_id) == ("FINISHED", "one", stored.info.run_id)
    assert stored.params == {"x.y": "1"}
    assert stored.tags["a"] == "1"
    assert "b" not in stored.tags
    assert steps(fake) == list(range(2500))
    assert stored.artifacts["kept/file.txt"] == b"text"
    assert {"folder/MLmodel", "folder/data/weights.bin", "a/b.txt"} <= set(stored.artifacts)
    assert stored.datasets[0].tags[0].value == "training"
    (model,) = fake.models.values()
    assert (model.status, model.params, set(model.artifacts)) == ("READY", {"p": "1"}, {"MLmodel", "data/weights.bin"})
    assert stored.outputs.model_outputs[0].model_id == model.model_id
    assert fake.registered["best"].aliases == {"champion": "1"}
    assert run.spool is None
    assert spools(tmp_path) == []


def test_few_requests(tmp_path):
    fake = FakeClient()
    run = tracking(fake, tmp_path).start_run("alpha")
    fake.answers.clear()  # so that all of it is queued when the worker looks
    for step in range(2500):
        run.log_metrics({"loss": step}, step)
    fake.answers.set()
    run.close("FINISHED")
    assert fake.calls.count("log_batch") <= 5


def test_a_run_as_a_context(tmp_path):
    fake = FakeClient()
    client = tracking(fake, tmp_path)
    for error, status in ((None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")):
        with pytest.raises(error) if error else warnings.catch_warnings(), client.start_run("alpha") as run:
            run.log_metrics({"loss": 1}, 0)
            if error:
                raise error
        assert fake.runs[run.run_id].info.status == status


def test_nested_runs(tmp_path):
    fake = FakeClient()
    client = tracking(fake, tmp_path)
    with client.start_run("alpha") as parent:
        folds = [client.start_run("alpha", parent=parent), client.start_run("alpha", parent=parent.run_id)]
        for fold in folds:
            fold.close("FINISHED")
    for fold in folds:
        assert fake.runs[fold.run_id].tags["mlflow.parentRunId"] == parent.run_id
    assert "mlflow.parentRunId" not in fake.runs[parent.run_id].tags


def test_runs_of_one_store_share_a_thread_that_ends_with_them(tmp_path):
    def workers():
        return [thread for thread in threading.enumerate() if thread.name == "tradewright-tracking"]

    fake = FakeClient()
    client = tracking(fake, tmp_path)
    runs = [client.start_run("alpha") for _ in range(3)]
    assert len(workers()) == 1
    for run in runs:
        run.close("FINISHED")
    for thread in workers():
        thread.join(5)
    assert workers() == []
    assert all(run.info.status == "FINISHED" for run in fake.runs.values())


def test_many_threads_may_log(tmp_path):
    fake = FakeClient()
    run = tracking(fake, tmp_path).start_run("alpha")

    def log(name):
        for step in range(200):
            run.log_metrics({name: step}, step)

    threads = [threading.Thread(target=log, args=(f"m{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.close("FINISHED")
    for i in range(4):
        assert steps(fake, f"m{i}") == list(range(200))


def test_a_forked_child_records_nothing(tmp_path):
    fake = FakeClient()
    run = tracking(fake, tmp_path).start_run("alpha")
    run._pid = os.getpid() + 1  # what the child would see
    run.log_metrics({"loss": 1}, 0)
    run.close("FAILED")
    run._pid = os.getpid()
    run.close("FINISHED")
    assert steps(fake) == []
    assert fake.runs[run.run_id].info.status == "FINISHED"


def test_a_run_that_nobody_closes_is_closed_at_the_end_of_the_program(tmp_path, monkeypatch):
    fake = FakeClient()
    client = tracking(fake, tmp_path)
    for error, status in ((None, "FINISHED"), (ValueError("mine"), "FAILED"), (KeyboardInterrupt(), "KILLED")):
        run = client.start_run("alpha")
        run.log_metrics({"loss": 1}, 0)
        monkeypatch.setattr(sys, "last_value", error, raising=False)
        run_module._close_open_runs()
        assert fake.runs[run.run_id].info.status == status


def test_a_password_is_shown_to_nobody(tmp_path):
    fake = FakeClient(dies_after=0)
    client = TrackingClient(fake, "fake://me:secret@host/mlflow", spool=tmp_path)
    with pytest.warns(RuntimeWarning, match="fake://me:") as caught:
        run = client.start_run("alpha")
        run.close("FINISHED")
    assert "secret" not in f"{caught[0].message} {run!r}"
    (path,) = spools(tmp_path)
    assert path.stat().st_mode & 0o077 == 0


# --- a store that fails -------------------------------------------------------------------------------------------


def log_some(run, folder, first, last):
    """A bit of everything."""
    file = folder / f"file{first}.txt"
    file.write_text(str(first))
    run.log_params({f"p{first}": first})
    for step in range(first, last):
        run.log_metrics({"loss": step, "nan": float("nan")}, step)
    run.log_artifact(file)
    run.set_tags({"at": first})
    run.log_dataset(name="d", digest=f"d{first}")
    run.log_model(folder / "some_model", f"m{first}", registered_name="best")
    file.write_text("changed")


def everything(tmp_path, fake):
    """What a store that never fails holds after the same run."""
    run = tracking(fake, tmp_path / "whole").start_run("alpha", run_name="one")
    for first in (0, 10, 20):
        log_some(run, tmp_path, first, first + 10)
    run.close("FINISHED")
    return comparable(fake)


def comparable(fake):
    runs, models, registered = contents(fake)
    (run,) = runs.values()
    status, name, _, metrics, params, tags, *rest = run
    points = sorted((eval(point, {"nan": float("nan")})[::3] for point in metrics), key=repr)
    tags = {key: value for key, value in tags.items() if key != "tradewright.run"}
    return status, name, points, params, tags, rest, models, registered


@pytest.mark.parametrize("calls", [*range(12), 15, 20, 25])
def test_a_store_that_dies_at_any_call_has_everything_after_replay(tmp_path, monkeypatch, calls):
    model_folder(tmp_path)
    expected = everything(tmp_path, FakeClient())
    fake = FakeClient(dies_after=calls)
    with pytest.warns(RuntimeWarning, match="tradewright replay") as caught:
        run = tracking(fake, tmp_path / "spool").start_run("alpha", run_name="one")
        for first in (0, 10, 20):
            log_some(run, tmp_path, first, first + 10)
        run.close("FINISHED")
    assert len(caught) == 1
    assert "the store is gone" in str(caught[0].message)
    (path,) = spools(tmp_path / "spool")
    assert str(path) in str(caught[0].message)
    assert run.spool == path
    fake.dies_after = None
    replay_into(monkeypatch, fake)
    (replayed,) = tw.replay_mlflow(tmp_path / "spool")
    assert replayed.is_complete
    assert replayed.run_id == next(iter(fake.runs))
    assert comparable(fake) == expected
    before = contents(fake)
    assert tw.replay_mlflow(tmp_path / "spool") == []
    assert tw.replay_mlflow(path)[0].written == 0
    assert contents(fake) == before


@settings(max_examples=25, deadline=None)
@given(lost=st.sets(st.integers(0, 30), max_size=4), drops_doubles=st.booleans())
def test_answers_that_get_lost_double_nothing(tmp_path_factory, lost, drops_doubles):
    """The store does what it was asked, but the answer does not come back: it is asked again."""
    folder = tmp_path_factory.mktemp("lost")
    model_folder(folder)
    expected = everything(folder, FakeClient())
    fake = FakeClient(drops_doubles=drops_doubles)
    count = 0

    def lose(name):
        nonlocal count
        count += 1
        if count - 1 in lost:
            raise ConnectionError("the answer got lost")

    fake.after = lose
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = tracking(fake, folder / "spool", pause=0.001)
        run = client.start_run("alpha", run_name="one")
        for first in (0, 10, 20):
            log_some(run, folder, first, first + 10)
            run.wait(5)
        run.close("FINISHED")
    fake.after = lambda name: None
    if run.spool is not None:
        with pytest.MonkeyPatch.context() as patch:
            replay_into(patch, fake)
            assert all(one.is_complete for one in tw.replay_mlflow(run.spool))
    assert comparable(fake) == expected


def test_a_store_that_comes_back_gets_everything_without_a_replay(tmp_path):
    fake = FakeClient()
    run = tracking(fake, tmp_path).start_run("alpha")
    for step in range(10):
        run.log_metrics({"loss": step}, step)
    assert run.wait(5)
    fake.down = True
    with pytest.warns(RuntimeWarning, match="the store is gone"):
        for step in range(10, 20):
            run.log_metrics({"loss": step}, step)
        run.wait(5)
    assert run.spool is not None
    fake.down = False
    for step in range(20, 30):
        run.log_metrics({"loss": step}, step)
    run.close("FINISHED")
    assert steps(fake) == list(range(30))
    assert run.spool is None
    assert spools(tmp_path) == []


def test_a_store_that_is_away_at_the_start_and_comes_back(tmp_path):
    fake = FakeClient()
    fake.down = True
    client = tracking(fake, tmp_path)
    with pytest.warns(RuntimeWarning, match="the training goes on"):
        run = client.start_run("alpha")
    assert run.run_id is None
    run.log_metrics({"loss": 1.0}, 0)
    fake.down = False
    run.close("FINISHED")
    assert run.run_id in fake.runs
    assert steps(fake) == [0]


def test_a_nested_run_waits_for_its_parent(tmp_path, monkeypatch):
    fake = FakeClient()
    fake.down = True
    client = tracking(fake, tmp_path)
    with pytest.warns(RuntimeWarning, match="tradewright replay"):
        parent = client.start_run("alpha", run_name="cv")
        fold = client.start_run("alpha", run_name="fold", parent=parent)
        fold.log_metrics({"loss": 1}, 0)
        fold.close("FINISHED")
        parent.close("FINISHED")
    assert fake.runs == {}
    fake.down = False
    replay_into(monkeypatch, fake)
    assert all(one.is_complete for one in tw.replay_mlflow(tmp_path))
    by_name = {run.info.run_name: run for run in fake.runs.values()}
    assert by_name["fold"].tags["mlflow.parentRunId"] == by_name["cv"].info.run_id


def test_a_nested_run_replayed_without_its_parent_finds_it_in_the_store(tmp_path, monkeypatch):
    fake = FakeClient()
    client = tracking(fake, tmp_path)
    parent = client.start_run("alpha", run_name="cv")
    fake.down = True
    with pytest.warns(RuntimeWarning, match="tradewright replay"):
        fold = client.start_run("alpha", run_name="fold", parent=parent)
        fold.close("FINISHED")
    fake.down = False
    parent.close("FINISHED")
    replay_into(monkeypatch, fake)
    (replayed,) = tw.replay_mlflow(tmp_path)
    assert fake.runs[replayed.run_id].tags["mlflow.parentRunId"] == parent.run_id


def test_a_hanging_store_is_not_waited_for(tmp_path, monkeypatch):
    fake = FakeClient()
    run = tracking(fake, tmp_path, patience=0.1).start_run("alpha")
    run.log_metrics({"loss": 0}, 0)
    assert run.wait(5)
    fake.answers.clear()
    for step in range(1, 5):
        run.log_metrics({"loss": step}, step)
    run.flush()
    with pytest.warns(RuntimeWarning, match="TimeoutError"):
        run.close("FINISHED")
    assert spooled(tmp_path).ended == "FINISHED"
    fake.answers.set()
    replay_into(monkeypatch, fake)
    assert tw.replay_mlflow(tmp_path)[0].is_complete
    assert sorted(set(steps(fake))) == [0, 1, 2, 3, 4]
    assert fake.runs[run.run_id].info.status == "FINISHED"


# --- a queue that is full -----------------------------------------------------------------------------------------


def test_a_full_queue_waits_once_and_then_spools(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox_module, "CAPACITY", 50)
    monkeypatch.setattr(run_module, "PAUSE_SECONDS", 0.01)
    fake = FakeClient()
    run = tracking(fake, tmp_path, patience=5).start_run("alpha")
    run._outbox.capacity = 50
    waits = []
    real = run._worker._wait_until
    monkeypatch.setattr(run._worker, "_wait_until", lambda *given: (waits.append(given[1]), real(*given)))
    fake.answers.clear()
    for step in range(1000):
        run.log_metrics({"loss": step}, step)
        assert len(run._outbox.entries) <= 50
    assert waits == [0.01]
    fake.answers.set()
    for step in range(1000, 1100):
        run.log_metrics({"loss": step}, step)
    run.close("FINISHED")
    assert steps(fake) == list(range(1100))
    assert run.spool is None


def test_without_a_spool_a_full_queue_loses_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "in the way").write_text("")
    monkeypatch.setattr("tradewright.tracking.client._fallback", lambda: tmp_path / "in the way" / "x")
    fake = FakeClient()
    with pytest.warns(RuntimeWarning, match="no spool can be written"):
        run = tracking(fake, tmp_path / "in the way" / "spool", patience=5).start_run("alpha")
    monkeypatch.setattr(run_module, "PAUSE_SECONDS", 0.01)
    run._outbox.capacity = 5
    fake.answers.clear()
    for step in range(9):
        run.log_metrics({"loss": step}, step)
    fake.answers.set()
    assert run.wait(5) is False
    with pytest.warns(RuntimeWarning, match="has lost"):
        run.close("FINISHED")
    assert len(steps(fake)) < 9
    assert fake.runs[run.run_id].info.status == "FINISHED"


def test_an_unwritable_spool_folder_has_a_stand_in(tmp_path, monkeypatch):
    (tmp_path / "in the way").write_text("")
    monkeypatch.setattr("tradewright.tracking.client._fallback", lambda: tmp_path / "stand-in")
    fake = FakeClient(dies_after=0)
    with pytest.warns(RuntimeWarning, match="stand-in"):
        run = tracking(fake, tmp_path / "in the way").start_run("alpha")
        run.close("FINISHED")
    assert spooled(tmp_path / "stand-in").ended == "FINISHED"


# --- what a store refuses -----------------------------------------------------------------------------------------


def test_only_what_is_refused_is_left_out(tmp_path, monkeypatch):
    class Picky(FakeClient):
        def log_batch(self, run_id, metrics=(), params=(), tags=()):
            if any(metric.value == 13 for metric in metrics):
                raise StoreError("no thirteens")
            super().log_batch(run_id, metrics, params, tags)

    fake = Picky()
    run = tracking(fake, tmp_path).start_run("alpha")
    fake.answers.clear()
    for step in range(30):
        run.log_metrics({"loss": step, "other": step}, step)
    run.log_params({"a": 1})
    fake.answers.set()
    with pytest.warns(RuntimeWarning, match=r"refused 1 writes.*stay in .*no thirteens") as caught:
        run.close("FINISHED")
    assert len(caught) == 1
    assert steps(fake) == [step for step in range(30) if step != 13]
    assert fake.runs[run.run_id].params == {"a": "1"}
    assert fake.runs[run.run_id].info.status == "FINISHED"
    replay_into(monkeypatch, fake)
    (replayed,) = tw.replay_mlflow(tmp_path)
    assert not replayed.is_complete
    assert (replayed.left, replayed.run_id) == (1, run.run_id)
    assert "no thirteens" in replayed.problem
    assert "1 writes left" in str(replayed)


def test_an_artifact_store_that_fails_does_not_leave_the_run_open(tmp_path, monkeypatch):
    fake = FakeClient(broken=["log_artifact"])
    run = tracking(fake, tmp_path / "spool").start_run("alpha")
    (tmp_path / "a.txt").write_text("a")
    run.log_artifact(tmp_path / "a.txt")
    run.log_metrics({"loss": 1}, 0)
    with pytest.warns(RuntimeWarning, match=r"log_artifact.*tradewright replay") as caught:
        run.close("FINISHED")
    assert len(caught) == 1
    assert fake.runs[run.run_id].info.status == "FINISHED"
    assert steps(fake) == [0]
    fake.broken.clear()
    replay_into(monkeypatch, fake)
    assert tw.replay_mlflow(tmp_path / "spool")[0].is_complete
    assert fake.runs[run.run_id].artifacts == {"a.txt": b"a"}


def test_an_artifact_that_failed_once_is_sent_at_the_end(tmp_path):
    fake = FakeClient(broken=["log_artifact"])
    run = tracking(fake, tmp_path / "spool").start_run("alpha")
    (tmp_path / "a.txt").write_text("a")
    run.log_artifact(tmp_path / "a.txt")
    run.log_metrics({"loss": 1}, 0)
    run.wait(5)
    fake.broken.clear()
    run.close("FINISHED")
    assert fake.runs[run.run_id].artifacts == {"a.txt": b"a"}
    assert run.spool is None


def test_a_deleted_experiment_is_the_users_to_restore(tmp_path):
    fake = FakeClient()
    fake.create_experiment("alpha")
    fake.experiments["alpha"].lifecycle_stage = "deleted"
    with pytest.raises(TrackingError, match=r"has been deleted.*--experiment-id 1"):
        tracking(fake, tmp_path).start_run("alpha")
    assert spools(tmp_path) == []


def test_an_experiment_made_by_another_process_in_the_meantime(tmp_path):
    class Raced(FakeClient):
        def get_experiment_by_name(self, name):
            found = super().get_experiment_by_name(name)
            return found if "create_experiment" in self.calls else None

    fake = Raced()
    FakeClient.create_experiment(fake, "alpha")
    fake.calls.clear()
    run = tracking(fake, tmp_path).start_run("alpha")
    assert run.run_id is not None
    run.close("FINISHED")
