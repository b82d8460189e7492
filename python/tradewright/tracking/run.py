"""One open run of a tracking store."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tradewright.tracking import limits
from tradewright.tracking.health import is_alive
from tradewright.tracking.quiet import quiet

__all__ = ["RunStatus", "TrackingRun"]

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]
#: How old buffered metrics may get: the store's page follows the training, at little cost.
FLUSH_SECONDS = 5.0


class TrackingRun:
    """A run that records what it is told and never fails its caller.

    Metrics are buffered and written in batches. When the store fails, the run warns once and records nothing more;
    only :meth:`close` tries again, so that the store does not show a dead run as running.

    Parameters
    ----------
    client : mlflow.MlflowClient
        The store.
    uri : str
        Where the store is, for the health probe.
    run_id : str
        The run; it is open.
    """

    def __init__(self, client: Any, uri: str, run_id: str) -> None:
        self._client = client
        self._uri = uri
        self.run_id = run_id
        self._buffer: list[Any] = []
        self._flushed = time.monotonic()
        self._failed = False
        self._closed = False

    @property
    def is_recording(self) -> bool:
        """Whether what is logged reaches the store."""
        return not (self._failed or self._closed)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of one step; written with the next batch."""
        if not self.is_recording:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._buffer += [Metric(key, value, now, step) for key, value in limits.clean_metrics(metrics).items()]
        if len(self._buffer) >= limits.METRICS_PER_CALL or time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write out the buffered metrics."""
        metrics, self._buffer = self._buffer, []
        for batch in limits.batches(metrics, limits.METRICS_PER_CALL):
            self._call("metrics", partial(self._client.log_batch, self.run_id, metrics=batch))
        self._flushed = time.monotonic()

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters; nested mappings become dotted keys."""
        from mlflow.entities import Param

        entities = [Param(key, value) for key, value in limits.clean_params(params).items()]
        for batch in limits.batches(entities, limits.PARAMS_PER_CALL):
            self._call("params", partial(self._client.log_batch, self.run_id, params=batch))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; those that are None are left out."""
        from mlflow.entities import RunTag

        entities = [RunTag(key, value) for key, value in limits.clean_tags(tags).items()]
        for batch in limits.batches(entities, limits.PARAMS_PER_CALL):
            self._call("tags", partial(self._client.log_batch, self.run_id, tags=batch))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run's artifacts."""
        self._call(f"artifact {path.name}", lambda: self._client.log_artifact(self.run_id, str(path), folder))

    def log_text(self, text: str, name: str) -> None:
        """Write a text as an artifact."""
        self._call(f"artifact {name}", lambda: self._client.log_text(self.run_id, text, name))

    def close(self, status: RunStatus) -> None:
        """Write out what is buffered and end the run with ``status``; later calls do nothing."""
        if self._closed:
            return
        self.flush()
        # Also after a failure: it may have been one artifact, and the store must not show the run as running.
        self._failed, had_failed = False, self._failed
        self._call("final status", lambda: self._client.set_terminated(self.run_id, status), silent=had_failed)
        self._closed = True

    def _call(self, what: str, call: Callable[[], Any], *, silent: bool = False) -> None:
        if not self.is_recording:
            return
        try:
            if not is_alive(self._uri):
                raise ConnectionError(f"{self._uri} does not answer")
            with quiet():
                call()
        except Exception as error:  # noqa: BLE001  whatever a store does, the training goes on
            self._failed = True
            self._buffer = []
            if not silent:
                warnings.warn(
                    f"tracking is switched off for run {self.run_id}: writing {what} failed "
                    f"({type(error).__name__}: {error}). Training goes on",
                    RuntimeWarning,
                    stacklevel=3,
                )
