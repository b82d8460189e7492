"""A tracking store, through MLflow's client alone: the fluent API's active run and URI belong to the user."""

from __future__ import annotations

import getpass
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright import _optional
from tradewright.errors import TrackingError
from tradewright.runtime.environment import git_sha
from tradewright.tracking import limits
from tradewright.tracking.health import is_alive
from tradewright.tracking.quiet import quiet
from tradewright.tracking.run import TrackingRun

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
        self, experiment_name: str, *, run_name: str | None = None, tags: Mapping[str, Any] | None = None
    ) -> TrackingRun | None:
        """Open a run; the experiment is made if it is not there.

        Returns
        -------
        TrackingRun or None
            None, after a warning, when the store fails.

        Raises
        ------
        TrackingError
            When the experiment has been deleted, which only the user can undo.
        """
        try:
            if not is_alive(self.uri):
                raise ConnectionError(f"{self.uri} does not answer")
            with quiet():
                experiment_id = self._experiment(experiment_name)
                run = self.client.create_run(
                    experiment_id,
                    start_time=int(time.time() * 1000),
                    run_name=run_name,
                    tags=limits.clean_tags({**_source_tags(), **(tags or {})}),
                )
        except TrackingError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a store does, the training goes on
            _warn_untracked(self.uri, error)
            return None
        return TrackingRun(self.client, self.uri, run.info.run_id)

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                made: str = self.client.create_experiment(name, artifact_location=artifact_location(self.uri))
            except Exception:
                # Another process may have made it in the meantime.
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
            else:
                return made
        if found.lifecycle_stage == "deleted":
            raise TrackingError(
                f"experiment {name!r} of {self.uri} has been deleted: restore it "
                f"(mlflow experiments restore --experiment-id {found.experiment_id}), or choose another name",
                code="tracking.deleted_experiment",
                experiment=name,
            )
        return str(found.experiment_id)


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


def artifact_location(uri: str) -> str | None:
    """Return where a new experiment keeps its artifacts: beside a SQLite store; None lets a server decide.

    Left to itself MLflow would put them under the working directory of whoever writes.
    """
    prefix = "sqlite:///"
    path = uri.removeprefix(prefix).partition("?")[0]
    if not uri.startswith(prefix) or path in ("", ":memory:"):
        return None
    return (Path(path).resolve().parent / "mlartifacts").as_uri()


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
