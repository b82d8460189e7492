"""What a report shows besides words: small, frozen, plain values that any drawing can be made of.

A report outlives the data it was made from. So it keeps no data: a picture is at most a few hundred rounded numbers,
which travel in the JSON of the report and are drawn when somebody looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

__all__ = ["Lines", "Matrix", "Picture", "Series", "Span", "Spans", "Zone", "picture_from_dict", "picture_to_dict"]


@dataclass(frozen=True, slots=True)
class Series:
    """One line; ``low`` and ``high``, where given, are the borders of a band around it. None leaves a gap."""

    name: str
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the axis with a meaning."""

    start: float
    stop: float
    name: str


@dataclass(frozen=True, slots=True)
class Span:
    """A bar on one lane."""

    lane: int
    start: float
    stop: float
    role: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves over one axis.

    Parameters
    ----------
    title, caption : str
        What is shown, and what to see in it.
    x : tuple of float
        Places along the axis; ``ticks`` say what they stand for.
    series : tuple of Series
        With one value for each x.
    ticks : tuple of (float, str)
        Labels below the axis.
    zones : tuple of Zone
        Shaded parts.
    x_label, y_label : str
        The axes.
    columns : tuple of str
        The features it is about.
    """

    kind: ClassVar[str] = "lines"

    title: str
    x: tuple[float, ...]
    series: tuple[Series, ...]
    caption: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    zones: tuple[Zone, ...] = ()
    x_label: str = ""
    y_label: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spans:
    """Bars on lanes over one axis: who stands where in time. See :class:`Lines`."""

    kind: ClassVar[str] = "spans"

    title: str
    lanes: tuple[str, ...]
    spans: tuple[Span, ...]
    caption: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    zones: tuple[Zone, ...] = ()
    x_label: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Numbers from −1 to 1 in rows and columns."""

    kind: ClassVar[str] = "matrix"

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    caption: str = ""


Picture = Lines | Spans | Matrix

_KINDS: dict[str, type[Picture]] = {kind.kind: kind for kind in (Lines, Spans, Matrix)}
_PARTS: dict[str, type[Any]] = {"series": Series, "zones": Zone, "spans": Span}


def picture_to_dict(picture: Picture) -> dict[str, Any]:
    """Return plain lists, numbers and text."""
    content: dict[str, Any] = _lists(asdict(picture))
    return {"kind": picture.kind, **content}


def picture_from_dict(data: Mapping[str, Any]) -> Picture:
    """Read :func:`picture_to_dict`."""
    fields: dict[str, Any] = {}
    for name, value in data.items():
        if name == "kind":
            continue
        part = _PARTS.get(name)
        fields[name] = (
            _tuples(value)
            if part is None
            else tuple(part(**{key: _tuples(item) for key, item in each.items()}) for each in value)
        )
    return _KINDS[data["kind"]](**fields)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
