"""A tracking store, through MLflow's client alone: the fluent API's active run and URI belong to the user."""

from __future__ import annotations

import getpass
import sys
import time
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright import _optional
from tradewright.errors import TrackingError
from tradewright.runtime.environment import git_sha
from tradewright.tracking import limits
from tradewright.tracking.health import is_alive
from tradewright.tracking.operations import RunSpec
from tradewright.tracking.quiet import quiet
from tradewright.tracking.run import TrackingRun
from tradewright.tracking.store import Store

__all__ = ["TrackingClient", "connect", "default_uri"]


class TrackingClient:
    """A store that runs can be opened in.

    Parameters
    ----------
    client : mlflow.MlflowClient
        MLflow's client.
    uri : str
        Where the store is.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self.client = client
        self.uri = uri

    def start_run(
        self,
        experiment_name: str,
        *,
        run_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        parent: TrackingRun | str | None = None,
    ) -> TrackingRun | None:
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
        TrackingRun or None
            None, after a warning, when the store fails.

        Raises
        ------
        TrackingError
            When the experiment has been deleted, which only the user can undo.
        """
        spec = RunSpec(
            key=uuid.uuid4().hex,
            uri=self.uri,
            experiment=experiment_name,
            run_name=run_name,
            start_time=int(time.time() * 1000),
            tags=limits.clean_tags({**_source_tags(), **(tags or {})}),
            parent_id=parent.run_id if isinstance(parent, TrackingRun) else parent,
        )
        store = Store(self.client, self.uri)
        try:
            if not is_alive(self.uri):
                raise ConnectionError(f"{self.uri} does not answer")
            with quiet():
                run_id = store.create_run(spec, spec.parent_id)
        except TrackingError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a store does, the training goes on
            _warn_untracked(self.uri, error)
            return None
        return TrackingRun(store, run_id)


def connect(uri: str | None = None) -> TrackingClient | None:
    """Open a store.

    Parameters
    ----------
    uri : str, optional
        A tracking URI. By default the one MLflow is set to (``mlflow.set_tracking_uri``, ``MLFLOW_TRACKING_URI``), else
        the SQLite file ``mlflow.db`` in the working directory, with artifacts beside it in ``mlartifacts``.

    Returns
    -------
    TrackingClient or None
        None, after a warning, when the store cannot be opened, or when MLflow is not installed and no URI is given.

    Raises
    ------
    MissingExtraError
        When a URI is given and MLflow is not installed.

    Notes
    -----
    The first use imports MLflow (seconds), and making a SQLite store takes 2 to 3 s.
    """
    if uri is None and not _optional.is_available("mlflow"):
        warnings.warn(
            "MLflow is not installed, so this training is not tracked: pip install 'tradewright[mlflow]', or say "
            'mlflow_uri="off"',
            UserWarning,
            stacklevel=3,
        )
        return None
    with quiet():
        mlflow = _optional.require("mlflow", "tracking")
        place = default_uri(mlflow) if uri is None else uri
    try:
        if not is_alive(place):
            raise ConnectionError(f"{place} does not answer")
        with quiet():
            return TrackingClient(mlflow.MlflowClient(tracking_uri=place), place)
    except Exception as error:  # noqa: BLE001  whatever a store does, the training goes on
        _warn_untracked(place, error)
        return None


def default_uri(mlflow: Any) -> str:
    """Return the URI MLflow is set to; if to none, that of the store in the working directory."""
    if mlflow.is_tracking_uri_set():
        return str(mlflow.get_tracking_uri())
    return f"sqlite:///{(Path.cwd() / 'mlflow.db').as_posix()}"


def _source_tags() -> dict[str, str | None]:
    """What MLflow's page shows of where a run comes from."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = None
    script = sys.argv[0] if sys.argv else ""
    return {
        "mlflow.user": user,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": Path(script).name or "python",
        "mlflow.source.git.commit": git_sha(),
    }


def _warn_untracked(uri: str, error: Exception) -> None:
    warnings.warn(
        f"this training is not tracked: the store {uri} cannot be used ({type(error).__name__}: {error})",
        RuntimeWarning,
        stacklevel=4,
    )
