"""The table of a plan: what every row of every fold is, as ranges of time order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tradewright._core import Timeline

__all__ = ["PlanTable", "digest_of"]


@dataclass(frozen=True, eq=False, slots=True)
class PlanTable:
    """Half-open ranges in time order, fold by fold, each fold a full cover of the rows. A few kilobytes.

    Parameters
    ----------
    segments : ndarray of int64, shape (k, 4)
        Fold, role, start, stop. Roles are positions in
        ``("train", "val", "test", "purged", "embargoed", "unused")``.
    times : ndarray of int64, shape (k, 2)
        First and last time of each segment.
    hulls : ndarray of int64, shape (j, 6)
        Fold, role (test or val), first row, one past the last, first time, latest label end: what purging looked at.
    layout : ndarray of int64, shape (n_folds,)
        The number each fold had before ``on_empty="skip"`` left some out.
    """

    segments: NDArray[np.int64]
    times: NDArray[np.int64]
    hulls: NDArray[np.int64]
    layout: NDArray[np.int64]
    #: Where the segments of each fold begin, and those of the last one end.
    _borders: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_borders", np.searchsorted(self.segments[:, 0], np.arange(len(self.layout) + 1)))
        for array in (self.segments, self.times, self.hulls, self.layout):
            array.flags.writeable = False

    @classmethod
    def of_core(
        cls, timeline: Timeline, segments: NDArray[np.int64], hulls: NDArray[np.int64], layout: NDArray[np.int64]
    ) -> PlanTable:
        """Look up the times of what the core planned."""
        places = np.concatenate([segments[:, 2], segments[:, 3] - 1])
        times, _ = timeline.at(places)
        return cls(segments, np.column_stack(np.split(times, 2)), hulls, layout)

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return len(self.layout)

    def of_fold(self, fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The segments of one fold, and their times."""
        first, last = self._borders[fold], self._borders[fold + 1]
        return self.segments[first:last], self.times[first:last]


def digest_of(what: str, values: NDArray[Any]) -> str:
    """128 bits of some integers, the same on every machine and for either width."""
    hasher = hashlib.blake2b(f"tradewright {what} ".encode(), digest_size=16)
    hasher.update(np.ascontiguousarray(values, dtype="<i8").data)
    return hasher.hexdigest()
