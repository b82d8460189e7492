"""What a run can be told, as frozen values that survive as one line of JSON each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal

from tradewright.errors import TrackingError

__all__ = [
    "Artifact",
    "ArtifactFolder",
    "DatasetInput",
    "LoggedModel",
    "Metrics",
    "Operation",
    "Params",
    "RunSpec",
    "RunStatus",
    "Tags",
    "Terminate",
    "Text",
    "operation_from_json",
]

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]

#: Key, value, milliseconds since 1970, step.
Point = tuple[str, float, int, int]


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is made of; enough to make it later, by another process.

    Parameters
    ----------
    key : str
        Our own id of the run. It is a tag of the run in the store, by which a second attempt finds what the first made.
    uri : str
        The tracking store.
    experiment : str
        The name of the experiment.
    run_name : str or None
        The name of the run.
    start_time : int
        Milliseconds since 1970.
    tags : mapping of str to str
        As the store takes them.
    parent_id : str or None
        The run id of the parent, where it was known.
    parent_key : str or None
        The key of the parent.
    """

    key: str
    uri: str
    experiment: str
    run_name: str | None
    start_time: int
    tags: Mapping[str, str] = field(default_factory=dict)
    parent_id: str | None = None
    parent_key: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One write. Subclasses say what; ``kind`` is their name in a spool."""

    kind: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"op": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Metrics(Operation):
    """Points of metrics."""

    kind: ClassVar[str] = "metrics"
    points: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for strict JSON, which knows neither NaN nor infinity: they become text."""
        points = [
            [key, value if math.isfinite(value) else str(value), at, step] for key, value, at, step in self.points
        ]
        return {"op": self.kind, "points": points}


@dataclass(frozen=True, slots=True)
class Params(Operation):
    """Parameters, as the store takes them."""

    kind: ClassVar[str] = "params"
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tags(Operation):
    """Tags, as the store takes them; a later value replaces an earlier one."""

    kind: ClassVar[str] = "tags"
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Text(Operation):
    """A text that becomes the artifact ``name``."""

    kind: ClassVar[str] = "text"
    text: str
    name: str


@dataclass(frozen=True, slots=True)
class Artifact(Operation):
    """A file that becomes an artifact.

    Parameters
    ----------
    path : str
        Where the file is; its name is that of the artifact.
    folder : str or None
        The folder of the artifacts it goes to.
    """

    kind: ClassVar[str] = "artifact"
    path: str
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class ArtifactFolder(Operation):
    """A folder whose files become artifacts, in ``folder`` of the artifacts."""

    kind: ClassVar[str] = "artifacts"
    path: str
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetInput(Operation):
    """A data set the run has read.

    Parameters
    ----------
    name : str
        At most 500 characters.
    digest : str
        At most 36 characters.
    source_type, source : str
        Where it came from; a text, often JSON.
    schema, profile : str or None
        JSON that describes it.
    context : str or None
        What for: ``"training"``, ``"validation"``.
    """

    kind: ClassVar[str] = "dataset"
    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedModel(Operation):
    """A ready MLflow model folder that becomes a logged model of the run.

    Parameters
    ----------
    path : str
        The folder with the file ``MLmodel``.
    name : str
        The model's name: it loads as ``runs:/<run id>/<name>``, and as ``models:/<model id>``.
    params : mapping of str to str
        Parameters shown with the model.
    registered_name : str or None
        The registered model that gets a new version.
    alias : str or None
        The alias that points at that version from then on.
    """

    kind: ClassVar[str] = "model"
    path: str
    name: str
    params: Mapping[str, str] = field(default_factory=dict)
    registered_name: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Terminate(Operation):
    """The end of the run; ``end_time`` in milliseconds since 1970."""

    kind: ClassVar[str] = "terminate"
    status: RunStatus
    end_time: int


_KINDS: dict[str, type[Operation]] = {
    cls.kind: cls
    for cls in (Metrics, Params, Tags, Text, Artifact, ArtifactFolder, DatasetInput, LoggedModel, Terminate)
}


def operation_from_json(values: Mapping[str, Any]) -> Operation:
    """Return the operation that :meth:`Operation.to_json` wrote.

    Raises
    ------
    TrackingError
        Of a kind this version does not know, or with fields missing.

    Examples
    --------
    >>> operation_from_json({"op": "text", "text": "hello", "name": "a.txt"})
    Text(text='hello', name='a.txt')
    """
    cls = _KINDS.get(str(values.get("op")))
    if cls is None:
        raise TrackingError(
            f"operation {values.get('op')!r} is not known here: it was written by a newer version",
            code="tracking.unknown_operation",
        )
    named = {name.name: values[name.name] for name in fields(cls) if name.name in values}
    if cls is Metrics:
        named["points"] = tuple((str(k), float(v), int(at), int(step)) for k, v, at, step in named["points"])
    try:
        return cls(**named)
    except TypeError as error:
        raise TrackingError(
            f"operation {cls.kind!r} is incomplete: {error}", code="tracking.incomplete_operation"
        ) from None
