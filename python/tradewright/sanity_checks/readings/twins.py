"""The search for rows that are equal, or nearly so, in every feature."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import Side

__all__ = ["ArrayTwins", "PanelTwins", "grid_of"]

Positions = NDArray[np.int64]
Pairs = tuple[Positions, Positions]
#: Centres and steps by column, and the shift in steps.
Grid = tuple[NDArray[np.float64], NDArray[np.float64], float]

#: Rows from which the scale of a column is taken; it need not be exact.
SCALE_ROWS = 20_000


def grid_of(columns: Sequence[NDArray[Any]], epsilon: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and ``epsilon`` interquartile ranges of each column, from evenly spaced rows.

    A column whose middle half is one value is scaled by its deviation, and a constant one by its size.
    """
    centres, steps = np.zeros(len(columns)), np.ones(len(columns))
    for j, column in enumerate(columns):
        if column.dtype.kind != "f":
            continue
        values = column[:: max(1, len(column) // SCALE_ROWS)].astype(np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        low, centres[j], high = np.quantile(values, [0.25, 0.5, 0.75])
        with np.errstate(over="ignore"):
            scales = (high - low, values.std(), abs(centres[j]), 1.0)
        scale = next(scale for scale in scales if scale > 0 and np.isfinite(scale))
        steps[j] = max(epsilon * scale, 1e-290)
    return centres, steps


def _searches(columns: Sequence[NDArray[Any]], epsilon: float) -> list[dict[str, Any]]:
    """The keywords of the searches that find near rows; none where no column has fractions."""
    if not any(column.dtype.kind == "f" for column in columns):
        return []
    centres, steps = grid_of(columns, epsilon)
    singles: list[dict[str, Any]] = [{"single": True}] if _is_double(columns) else []
    return [*({"grid": (centres, steps, shift)} for shift in (0.0, 0.5)), *singles]


def _is_double(columns: Sequence[NDArray[Any]]) -> bool:
    """Whether any column has more digits than single precision."""
    return any(column.dtype == np.float64 for column in columns)


def _without(found: Sequence[Pairs], exact: Positions) -> Pairs:
    """All pairs once by their first row, ascending, but those whose first row is one of ``exact``."""
    rows = np.concatenate([rows for rows, _ in found]) if found else np.empty(0, np.int64)
    others = np.concatenate([others for _, others in found]) if found else np.empty(0, np.int64)
    rows, first = np.unique(rows, return_index=True)
    new = ~np.isin(rows, exact, assume_unique=True)
    return rows[new], others[first[new]]


def _wide(pairs: tuple[NDArray[Any], NDArray[Any]]) -> Pairs:
    return pairs[0].astype(np.int64), pairs[1].astype(np.int64)


@final
@dataclass(frozen=True, eq=False)
class ArrayTwins:
    """Equal rows of two frames: the validation frame is indexed, the train frame streamed; no copy of either.

    Each search is made once, when it is first asked for.
    """

    _found: dict[Hashable, Any] = field(default_factory=dict)

    def _once(self, key: Hashable, search: Callable[[], Any]) -> Any:
        if key not in self._found:
            self._found[key] = search()
        return self._found[key]

    def cross(self, train: Side, val: Side) -> Pairs:
        """See :class:`Twins`."""
        left, right = list(train.columns.values()), list(val.columns.values())
        found: Pairs = self._once(("cross", train, val), lambda: _wide(_core.cross_duplicates(left, right)))
        return found

    def groups(self, side: Side) -> Pairs:
        """See :class:`Twins`."""
        columns = list(side.columns.values())
        found: Pairs = self._once(("groups", side), lambda: _wide(_core.duplicate_rows(columns)))
        return found

    def within(self, side: Side) -> int:
        """See :class:`Twins`."""
        return len(self.groups(side)[0])

    def near(self, train: Side, val: Side, epsilon: float) -> Pairs:
        """See :class:`Twins`; three more passes over both frames."""
        left, right = list(train.columns.values()), list(val.columns.values())
        found = [_wide(_core.cross_duplicates(left, right, **search)) for search in _searches(left, epsilon)]
        return _without(found, self.cross(train, val)[0])

    def single(self, side: Side) -> Pairs:
        """See :class:`Twins`; another pass."""
        columns = list(side.columns.values())
        if not _is_double(columns):
            return self.groups(side)
        found: Pairs = self._once(("single", side), lambda: _wide(_core.duplicate_rows(columns, single=True)))
        return found

    def near_within(self, side: Side, epsilon: float) -> int:
        """See :class:`Twins`."""
        columns = list(side.columns.values())
        found = [_wide(_core.duplicate_rows(columns, **search)) for search in _searches(columns, epsilon)]
        return len(_without(found, self.groups(side)[0])[0])


@final
@dataclass(frozen=True, eq=False)
class PanelTwins:
    """Equal rows of one panel: found once, then only rows that have a twin are looked at, fold by fold."""

    columns: tuple[NDArray[Any], ...]
    _near: dict[float, list[Pairs]] = field(default_factory=dict)

    @cached_property
    def _groups(self) -> Pairs:
        """Rows that have a twin, ascending, and the first row of the group of each."""
        return _wide(_core.duplicate_rows(self.columns))

    @cached_property
    def _single(self) -> Pairs:
        """The same with all values rounded to single precision."""
        return _wide(_core.duplicate_rows(self.columns, single=True)) if _is_double(self.columns) else self._groups

    def _near_groups(self, epsilon: float) -> list[Pairs]:
        """The same for rows that share a cell of a grid, or a float32 row."""
        if epsilon not in self._near:
            searches = _searches(self.columns, epsilon)
            self._near[epsilon] = [
                self._single if "single" in search else _wide(_core.duplicate_rows(self.columns, **search))
                for search in searches
            ]
        return self._near[epsilon]

    def cross(self, train: Side, val: Side) -> Pairs:
        """See :class:`Twins`."""
        return _meeting(self._groups, train, val)

    def groups(self, side: Side) -> Pairs:
        """See :class:`Twins`."""
        return _repeated(self._groups, side)

    def within(self, side: Side) -> int:
        """See :class:`Twins`."""
        return len(self.groups(side)[0])

    def near(self, train: Side, val: Side, epsilon: float) -> Pairs:
        """See :class:`Twins`."""
        found = [_meeting(groups, train, val) for groups in self._near_groups(epsilon)]
        return _without(found, self.cross(train, val)[0])

    def single(self, side: Side) -> Pairs:
        """See :class:`Twins`."""
        return _repeated(self._single, side)

    def near_within(self, side: Side, epsilon: float) -> int:
        """See :class:`Twins`."""
        found = [_repeated(groups, side) for groups in self._near_groups(epsilon)]
        return len(_without(found, self.groups(side)[0])[0])


def _on(groups: Pairs, side: Side) -> Pairs:
    """The rows with a twin that stand on this side, and their groups."""
    rows, names = groups
    if side.rows is None or not len(rows):
        return groups
    here = side.rows.mask()[rows]
    return rows[here], names[here]


def _meeting(groups: Pairs, train: Side, val: Side) -> Pairs:
    """Rows of val whose group has a row in train, and the first such row."""
    (rows, names), (val_rows, val_names) = _on(groups, train), _on(groups, val)
    if not len(rows) or not len(val_rows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    known, first = np.unique(names, return_index=True)  # rows ascend: the first of a group is its earliest
    at = np.minimum(np.searchsorted(known, val_names), len(known) - 1)
    found = known[at] == val_names
    return val_rows[found], rows[first[at[found]]]


def _repeated(groups: Pairs, side: Side) -> Pairs:
    """Rows of a side whose group has another row of it."""
    rows, names = _on(groups, side)
    if side.rows is None:
        return rows, names
    _, place, counts = np.unique(names, return_inverse=True, return_counts=True)
    again = counts[place] > 1
    return rows[again], names[again]
