"""One open run of a tracking store."""

from __future__ import annotations

import atexit
import json
import math
import os
import shlex
import sys
import warnings
import weakref
from collections.abc import Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tradewright.errors import ParameterError
from tradewright.tracking import limits
from tradewright.tracking.health import masked
from tradewright.tracking.journal import now_ms
from tradewright.tracking.names import MetricNames
from tradewright.tracking.operations import (
    Artifact,
    ArtifactFolder,
    DatasetInput,
    LoggedModel,
    Metrics,
    Operation,
    Params,
    Point,
    RunStatus,
    Tags,
    Terminate,
    Text,
)
from tradewright.tracking.outbox import Outbox
from tradewright.tracking.worker import Worker

__all__ = ["NONFINITE_FILE", "RunStatus", "TrackingRun", "nonfinite_text"]

#: How long an operation waits for room in the queue before it is left to the spool.
PAUSE_SECONDS = 0.2
NONFINITE_FILE = "nonfinite_metrics.json"


class TrackingRun:
    """A run that records what it is told and never fails its caller.

    Every call makes an operation, writes it to the run's spool file, queues it and returns; a worker does it. When the
    store fails, the training goes on, the worker tries again from time to time, and what has not arrived when the run is
    closed stays in the spool: ``tradewright replay`` brings it into the store. A run that has arrived leaves no spool.

    The queue holds 10,000 operations. When it is full, a call waits up to 0.2 s for room, once; after that operations
    wait in the spool alone until the worker has caught up. Files and folders are taken as they are at the call: they may
    be changed or deleted right after (above 16 MB: replaced or deleted).

    Use it as a context manager, or call :meth:`close`: leaving the block ends the run as FINISHED, as KILLED after
    Ctrl-C, as FAILED after another error. In a forked child of the process that opened it a run records nothing.

    Parameters
    ----------
    worker : Worker
        Sends what the run is told.
    outbox : Outbox
        Where it waits; known to the worker.
    """

    def __init__(self, worker: Worker, outbox: Outbox) -> None:
        self._worker, self._outbox = worker, outbox
        self._names = MetricNames()
        self._params: dict[str, str] = {}
        self._infinite: list[Point] = []
        self._told: set[str] = set()
        self._pid = os.getpid()
        self._closed = False
        _OPEN.add(self)

    def __repr__(self) -> str:
        return f"TrackingRun(run_id={self.run_id!r}, uri={masked(self._outbox.spec.uri)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(_status_after(error))

    @property
    def run_id(self) -> str | None:
        """The store's id of the run; None as long as the store could not be reached to make it."""
        return self._outbox.run_id

    @property
    def key(self) -> str:
        """Our own id of the run, which it has from the start; the tag ``tradewright.run`` in the store."""
        return self._outbox.spec.key

    @property
    def spool(self) -> Path | None:
        """The file with what has not reached the store; None when all is there, or when no spool could be written."""
        journal = self._outbox.journal
        return None if journal is None or self._is_delivered else journal.path

    @property
    def is_recording(self) -> bool:
        """Whether the run takes what is logged: until it is closed."""
        return not self._closed and os.getpid() == self._pid

    @property
    def _is_delivered(self) -> bool:
        outbox = self._outbox
        return outbox.is_empty and not (outbox.parked or outbox.refused or outbox.dropped)

    # --- what a run can be told -----------------------------------------------------------------------------------

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of one step.

        Names that MLflow refuses are changed, and a warning says so once. An infinite value, which a database would
        change, goes to the artifact ``nonfinite_metrics.json`` instead of the curve; NaN is kept as it is.
        """
        if not self.is_recording:
            return
        now, step = now_ms(), int(step)
        points, odd, changed = [], [], len(self._names.changed)
        for name, number in metrics.items():
            try:
                value = float(number)
            except (TypeError, ValueError):
                odd.append(f"{name}={number!r}")
                continue
            points.append((self._names[name], value, now, step))
            if math.isinf(value):
                self._infinite.append(points[-1])
        if points:
            self._put(Metrics(tuple(points)))
        if len(self._names.changed) > changed:
            pairs = ", ".join(f"{old!r} is {new!r}" for old, new in self._names.changed.items())
            self._tell("names", f"MLflow does not take these names of metrics as they are: {pairs}", UserWarning)
        if odd:
            self._tell("odd", f"these metrics are no numbers, and are left out: {', '.join(odd)}", UserWarning)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters; nested mappings become dotted keys.

        A value of more than 6,000 characters is cut in the store and kept whole as the artifact ``params/<key>.txt``. A
        parameter can't change in MLflow: a second value becomes the tag ``changed_param.<key>``.
        """
        full = limits.clean_params(params)
        new = {key: limits.cut(value, limits.PARAM_LENGTH) for key, value in full.items()}
        changed = {key: value for key, value in new.items() if self._params.get(key, value) != value}
        first = {key: value for key, value in new.items() if key not in self._params}
        self._params.update(first)
        if first:
            self._put(Params(first))
        self._keep_whole("params", {key: full[key] for key in (*first, *changed)}, limits.PARAM_LENGTH)
        if changed:
            self.set_tags({f"changed_param.{key}": value for key, value in changed.items()})
            names = ", ".join(map(repr, changed))
            self._tell(
                "changed", f"MLflow keeps the first value of a parameter; the new one of {names} is a tag", UserWarning
            )

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; those that are None are left out, and a later value replaces an earlier one.

        A value of more than 8,000 characters is cut in the store and kept whole as the artifact ``tags/<key>.txt``.
        """
        full = limits.clean_tags(tags)
        if full:
            self._put(Tags({key: limits.cut(value, limits.TAG_LENGTH) for key, value in full.items()}))
            self._keep_whole("tags", full, limits.TAG_LENGTH)

    def log_text(self, text: str, name: str) -> None:
        """Write a text as the artifact ``name``, which may hold folders: ``"reports/sanity.html"``."""
        self._put(Text(text, name))

    def log_artifact(self, path: str | PathLike[str], folder: str | None = None) -> None:
        """Copy a file into the run's artifacts, under its own name, in ``folder`` of them.

        Costs a copy on the local disk; the upload is the worker's.
        """
        self._put(Artifact(str(path), folder))

    def log_artifacts(self, path: str | PathLike[str], folder: str | None = None) -> None:
        """Copy what is in the folder ``path`` into the run's artifacts, in ``folder`` of them.

        Costs a copy on the local disk; the upload is the worker's.
        """
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
        self._put(DatasetInput(name, digest, source_type, _json(source) or "", _json(schema), _json(profile), context))

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
        if self.is_recording:
            self._worker.flush(self._outbox)
            self._report()

    def wait(self, seconds: float) -> bool:
        """Wait until everything logged so far is in the store, at most so long; whether it is."""
        if self.is_recording:
            self._worker.settle(self._outbox, seconds)
            self._report()
        return self._is_delivered

    def close(self, status: RunStatus) -> None:
        """End the run with ``status``; later calls do nothing.

        Waits while the store answers. A server that does not answer for 2.5 s (and 1 s more for each MB still to be
        uploaded), or that fails, is given up: a warning then names the spool and how to replay it.
        """
        if not self.is_recording:
            return
        if self._infinite:
            self._queue(Text(nonfinite_text(self._infinite), NONFINITE_FILE))
            names = ", ".join(sorted({name for name, *_ in self._infinite}))
            self._queue(Tags({"nonfinite_metrics": limits.cut(names, limits.TAG_LENGTH)}))
        self._queue(Terminate(status, now_ms()))
        self._closed = True
        _OPEN.discard(self)
        try:
            self._worker.settle(self._outbox)
        finally:
            self._worker.remove(self._outbox)
            journal = self._outbox.journal
            if journal is not None:
                journal.remove() if self._is_delivered else journal.release()
        # Last, because a warning may be an error.
        self._report_end()

    def _put(self, operation: Operation) -> None:
        if not self.is_recording:
            return
        journal = self._outbox.journal
        if journal is not None:
            try:
                operation = journal.keep(operation)
            except OSError as error:
                # It is sent from where it is, if it is there.
                self._tell("file", f"{operation.kind} could not be put beside the spool: {error}", RuntimeWarning)
        self._queue(operation)
        self._report()

    def _queue(self, operation: Operation) -> None:
        self._worker.put(self._outbox, operation, PAUSE_SECONDS)

    def _keep_whole(self, folder: str, values: Mapping[str, str], length: int) -> None:
        for key, value in values.items():
            if len(value) > length:
                self._put(Text(value, f"{folder}/{key.replace('/', '_').replace(':', '_')}.txt"))

    # --- what the user is told ------------------------------------------------------------------------------------

    def _report(self) -> None:
        """Say once that the store fails; called on the training's thread, where a warning belongs."""
        problem = self._outbox.error or self._worker.problem
        if problem is not None and (self._worker.breaker.state != "closed" or self._outbox.error is not None):
            self._tell_outage(problem)

    def _report_start(self) -> None:
        if self.run_id is None:
            self._tell_outage(self._worker.problem or TimeoutError("no answer yet"))

    def _report_end(self) -> None:
        outbox = self._outbox
        if outbox.dropped:
            self._tell(
                "dropped",
                f"tracking has lost {outbox.dropped} writes: the store is too slow, and no spool can be written",
                RuntimeWarning,
            )
        if outbox.refused:
            self._tell(
                "refused",
                f"MLflow refused {len(outbox.refused)} writes of run {self.run_id}, which stay in {self.spool}; "
                f"{outbox.refusal}",
                RuntimeWarning,
            )
        if not outbox.is_empty or outbox.parked:
            known = outbox.error or self._worker.problem or outbox.parked_for
            self._tell_outage(known or TimeoutError("does not answer"))

    def _tell_outage(self, problem: Exception) -> None:
        outbox = self._outbox
        why = f"the store {masked(outbox.spec.uri)} cannot be used ({type(problem).__name__}: {problem}); the training goes on"
        journal = outbox.journal
        if journal is None or journal.problem is not None:
            rest = "No spool can be written either: what the store does not get before the end of the run is lost"
        else:
            rest = (
                f"What is logged is kept in {journal.path}. If the store is not back before the end of the run, bring it "
                f"there later: tradewright replay {shlex.quote(str(journal.path))}"
            )
        self._tell("outage", f"tracking: {why}. {rest}", RuntimeWarning)

    def _tell(self, what: str, text: str, category: type[Warning]) -> None:
        if what not in self._told:
            self._told.add(what)
            warnings.warn(text, category, stacklevel=_stack_level())


def nonfinite_text(points: list[Point]) -> str:
    """Return infinite points as the JSON of the artifact that keeps them."""
    rows = [{"key": key, "value": str(value), "timestamp": at, "step": step} for key, value, at, step in points]
    return json.dumps(rows, indent=1)


def _json(value: Mapping[str, Any] | str | None) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)


def _status_after(error: BaseException | None) -> RunStatus:
    if error is None:
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


def _stack_level() -> int:
    """How far up the first caller outside this package is: the warning is about what it does."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tradewright."):
        level, frame = level + 1, frame.f_back
    return level


_OPEN: weakref.WeakSet[TrackingRun] = weakref.WeakSet()


@atexit.register
def _close_open_runs() -> None:
    """End the runs nobody has closed: as failed, when an error ends the program."""
    for run in list(_OPEN):
        # A warning may be an error, and no thread can be started any more; the other runs are to be closed as well.
        with suppress(Warning, RuntimeError):
            run.close(_status_after(getattr(sys, "last_value", None)))
