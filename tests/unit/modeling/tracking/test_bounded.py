"""A server that hangs: MLflow's requests are bounded on the worker's thread, and what is waited for is bounded too."""

import contextlib
import http.server
import logging
import threading
import warnings

import pytest
from descent import DescentModel, split_problem
from tracked import spooled

from tradewright.tracking import MLflowLogger, bounded, client
from tradewright.tracking.quiet import hush_this_thread, unhush_this_thread
from tradewright.training import ModelTrainer

pytest.importorskip("mlflow")


def limits():
    from mlflow.utils import rest_utils

    return rest_utils.MLFLOW_HTTP_REQUEST_MAX_RETRIES.get(), rest_utils.MLFLOW_HTTP_REQUEST_TIMEOUT.get()


def on_another_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_only_the_thread_in_the_block_is_bounded(monkeypatch):
    for name in bounded.LIMITS:
        monkeypatch.delenv(name, raising=False)
    before = limits()
    assert before > (1, 20)
    with bounded.bounded_requests():
        assert limits() == tuple(bounded.LIMITS.values())
        assert on_another_thread(limits) == before
    assert limits() == before


def test_what_the_user_has_set_holds(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with bounded.bounded_requests():
        assert limits() == (1, 77)


def test_a_later_mlflow_without_these_settings_is_left_alone(monkeypatch):
    monkeypatch.setattr(bounded, "LIMITS", {"MLFLOW_NO_SUCH_SETTING": 3})
    with bounded.bounded_requests():
        limits()
    from mlflow.utils import rest_utils

    assert not hasattr(rest_utils, "MLFLOW_NO_SUCH_SETTING")


@contextlib.contextmanager
def half_dead():
    """A server whose health is fine and that answers nothing else."""
    over = threading.Event()
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/health":
                asked.append(self.path)
                over.wait()
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_that_is_healthy_and_answers_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(client.START_SECONDS, "server", 0.3)
    monkeypatch.setitem(client.PATIENCE_SECONDS, "server", 0.3)
    with half_dead() as (uri, asked):
        trainer = ModelTrainer(DescentModel(epochs=20), "alpha", mlflow_uri=uri, output_dir=tmp_path)
        with pytest.warns(RuntimeWarning, match="no answer yet.*tradewright replay") as caught:
            result = trainer.train(*split_problem(), callbacks=[MLflowLogger()], checks=None)
        # One request was made and is still out; nobody waited for it twice.
        assert len(asked) == 1
    assert len(caught) == 1
    assert (result.status, result.run_id, len(result.history)) == ("completed", None, 20)
    assert spooled(tmp_path).ended == "FINISHED"


def test_the_waits_of_a_fit_add_up_to_less_than_five_seconds():
    """At the start and at the end, with the probe of a second inside the first."""
    assert client.START_SECONDS["server"] + client.PATIENCE_SECONDS["server"] < 5
    assert client.PATIENCE_SECONDS["server"] <= 3


def test_a_hushed_thread_is_hushed_and_no_other(caplog):
    logger = logging.getLogger("urllib3.connectionpool")

    def speak():
        warnings.warn("about code of others", DeprecationWarning, stacklevel=1)
        logger.warning("Retrying")
        return "said"

    def hushed():
        hush_this_thread()
        try:
            return speak()
        finally:
            unhush_this_thread()

    assert on_another_thread(hushed) == "said"
    assert caplog.records == []
    with pytest.warns(DeprecationWarning, match="about code of others"):
        speak()
    assert [record.message for record in caplog.records] == ["Retrying"]
