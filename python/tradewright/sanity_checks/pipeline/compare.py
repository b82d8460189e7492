"""Two outputs of a feature function held against each other, column by column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.pipeline.alignment import Aligned
from tradewright.sanity_checks.pipeline.output import Output

__all__ = ["Difference", "Differences", "Place", "differs", "typical_size"]

#: Examples kept of a column.
KEPT = 10


def typical_size(values: NDArray[Any]) -> float:
    """Return the upper quartile of the absolute values, which outliers do not move; 0 for what holds no numbers."""
    if values.dtype.kind not in "fc":
        return 0.0
    known = np.abs(values[np.isfinite(values)])
    return float(np.quantile(known, 0.75)) if len(known) else 0.0


def differs(a: NDArray[Any], b: NDArray[Any], rtol: float, size: float) -> NDArray[np.bool_]:
    """Return where two columns differ by more than the noise of floating point; missing equals missing.

    ``rtol`` is relative to the larger of the two values and to ``size``, what the column usually measures; for single
    precision it is no less than 64 of its steps.
    """
    if a.dtype.kind in "iub" and b.dtype.kind in "iub":
        different: NDArray[np.bool_] = a != b
        return different
    if a.dtype.kind in "fiubc" and b.dtype.kind in "fiubc":
        steps = [np.finfo(values.dtype).eps for values in (a, b) if values.dtype.kind in "fc"]
        kind = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
        x, y = a.astype(kind, copy=False), b.astype(kind, copy=False)
        allowed = max(rtol, 64 * float(max(steps))) if float(max(steps)) > 1e-12 else rtol
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.abs(x - y) <= allowed * np.maximum(np.maximum(np.abs(x), np.abs(y)), size)
        infinite = ~np.isfinite(x) | ~np.isfinite(y)
        alike = (x == y) | (np.isnan(x) & np.isnan(y))
        return np.asarray(~np.where(infinite, alike, near))
    return np.fromiter((not _same(p, q) for p, q in zip(a.tolist(), b.tolist(), strict=True)), bool, len(a))


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    equal = a == b
    if isinstance(equal, np.ndarray):
        return bool(np.shape(a) == np.shape(b) and equal.all())
    if isinstance(equal, bool | np.bool_) and equal:
        return True
    return _is_missing(a) and _is_missing(b)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


@dataclass(frozen=True)
class Place:
    """One value that changed: the row in the full output and in the other, after which bar the data was cut or changed."""

    row: int
    other_row: int
    bar: int
    value: str
    other_value: str


@dataclass
class Difference:
    """Where one column changed, over several runs."""

    rows: NDArray[np.bool_]
    runs: int = 0
    worst: float = 0.0
    places: list[Place] = field(default_factory=list)


class Differences:
    """Gathers, over several runs, which values of which columns changed.

    Parameters
    ----------
    full : Output
        The output on all rows.
    columns : list of str
        Those that are compared.
    rtol : float
        See :func:`differs`.
    """

    def __init__(self, full: Output, columns: list[str], rtol: float) -> None:
        self.full = full
        self.columns = columns
        self.rtol = rtol
        self.size = {name: typical_size(full.columns[name]) for name in columns}
        self.found: dict[str, Difference] = {}
        self.missing: dict[str, int] = {}

    def add(self, other: Output, rows: Aligned, bar: int) -> None:
        """Compare one more output."""
        for name in self.columns:
            if name not in other.columns:
                self.missing.setdefault(name, bar)
                continue
            ours, theirs = self.full.columns[name][rows.rows], other.columns[name][rows.others]
            bad = np.flatnonzero(differs(ours, theirs, self.rtol, self.size[name]))
            if not len(bad):
                continue
            difference = self.found.setdefault(name, Difference(np.zeros(self.full.n, dtype=bool)))
            difference.rows[rows.rows[bad]] = True
            difference.runs += 1
            difference.worst = max(difference.worst, _worst(ours[bad], theirs[bad], self.size[name]))
            row, other_row = int(rows.rows[bad[-1]]), int(rows.others[bad[-1]])
            place = Place(row, other_row, bar, self.full.text(name, row), other.text(name, other_row))
            difference.places = [*difference.places, place][-KEPT:]


def _worst(a: NDArray[Any], b: NDArray[Any], size: float) -> float:
    """The largest relative change; infinite where a value came or went."""
    if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return float("inf")
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        change = np.abs(x - y) / np.maximum(np.maximum(np.abs(x), np.abs(y)), size)
    return float(np.where(np.isfinite(change), change, np.inf).max())
