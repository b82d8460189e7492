"""One open run of a tracking store."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tradewright.errors import ParameterError
from tradewright.tracking import limits
from tradewright.tracking.health import is_alive
from tradewright.tracking.operations import (
    Artifact,
    ArtifactFolder,
    DatasetInput,
    LoggedModel,
    Metrics,
    Operation,
    Params,
    RunStatus,
    Tags,
    Terminate,
    Text,
)
from tradewright.tracking.quiet import quiet
from tradewright.tracking.store import Store, requests_of

__all__ = ["RunStatus", "TrackingRun"]


class TrackingRun:
    """A run that records what it is told and never fails its caller.

    Every call makes an operation, puts it on a queue and returns; a worker does it. When the store fails, the operations
    are kept in a spool file, and ``tradewright replay`` brings them into the store later. Files and folders are taken as
    they are at the call: they may be changed or deleted right after.

    Use it as a context manager, or call :meth:`close`: leaving the block ends the run as FINISHED, as KILLED after
    Ctrl-C, as FAILED after another error.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._failed = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close("FINISHED")
        else:
            self.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")

    @property
    def run_id(self) -> str | None:
        """The store's id of the run; None as long as the store could not be reached to make it."""
        return self._run_id

    @property
    def key(self) -> str:
        """Our own id of the run, which it has from the start; the tag ``tradewright.run`` in the store."""
        raise NotImplementedError

    @property
    def spool(self) -> Path | None:
        """The file with what has not reached the store; None when all is there."""
        raise NotImplementedError

    @property
    def is_recording(self) -> bool:
        """Whether the run takes what is logged: until it is closed."""
        return not (self._failed or self._closed)

    # --- what a run can be told -----------------------------------------------------------------------------------

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of one step.

        Names that MLflow refuses are changed, and a warning says so once. An infinite value, which a database would
        change, goes to the artifact ``nonfinite_metrics.json`` instead.
        """
        now = int(time.time() * 1000)
        points = tuple((limits.clean_key(key), float(value), now, step) for key, value in metrics.items())
        self._put(Metrics(points))

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters; nested mappings become dotted keys.

        A value of more than 6,000 characters is cut in the store and kept whole as the artifact ``params/<key>.txt``. A
        parameter can't change in MLflow: a second value becomes the tag ``changed_param.<key>``.
        """
        self._put(Params(limits.clean_params(params)))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; those that are None are left out, and a later value replaces an earlier one."""
        self._put(Tags(limits.clean_tags(tags)))

    def log_text(self, text: str, name: str) -> None:
        """Write a text as the artifact ``name``, which may hold folders: ``"reports/sanity.html"``."""
        self._put(Text(text, name))

    def log_artifact(self, path: str | PathLike[str], folder: str | None = None) -> None:
        """Copy a file into the run's artifacts, under its own name, in ``folder`` of them."""
        self._put(Artifact(str(path), folder))

    def log_artifacts(self, path: str | PathLike[str], folder: str | None = None) -> None:
        """Copy what is in the folder ``path`` into the run's artifacts, in ``folder`` of them."""
        self._put(ArtifactFolder(str(path), folder))

    def log_dataset(
        self,
        *,
        name: str,
        digest: str,
        schema: Mapping[str, Any] | str | None = None,
        profile: Mapping[str, Any] | str | None = None,
        source: Mapping[str, Any] | str = "",
        source_type: str = "tradewright",
        context: str | None = None,
    ) -> None:
        """Record a data set the run has read, as MLflow's dataset input.

        Parameters
        ----------
        name : str
            At most 500 characters.
        digest : str
            What identifies the rows, at most 36 characters; one data set of a name and digest is kept for each run.
        schema, profile : mapping or str, optional
            Columns and figures; a mapping becomes JSON. MLflow's page shows a schema of the form
            ``{"mlflow_colspec": [{"name": "x", "type": "double"}]}``.
        source : mapping or str
            Where the data came from.
        source_type : str
            What kind of source that is.
        context : str, optional
            What for: ``"training"``, ``"validation"``.

        Raises
        ------
        ParameterError
            The digest is empty or too long.
        """
        if not 0 < len(digest) <= limits.DIGEST_LENGTH:
            raise ParameterError(
                f"digest={digest!r} has {len(digest)} characters: MLflow keeps 1 to {limits.DIGEST_LENGTH}",
                code="tracking.digest",
            )
        described = [_json(schema), _json(profile)]
        self._put(DatasetInput(name, digest, source_type, _json(source) or "", *described, context))

    def log_model(
        self,
        path: str | PathLike[str],
        name: str = "model",
        *,
        params: Mapping[str, Any] | None = None,
        registered_name: str | None = None,
        alias: str | None = None,
    ) -> None:
        """Log a ready MLflow model folder, one that holds ``MLmodel``, as a logged model of the run.

        It loads as ``runs:/<run id>/<name>`` and as ``models:/<model id>``.

        Parameters
        ----------
        path : path
            The folder.
        name : str
            The name of the model in the run.
        params : mapping, optional
            Parameters shown with the model.
        registered_name : str, optional
            Register it: this registered model, made if it is not there, gets a new version.
        alias : str, optional
            The alias that points at that version from then on.

        Raises
        ------
        ParameterError
            ``alias`` without ``registered_name``, or a folder without ``MLmodel``.
        """
        if alias is not None and registered_name is None:
            raise ParameterError(f"alias={alias!r} needs registered_name", code="tracking.alias")
        if not (Path(path) / "MLmodel").is_file():
            raise ParameterError(f"{path} holds no MLmodel: it is no MLflow model folder", code="tracking.model_folder")
        self._put(LoggedModel(str(path), name, limits.clean_params(params or {}), registered_name, alias))

    # --- delivery -------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Ask the worker to write what is queued now; does not wait."""

    def wait(self, seconds: float) -> bool:
        """Wait until everything logged so far is in the store, at most so long; whether it is."""
        return True

    def close(self, status: RunStatus) -> None:
        """End the run with ``status``; later calls do nothing.

        Waits until all is in the store, or until it has to be given up: then a warning names the spool file.
        """
        if self._closed:
            return
        self._failed = False
        self._put(Terminate(status, int(time.time() * 1000)))
        self._closed = True

    def _put(self, operation: Operation) -> None:
        if not self.is_recording:
            return
        try:
            if not is_alive(self._store.uri):
                raise ConnectionError(f"{self._store.uri} does not answer")
            with quiet():
                for parts, _ in requests_of([operation]):
                    self._store.write(self._run_id, parts)
        except Exception as error:  # noqa: BLE001  whatever a store does, the training goes on
            self._failed = True
            warnings.warn(
                f"tracking is switched off for run {self.run_id}: writing {operation.kind} failed "
                f"({type(error).__name__}: {error}). Training goes on",
                RuntimeWarning,
                stacklevel=3,
            )


def _json(value: Mapping[str, Any] | str | None) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)
