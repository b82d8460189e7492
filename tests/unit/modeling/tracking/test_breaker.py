"""The circuit breaker and the health probes."""

import contextlib
import http.server
import os
import socket
import sqlite3
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_user import read_only_folder
from tracked import Clock

from tradewright.tracking.breaker import CircuitBreaker
from tradewright.tracking.health import kind_of, sqlite_path, unreachable


def test_pauses_double_until_a_success():
    clock = Clock()
    breaker = CircuitBreaker(first=2.0, longest=10.0, clock=clock)
    assert breaker.state == "closed"
    pauses = []
    for _ in range(5):
        breaker.failure()
        assert (breaker.state, breaker.allows) == ("open", False)
        pauses.append(breaker.seconds_left)
        clock.now += breaker.seconds_left
        assert (breaker.state, breaker.allows) == ("half-open", True)
    assert pauses == [2, 4, 8, 10, 10]
    breaker.success()
    assert (breaker.state, breaker.seconds_left) == ("closed", 0)
    breaker.failure()
    assert breaker.seconds_left == 2


def test_the_pause_can_be_ended():
    breaker = CircuitBreaker(clock=Clock())
    breaker.end_pause()
    assert breaker.state == "closed"
    breaker.failure()
    breaker.end_pause()
    assert breaker.state == "half-open"


@given(st.lists(st.sampled_from(["success", "failure", "pass", "end_pause"]), max_size=30))
def test_it_is_only_closed_after_a_success(steps):
    clock = Clock()
    breaker = CircuitBreaker(first=1.0, longest=8.0, clock=clock)
    failed = False
    for step in steps:
        if step == "pass":
            clock.now += 3.0
        else:
            getattr(breaker, step)()
        failed = step == "failure" or (failed and step != "success")
        assert (breaker.state == "closed") is not failed
        assert 0 <= breaker.seconds_left <= 8


# --- health -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def listening(*, answers):
    """A port that takes connections; one that answers says 503."""
    if not answers:
        with socket.socket() as hanging:
            hanging.bind(("127.0.0.1", 0))
            hanging.listen(8)
            yield hanging.getsockname()[1]
        return

    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(503)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_refuses_is_there():
    with listening(answers=True) as port:
        assert unreachable(f"http://127.0.0.1:{port}") is None


def test_a_server_that_takes_connections_and_says_nothing_is_not():
    with listening(answers=False) as port:
        assert "within 0.2 s" in unreachable(f"http://127.0.0.1:{port}", seconds=0.2)


def test_no_server():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: connections are refused
        port = taken.getsockname()[1]
        assert "refused" in unreachable(f"http://127.0.0.1:{port}")
        assert "refused" in unreachable(f"postgresql://user:secret@127.0.0.1:{port}/mlflow")
        assert "secret" not in unreachable(f"postgresql://user:secret@127.0.0.1:{port}/mlflow")
    assert "does not answer" in unreachable("http://")


def test_a_database_is_only_connected_to():
    with listening(answers=False) as port:
        assert unreachable(f"postgresql+psycopg2://u@127.0.0.1:{port}/mlflow") is None


def test_what_cannot_be_asked_counts_as_there():
    for uri in ("databricks", "sqlite://", "sqlite:///:memory:", "postgresql:///local", "some-plugin://x", ""):
        assert unreachable(uri) is None


def test_sqlite_files(tmp_path):
    path = tmp_path / "new" / "mlflow.db"
    uri = f"sqlite:///{path.as_posix()}"
    assert unreachable(uri) is None
    assert not path.parent.exists()
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (x)")
        assert unreachable(uri) is None
    path.write_text("this is no database, and long enough to be looked at as one" * 20)
    assert "not a database" in unreachable(uri)
    path.unlink()
    path.write_text("")
    assert unreachable(f"sqlite:///{path.as_posix()}/below/x.db").endswith("is a file")


@pytest.mark.skipif(os.name == "nt", reason="folders have no write permission there")
def test_a_read_only_folder():
    with read_only_folder() as folder:
        assert "read-only" in unreachable(f"sqlite:///{folder.as_posix()}/mlflow.db")


def test_kinds():
    assert [kind_of(uri) for uri in ("http://h", "https://h", "databricks", "databricks://p")] == ["server"] * 4
    assert [kind_of(uri) for uri in ("postgresql://h/d", "mysql+pymysql://h/d")] == ["database"] * 2
    assert [kind_of(uri) for uri in ("sqlite:///x.db", "file:///x", "x", "fake:")] == ["local"] * 4


def test_sqlite_paths():
    assert sqlite_path("sqlite:////srv/x.db?timeout=5").as_posix() == "/srv/x.db"
    assert sqlite_path("sqlite+pysqlite:///x.db").as_posix() == "x.db"
    for uri in ("sqlite://", "sqlite:///:memory:", "http://h", "fake:"):
        assert sqlite_path(uri) is None


def test_probing_takes_no_longer_than_asked():
    """Counted in probes: ten of them end while a single one of MLflow's own calls would still be trying."""
    with listening(answers=False) as port:
        started = time.monotonic()
        for _ in range(10):
            unreachable(f"http://127.0.0.1:{port}", seconds=0.02)
        assert time.monotonic() - started < 13
