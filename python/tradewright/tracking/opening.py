"""Opening a store: MLflow's client, made so that a file is made by one process only and a refusal can be understood."""

from __future__ import annotations

import hashlib
import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tradewright import _optional
from tradewright.errors import TrackingError
from tradewright.tracking.health import masked, sqlite_path
from tradewright.tracking.quiet import quiet

__all__ = ["import_mlflow", "open_client"]

#: How long a process waits for another one that makes the same file.
LOCK_SECONDS = 60.0


def import_mlflow() -> Any:
    """Import MLflow, without the warnings that come with it.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    with quiet():
        mlflow = _optional.require("mlflow", "tracking")
        # What a worker would import later, with its own warnings and while somebody waits.
        for module in ("mlflow.entities", "mlflow.tracking", "mlflow.store.tracking.rest_store"):
            importlib.import_module(module)
        return mlflow


def open_client(uri: str) -> Any:
    """Return MLflow's client for a store; a SQLite file is made if it is not there.

    Raises
    ------
    TrackingError
        The store is of another version, or no MLflow knows such a URI; says what to do.
    """
    from mlflow import MlflowClient

    path = sqlite_path(uri)
    try:
        if path is None:
            return MlflowClient(tracking_uri=uri)
        with _alone(path):
            return MlflowClient(tracking_uri=uri)
    except Exception as error:
        raise _explained(uri, error) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time open a SQLite store: two that make its tables at once fail both."""
    filelock = _optional.require("filelock", "tracking")
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogatepass")).hexdigest()[:24]
    lock = filelock.FileLock(Path(tempfile.gettempdir()) / f"tradewright-mlflow-{name}.lock", thread_local=False)
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except (OSError, filelock.Timeout):
        # Of another user, or held for very long: without it, opening nearly always succeeds as well.
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _explained(uri: str, error: Exception) -> Exception:
    import mlflow

    text = str(error)
    if "database schema" in text or "Can't locate revision" in text:
        return TrackingError(
            f"its tables are of another version of MLflow than {mlflow.__version__}, which is installed here. If they are "
            f"older: make a backup, then run: mlflow db upgrade {masked(uri)}. If they are newer: install a newer MLflow",
            code="tracking.schema",
        )
    if type(error).__name__ == "UnsupportedModelRegistryStoreURIException":
        return TrackingError(
            "MLflow knows no such kind of store: the URI begins with http://, https://, sqlite:///, postgresql:// …",
            code="tracking.uri",
        )
    return error
