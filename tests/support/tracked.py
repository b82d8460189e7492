"""Runs over a store in memory, for tests of what happens to them."""

import itertools
from pathlib import Path

from tradewright.tracking import TrackingClient
from tradewright.tracking.breaker import CircuitBreaker
from tradewright.tracking.journal import SUFFIX, read_spool
from tradewright.tracking.store import Store


def tracking(fake, folder, *, patience=20.0, pause=0.05):
    """Return a client over a fake store whose waits are short."""
    client = TrackingClient(fake, "fake:", spool=folder)
    client._worker.patience = patience
    client._worker.breaker = CircuitBreaker(first=pause, longest=pause)
    return client


def spools(folder):
    """Return the spool files in a folder."""
    return sorted(Path(folder).rglob(f"*{SUFFIX}"))


def spooled(folder):
    """Return the one spool in a folder, read."""
    (path,) = spools(folder)
    return read_spool(path)


def contents(fake):
    """Return everything a fake store holds, as plain values that can be compared."""
    runs = {}
    for run in fake.runs.values():
        runs[run.tags["tradewright.run"]] = (
            run.info.status,
            run.info.run_name,
            run.info.start_time,
            sorted(map(repr, run.metrics)),
            run.params,
            {key: value for key, value in run.tags.items() if key != "mlflow.parentRunId"},
            run.artifacts,
            [(data.dataset.name, data.dataset.digest) for data in run.datasets],
            len(run.outputs.model_outputs),
        )
    models = [(model.name, model.status, model.params, model.artifacts) for model in fake.models.values()]
    registered = {name: (len(one.versions), one.aliases) for name, one in fake.registered.items()}
    return runs, models, registered


def replay_into(monkeypatch, fake):
    """Make :func:`replay_mlflow` use a fake store, whatever the URI."""
    from tradewright.tracking import replay

    monkeypatch.setattr(replay, "_open", lambda uri: Store(fake, uri))


def model_folder(folder):
    """Make a folder that looks like an MLflow model."""
    path = Path(folder) / "some_model"
    (path / "data").mkdir(parents=True)
    (path / "MLmodel").write_text("flavors: {python_function: {loader_module: json}}\n")
    (path / "data" / "weights.bin").write_bytes(bytes(range(256)))
    return path


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def counting():
    """Return a counter for calls that should differ."""
    return itertools.count(1)
