"""Operations done in a store through MLflow's client: within its limits, and harmless to do twice."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tradewright.errors import TrackingError
from tradewright.tracking import limits
from tradewright.tracking.health import masked
from tradewright.tracking.journal import Entry
from tradewright.tracking.operations import (
    Artifact,
    ArtifactFolder,
    DatasetInput,
    LoggedModel,
    Metrics,
    Operation,
    Params,
    Point,
    RunSpec,
    Tags,
    Terminate,
    Text,
)

__all__ = ["KEY_TAG", "PARENT_TAG", "Store", "artifact_location", "halves", "operation_key", "requests_of"]

#: The tag that holds our own id of a run, by which a second attempt finds what the first one made.
KEY_TAG = "tradewright.run"
PARENT_TAG = "mlflow.parentRunId"
_MODEL_TAG = "tradewright.operation"
#: By which the page of a logged model knows that it is registered.
_VERSIONS_TAG = "mlflow.modelVersions"
#: What one metric costs in a request beside its name: value, timestamp, step and the JSON around them.
_METRIC_BYTES = 120
_PAIR_BYTES = 40


class Store:
    """A tracking store.

    Every write can be done a second time without a trace, because after an outage nobody knows whether the last one
    arrived: a run and a model are looked up by our own tag first, points of metrics by key, time, step and value.

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
        self._experiments: dict[str, str] = {}
        # What is known of the metrics of one run, while writes to it are repeated.
        self._history_of = ""
        self._history: dict[str, set[tuple[Any, ...]]] = {}

    # --- runs -----------------------------------------------------------------------------------------------------

    def create_run(self, spec: RunSpec, parent_id: str | None, *, again: bool = False) -> str:
        """Make the run and return its id; with ``again`` look first whether it was made before."""
        experiment_id = self.experiment_id(spec.experiment)
        if again:
            found = self.find_run(spec.key, experiment_id)
            if found is not None:
                return found
        tags = {**spec.tags, KEY_TAG: spec.key}
        if parent_id is not None:
            tags[PARENT_TAG] = parent_id
        made = self.client.create_run(experiment_id, start_time=spec.start_time, run_name=spec.run_name, tags=tags)
        return str(made.info.run_id)

    def find_run(self, key: str, experiment_id: str) -> str | None:
        """Return the id of the run that carries our key, if there is one."""
        found = self.client.search_runs([experiment_id], filter_string=f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
        return str(found[0].info.run_id) if len(found) else None

    def has_run(self, run_id: str) -> bool:
        """Whether there is a run of this id."""
        try:
            self.client.get_run(run_id)
        except Exception as error:
            if getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return True

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment, which is made if it is not there.

        Raises
        ------
        TrackingError
            When the experiment has been deleted, which only the user can undo.
        """
        known = self._experiments.get(name)
        if known is not None:
            return known
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                made = self.client.create_experiment(name, artifact_location=artifact_location(self.uri))
            except Exception:
                # Another process may have made it in the meantime.
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
            else:
                self._experiments[name] = str(made)
                return str(made)
        if found.lifecycle_stage == "deleted":
            raise TrackingError(
                f"experiment {name!r} of {masked(self.uri)} has been deleted: restore it "
                f"(mlflow experiments restore --experiment-id {found.experiment_id}), or choose another name",
                code="tracking.deleted_experiment",
                experiment=name,
            )
        self._experiments[name] = str(found.experiment_id)
        return str(found.experiment_id)

    # --- writes ---------------------------------------------------------------------------------------------------

    def write(self, run_id: str, operations: Sequence[Operation], *, again: bool = False, key: str = "") -> None:
        """Do operations that make up one request (:func:`requests_of`).

        Parameters
        ----------
        run_id : str
            The run.
        operations : sequence of Operation
            Metrics, params and tags together, or one of any other kind.
        again : bool
            They may have been done before: look first.
        key : str
            Our id of this write, for kinds that the store gives ids of its own.
        """
        first = operations[0]
        if isinstance(first, Metrics | Params | Tags):
            self._log_batch(run_id, operations, again=again)
        elif isinstance(first, Text):
            self.client.log_text(run_id, first.text, first.name)
        elif isinstance(first, Artifact):
            self._log_file(run_id, first)
        elif isinstance(first, ArtifactFolder):
            self.client.log_artifacts(run_id, first.path, first.folder)
        elif isinstance(first, DatasetInput):
            self._log_dataset(run_id, first)
        elif isinstance(first, LoggedModel):
            self._log_model(run_id, first, key=key, again=again)
        elif isinstance(first, Terminate):
            self._terminate(run_id, first)
        else:
            raise TypeError(f"no such operation: {type(first).__name__}")

    def _log_batch(self, run_id: str, operations: Sequence[Operation], *, again: bool) -> None:
        from mlflow.entities import Metric, Param, RunTag

        points: list[Point] = []
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        for operation in operations:
            if isinstance(operation, Metrics):
                points += [point for point in operation.points if not math.isinf(point[1])]
            elif isinstance(operation, Params):
                params.update(operation.values)
            elif isinstance(operation, Tags):
                tags.update(operation.values)
        if again:
            points = self._new_points(run_id, points)
        if not (points or params or tags):
            return
        known, self._history_of = self._history_of, ""
        self.client.log_batch(
            run_id,
            metrics=[Metric(key, value, at, step) for key, value, at, step in points],
            params=[Param(key, value) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        if again:
            # Only now: a request that failed may have arrived all the same, and is to be looked up again.
            for key, value, at, step in points:
                self._history[key].add(_identity(value, at, step))
            self._history_of = known

    def _new_points(self, run_id: str, points: Sequence[Point]) -> list[Point]:
        """Leave out what the store has: not every kind of store drops doubles itself."""
        if self._history_of != run_id:
            self._history_of, self._history = run_id, {}
        fresh = []
        for point in points:
            key = point[0]
            if key not in self._history:
                old = self.client.get_metric_history(run_id, key)
                self._history[key] = {_identity(p.value, p.timestamp, p.step) for p in old}
            if _identity(*point[1:]) not in self._history[key]:
                fresh.append(point)
        return fresh

    def _log_file(self, run_id: str, file: Artifact) -> None:
        self.client.log_artifact(run_id, file.path, file.folder)

    def _log_dataset(self, run_id: str, data: DatasetInput) -> None:
        from mlflow.entities import Dataset, InputTag
        from mlflow.entities import DatasetInput as Input

        dataset = Dataset(data.name, data.digest, data.source_type, data.source, data.schema, data.profile)
        tags = [] if data.context is None else [InputTag("mlflow.data.context", data.context)]
        # The store itself keeps one data set of a name and digest for each run.
        self.client.log_inputs(run_id, [Input(dataset, tags)])

    def _log_model(self, run_id: str, model: LoggedModel, *, key: str, again: bool) -> None:
        from mlflow.entities import LoggedModelOutput

        run = self.client.get_run(run_id)
        experiment_id = run.info.experiment_id
        made = self._find_model(experiment_id, key) if again else None
        if made is None:
            made = self.client.create_logged_model(
                experiment_id,
                name=model.name,
                source_run_id=run_id,
                tags={_MODEL_TAG: key},
                params=dict(model.params),
            )
        if str(made.status) != "READY":
            self.client.log_model_artifacts(made.model_id, model.path)
            self.client.finalize_logged_model(made.model_id, "READY")
        outputs = run.outputs.model_outputs if run.outputs is not None else []
        if all(output.model_id != made.model_id for output in outputs):
            self.client.log_outputs(run_id, [LoggedModelOutput(made.model_id, 0)])
        if model.registered_name is not None:
            self._register(run_id, model, str(made.model_id), str(made.artifact_location))

    def _find_model(self, experiment_id: str, key: str) -> Any:
        found = self.client.search_logged_models([experiment_id], filter_string=f"tags.`{_MODEL_TAG}` = '{key}'")
        return found[0] if len(found) else None

    def _register(self, run_id: str, model: LoggedModel, model_id: str, source: str) -> None:
        name = model.registered_name
        if not self.client.search_registered_models(filter_string=f"name = '{name}'", max_results=1):
            try:
                self.client.create_registered_model(name)
            except Exception:
                # Another process may have made it in the meantime.
                if not self.client.search_registered_models(filter_string=f"name = '{name}'", max_results=1):
                    raise
        versions = self.client.search_model_versions(filter_string=f"name = '{name}' and run_id = '{run_id}'")
        version = next((found for found in versions if found.source == source), None)
        if version is None:
            # Not models:/<id>: a database store would look that up in whatever store MLflow is set to.
            version = self.client.create_model_version(name, source, run_id, await_creation_for=0, model_id=model_id)
        named = json.dumps([{"name": name, "version": version.version}])
        self.client.set_logged_model_tags(model_id, {_VERSIONS_TAG: named})
        if model.alias is not None:
            self.client.set_registered_model_alias(name, model.alias, version.version)

    def _terminate(self, run_id: str, end: Terminate) -> None:
        self.client.set_terminated(run_id, end.status, end.end_time)


def _identity(value: float, at: int, step: int) -> tuple[Any, ...]:
    return ("nan" if math.isnan(value) else float(value), int(at), int(step))


def requests_of(operations: Sequence[Operation]) -> Iterator[tuple[list[tuple[int, Operation]], int]]:
    """Cut operations into requests MLflow accepts, in order.

    Yields
    ------
    parts : list of (int, Operation)
        What one request holds, each with the place in ``operations`` it is from: metrics, params and tags together up to
        MLflow's limits, anything else alone. A larger operation is cut, and its parts come in requests that follow each
        other.
    done : int
        How many of ``operations`` are done with this request.
    """
    parts: list[tuple[int, Operation]] = []
    room = _Room()
    for place, operation in enumerate(operations):
        if not isinstance(operation, Metrics | Params | Tags):
            if parts:
                yield parts, place
                parts, room = [], _Room()
            yield [(place, operation)], place + 1
            continue
        for part in _pieces(operation):
            if parts and not room.takes(part):
                yield parts, place
                parts, room = [], _Room()
            room.take(part)
            parts.append((place, part))
    if parts:
        yield parts, len(operations)


def operation_key(spec: RunSpec, entry: Entry) -> str:
    """Return our id of a write, the same in every attempt."""
    return f"{spec.key}/{entry.number}"


def halves(operation: Operation) -> tuple[Operation, Operation] | None:
    """Cut metrics, params or tags in two; None for what cannot be cut."""
    if isinstance(operation, Metrics) and len(operation.points) > 1:
        middle = len(operation.points) // 2
        return Metrics(operation.points[:middle]), Metrics(operation.points[middle:])
    if isinstance(operation, Params | Tags) and len(operation.values) > 1:
        items, kind = list(operation.values.items()), type(operation)
        return kind(dict(items[: len(items) // 2])), kind(dict(items[len(items) // 2 :]))
    return None


class _Room:
    """What is left in a request."""

    def __init__(self) -> None:
        self.counts = {Metrics: limits.METRICS_PER_CALL, Params: limits.PARAMS_PER_CALL, Tags: limits.TAGS_PER_CALL}
        self.entities = limits.ENTITIES_PER_CALL
        self.size = limits.REQUEST_BYTES
        self.params: dict[str, str] = {}

    def takes(self, part: Metrics | Params | Tags) -> bool:
        count, size = _weight(part)
        if count > self.counts[type(part)] or count > self.entities or size > self.size:
            return False
        # A param in one request with two values would be refused with all that is beside it.
        return not isinstance(part, Params) or all(self.params.get(k, v) == v for k, v in part.values.items())

    def take(self, part: Metrics | Params | Tags) -> None:
        count, size = _weight(part)
        self.counts[type(part)] -= count
        self.entities -= count
        self.size -= size
        if isinstance(part, Params):
            self.params.update(part.values)


def _weight(part: Metrics | Params | Tags) -> tuple[int, int]:
    if isinstance(part, Metrics):
        return len(part.points), sum(_json_bytes(key) + _METRIC_BYTES for key, *_ in part.points)
    return len(part.values), sum(
        _json_bytes(key) + _json_bytes(value) + _PAIR_BYTES for key, value in part.values.items()
    )


@lru_cache(maxsize=4096)
def _json_bytes(text: str) -> int:
    """How long a text is in JSON, where a sign outside ASCII takes six bytes or twelve."""
    return len(text) + 2 if text.isascii() and text.isprintable() and '"' not in text else len(json.dumps(text))


def _pieces(operation: Metrics | Params | Tags) -> Iterator[Metrics | Params | Tags]:
    """Cut an operation until each piece fits into a request."""
    two = None if _Room().takes(operation) else halves(operation)
    if two is None:
        yield operation
        return
    for half in two:
        assert isinstance(half, Metrics | Params | Tags)
        yield from _pieces(half)


def artifact_location(uri: str) -> str | None:
    """Return where a new experiment keeps its artifacts: beside a SQLite store; None lets a server decide.

    Left to itself MLflow would put them under the working directory of whoever writes.
    """
    prefix = "sqlite:///"
    path = uri.removeprefix(prefix).partition("?")[0]
    if not uri.startswith(prefix) or path in ("", ":memory:"):
        return None
    return (Path(path).resolve().parent / "mlartifacts").as_uri()
