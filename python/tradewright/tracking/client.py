"""A tracking store, through MLflow's client alone: the fluent API's active run and URI belong to the user."""

from __future__ import annotations

import getpass
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from tradewright import _optional
from tradewright.runtime.environment import git_sha
from tradewright.tracking import limits
from tradewright.tracking.health import kind_of, unreachable
from tradewright.tracking.journal import Journal
from tradewright.tracking.opening import import_mlflow, open_client
from tradewright.tracking.operations import RunSpec
from tradewright.tracking.outbox import Outbox
from tradewright.tracking.run import TrackingRun
from tradewright.tracking.store import Store
from tradewright.tracking.worker import Worker

__all__ = ["SPOOL_FOLDER", "TrackingClient", "connect", "default_uri"]

#: Where spools go that were given no folder, under the working directory.
SPOOL_FOLDER = Path("tradewright-runs") / "mlflow-spool"
#: How long a run waits to be made. A server answers within this or is left to the worker; a file takes what it takes.
START_SECONDS = {"server": 2.0, "database": 10.0, "local": 120.0}
#: How long a closing run waits for the next answer.
PATIENCE_SECONDS = {"server": 2.5, "database": 10.0, "local": 30.0}


class TrackingClient:
    """A store that runs can be opened in.

    Parameters
    ----------
    client : mlflow.MlflowClient or callable
        MLflow's client, or what makes one: called by the worker, and again when it failed.
    uri : str
        Where the store is.
    spool : path, optional
        The folder of the spool files; by default ``tradewright-runs/mlflow-spool`` in the working directory.
    """

    def __init__(self, client: Any, uri: str, *, spool: str | PathLike[str] | None = None) -> None:
        self.uri = uri
        self._spool = (SPOOL_FOLDER if spool is None else Path(spool)).absolute()
        self._kind = kind_of(uri)
        make: Callable[[], Any] = client if callable(client) else lambda: client
        self._worker = Worker(
            lambda: Store(make(), uri),
            partial(unreachable, uri),
            patience=PATIENCE_SECONDS[self._kind],
        )

    @property
    def client(self) -> Any:
        """MLflow's client; None when the store cannot be opened now."""
        store = self._worker.store(START_SECONDS[self._kind])
        return None if store is None else store.client

    def start_run(
        self,
        experiment_name: str,
        *,
        run_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        parent: TrackingRun | str | None = None,
    ) -> TrackingRun:
        """Open a run; the experiment is made if it is not there.

        Parameters
        ----------
        experiment_name : str
            The experiment.
        run_name : str, optional
            What MLflow's page calls the run.
        tags : mapping, optional
            Tags of the run; those that are None are left out.
        parent : TrackingRun or str, optional
            The run, or the id of the run, that this one is nested in: a fold in its cross-validation.

        Returns
        -------
        TrackingRun
            Also when the store cannot be reached: then a warning says so, and the run's id is None until it can.

        Raises
        ------
        TrackingError
            When the experiment has been deleted, which only the user can undo.
        """
        nested_in = parent._outbox if isinstance(parent, TrackingRun) else None
        spec = RunSpec(
            key=uuid.uuid4().hex,
            uri=self.uri,
            experiment=experiment_name,
            run_name=run_name,
            start_time=int(time.time() * 1000),
            tags={
                key: limits.cut(value, limits.TAG_LENGTH)
                for key, value in limits.clean_tags({**_source_tags(), **(tags or {})}).items()
            },
            parent_id=parent if isinstance(parent, str) else None if nested_in is None else nested_in.run_id,
            parent_key=None if nested_in is None else nested_in.spec.key,
        )
        outbox = Outbox(spec, self._journal(spec), nested_in)
        self._worker.add(outbox)
        self._worker.wait_for_run(outbox, START_SECONDS[self._kind])
        if outbox.error is not None:
            self._worker.remove(outbox)
            if outbox.journal is not None:
                outbox.journal.remove()
            raise outbox.error
        run = TrackingRun(self._worker, outbox)
        run._report_start()
        return run

    def _journal(self, spec: RunSpec) -> Journal | None:
        problem: Exception | None = None
        for folder in (self._spool, _fallback()):
            try:
                return Journal.create(folder, spec)
            except (OSError, NotImplementedError) as error:
                problem = problem or error
        warnings.warn(f"no spool can be written for the tracking of this run: {problem}", RuntimeWarning, stacklevel=3)
        return None


def connect(uri: str | None = None, *, spool: str | PathLike[str] | None = None) -> TrackingClient | None:
    """Open a store.

    Parameters
    ----------
    uri : str, optional
        A tracking URI. By default the one MLflow is set to (``mlflow.set_tracking_uri``, ``MLFLOW_TRACKING_URI``), else
        the SQLite file ``mlflow.db`` in the working directory, with artifacts beside it in ``mlartifacts``.
    spool : path, optional
        The folder of the spool files; by default ``tradewright-runs/mlflow-spool`` in the working directory.

    Returns
    -------
    TrackingClient or None
        None, after a warning, when MLflow is not installed and no URI is given.

    Raises
    ------
    MissingExtraError
        When a URI is given and MLflow is not installed.

    Notes
    -----
    The first use imports MLflow (seconds), and making a SQLite store takes 2 to 3 s. The store itself is opened with the
    first run, by its worker.
    """
    if uri is None and not _optional.is_available("mlflow"):
        warnings.warn(
            "MLflow is not installed, so this training is not tracked: pip install 'tradewright[mlflow]', or say "
            'mlflow_uri="off"',
            UserWarning,
            stacklevel=3,
        )
        return None
    mlflow = import_mlflow()
    place = default_uri(mlflow) if uri is None else uri
    return TrackingClient(partial(open_client, place), place, spool=spool)


def default_uri(mlflow: Any) -> str:
    """Return the URI MLflow is set to; if to none, that of the store in the working directory."""
    if mlflow.is_tracking_uri_set():
        return str(mlflow.get_tracking_uri())
    return f"sqlite:///{(Path.cwd() / 'mlflow.db').as_posix()}"


def _fallback() -> Path:
    """Where spools go when their folder cannot be written."""
    return Path(tempfile.gettempdir()) / f"tradewright-mlflow-spool-{_user()}"


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None


def _source_tags() -> dict[str, str | None]:
    """What MLflow's page shows of where a run comes from."""
    script = sys.argv[0] if sys.argv else ""
    return {
        "mlflow.user": _user(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": Path(script).name or "python",
        "mlflow.source.git.commit": git_sha(),
    }
