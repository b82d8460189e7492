"""What a check is, and what it is shown."""

from __future__ import annotations

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tradewright.panel.scan import ScannedColumns
from tradewright.panel.times import format_time
from tradewright.sanity_checks.declared import NOTHING, Declared
from tradewright.sanity_checks.report import Example, Finding

if TYPE_CHECKING:
    from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
    from tradewright.sanity_checks.readings.profiles import ColumnProfile, Moments
    from tradewright.splitting import Rows

__all__ = ["CannotRun", "Check", "CheckContext", "Profiles", "Side", "Twins"]

#: No finding lists more examples than this.
MAX_EXAMPLES = 10


class CannotRun(Exception):  # noqa: N818  not an error: the check is listed as skipped, with this reason
    """Raised by a check that lacks what it needs; the report lists the check as skipped with the reason."""


@dataclass(frozen=True, eq=False)
class Side:
    """The rows that stand on one side of a split, as columns; nothing is taken before it is asked for.

    Positions are the caller's: rows of the panel, or of the arrays of this side.

    Parameters
    ----------
    name : str
        What the caller calls these rows: ``"panel"``, ``"X_train"``, ``"X_val"``.
    columns : mapping of str to ndarray, shape (n,)
        The features of all n rows of the source.
    y, time, label_end, asset : ndarray or None, shape (n,)
        Labels; times and label ends as int64 in ``time_unit``; assets as codes into ``asset_names``.
    rows : Rows or None
        The rows of the source that belong to this side; None for all.
    available_at : ndarray or None, shape (n,)
        When the features of each row were known, as int64 in ``time_unit``.
    returns : ndarray or None, shape (n,)
        What a position taken at each row earns until the next.
    blocks : FoldBlocks or None
        The atomic blocks of the plan that ``rows`` is a role of: what adds up over rows is then added up by blocks.
    """

    name: str
    columns: Mapping[str, NDArray[Any]]
    y: NDArray[Any] | None = None
    time: NDArray[np.int64] | None = None
    label_end: NDArray[np.int64] | None = None
    asset: NDArray[Any] | None = None
    rows: Rows | None = None
    time_unit: str = "bar"
    asset_names: tuple[str, ...] = ()
    available_at: NDArray[np.int64] | None = None
    returns: NDArray[np.float64] | None = None
    blocks: FoldBlocks | None = None

    def __len__(self) -> int:
        if self.rows is not None:
            return len(self.rows)
        for values in itertools.chain((self.y, self.time), self.columns.values()):  # columns of a file are read last
            if values is not None:
                return len(values)
        return 0

    def kinds(self) -> list[str]:
        """Return the kind of each column as numpy has it; those of a file are not read for it."""
        if isinstance(self.columns, ScannedColumns):
            return [self.columns.kind(name) for name in self.columns]
        return [values.dtype.kind for values in self.columns.values()]

    def take(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return this side's part of an array over the source, in the order of :meth:`positions`.

        A view where the rows are one range of sorted rows, or all.
        """
        if self.rows is None:
            return values
        taken: NDArray[Any] = self.rows.take(values)
        return taken

    def positions(self) -> NDArray[np.int64]:
        """Return the caller's row number of each row of this side, ascending."""
        if self.rows is not None:
            return self.rows.indices()
        return np.arange(len(self), dtype=np.int64)

    @cached_property
    def in_blocks(self) -> NDArray[np.bool_]:
        """Whether each block of the plan is of this side."""
        assert self.blocks is not None
        return np.ones(len(self.blocks), dtype=bool) if self.rows is None else self.blocks.within(self.rows)

    def needs_time(self) -> NDArray[np.int64]:
        """Return the times of the source's rows, or say that there are none."""
        if self.time is None:
            raise CannotRun("there are no times: pass time_train and time_val, or a DatetimeIndex")
        return self.time

    def example(self, position: int, **others: Any) -> Example:
        """Describe one row for people; ``position`` is the caller's."""
        asset = time = None
        if self.asset is not None:
            code = self.asset[position]
            asset = self.asset_names[int(code)] if self.asset_names else str(code)
        if self.time is not None:
            time = format_time(self.time[position], self.time_unit)
        return Example(source=self.name, row=int(position), asset=asset, time=time, **others)

    def examples(self, positions: Iterable[int]) -> tuple[Example, ...]:
        """Describe the first few of some rows."""
        return tuple(self.example(position) for position, _ in zip(positions, range(MAX_EXAMPLES), strict=False))


class Twins(Protocol):
    """Which rows are equal in every feature; computed once and shared by the checks and the folds of a plan."""

    def cross(self, train: Side, val: Side) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of val rows that equal a train row, ascending, and of the first such train row."""
        ...

    def within(self, side: Side) -> int:
        """How many rows of a side equal another row of it."""
        ...

    def groups(self, side: Side) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the rows of a side that equal another row of it, ascending, and a name of the group of each."""
        ...

    def near(self, train: Side, val: Side, epsilon: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of val rows that nearly equal a train row and equal none, ascending, and such a train row."""
        ...

    def near_within(self, side: Side, epsilon: float) -> int:
        """How many rows of a side nearly equal another row of it and equal none."""
        ...

    def single(self, side: Side) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same as ``groups`` with all values rounded to single precision."""
        ...


class Profiles(Protocol):
    """What the columns hold; read once and shared by the checks and the folds of a plan."""

    def of(self, side: Side) -> ColumnProfile:
        """Return the profile of the columns over the rows of a side."""
        ...

    def few(self, side: Side) -> NDArray[np.bool_]:
        """Return whether each column takes few values, many times each; perhaps judged over more rows."""
        ...

    def moments(self, side: Side) -> Moments:
        """Return count, range, mean and spread of each column over the rows of a side."""
        ...

    def missing(self, side: Side) -> NDArray[np.int64]:
        """Return how many cells of each column are missing in the rows of a side."""
        ...

    def pooled(self, train: Side, val: Side) -> Moments:
        """Return the same over all rows that a preprocessing step may have seen."""
        ...


@dataclass(frozen=True, eq=False)
class CheckContext:
    """All that a check may look at.

    Parameters
    ----------
    train : Side
        The rows a model would be fitted on.
    val : Side or None
        The rows it would be judged on; None for checks of one set of rows.
    twins : Twins
        The search for equal rows.
    profiles : Profiles
        What the columns hold.
    horizon : int, str or None
        The declared label horizon; 0 says that a label ends at its own time.
    closed : {"both", "left"}
        Whether label intervals that only touch count as overlapping.
    purge_scope : {"all", "asset"}
        Whether labels are held against those of all assets, or of their own alone, as the plan was made.
    declared : Declared
        What the caller says about the data.
    fold : int or None
        The fold these rows belong to, and ``against``: which part of it ``val`` is.
    """

    train: Side
    val: Side | None
    twins: Twins
    profiles: Profiles
    horizon: int | str | None = None
    closed: Literal["both", "left"] = "both"
    purge_scope: Literal["all", "asset"] = "all"
    declared: Declared = NOTHING
    fold: int | None = None
    against: str | None = None

    def needs_val(self) -> Side:
        """Return the validation side, or say that there is none."""
        if self.val is None or len(self.val) == 0:
            raise CannotRun("there are no validation rows: pass X_val, or a plan")
        if len(self.train) == 0:
            raise CannotRun("there are no train rows")
        return self.val

    def needs_times(self) -> tuple[Side, Side]:
        """Return the train and the validation side, or say that there is none, or no times."""
        val, train = self.needs_val(), self.train
        train.needs_time()
        val.needs_time()
        return train, val

    def needs_features(self) -> Side:
        """Return the train side, or say that it has no features or no rows."""
        if not self.train.columns:
            raise CannotRun("there are no features")
        if len(self.train) == 0:
            raise CannotRun("there are no rows")
        return self.train

    def needs_profile(self) -> tuple[Side, ColumnProfile]:
        """Return the train side and the profile of its columns, or say that it has none."""
        train = self.needs_features()
        return train, self.profiles.of(train)

    def finding(self, check: Check, severity: Literal["info", "warning", "error"], **facts: Any) -> Finding:
        """Build a finding of a check on these rows."""
        return Finding(
            id=check.id, severity=severity, fold=self.fold, against=self.against, taxonomy=check.taxonomy, **facts
        )


@dataclass(frozen=True)
class Check(ABC):
    """One question asked of the data. Thresholds are dataclass fields, and so part of the report.

    Attributes
    ----------
    id : str
        A stable name, such as ``"dup.cross_exact"``.
    severity : {"info", "warning", "error"}
        The highest severity a finding can have.
    taxonomy : str or None
        The class of leak after Kapoor & Narayanan (2023), such as ``"L1.4"``.
    suites : tuple of str
        The suites that hold the check.
    scope : {"rows", "pair"}
        Whether it looks at one set of rows (run once, on all rows of a plan) or at train against validation rows
        (run for every fold).
    in_batches : bool
        Whether it needs no more than the profile of the columns and a few columns one by one, so that it can look at a
        file that does not fit into memory.
    by_default : bool
        Whether ``suite="all"`` holds it; else it runs where it is named.
    """

    id: ClassVar[str]
    severity: ClassVar[Literal["info", "warning", "error"]]
    taxonomy: ClassVar[str | None] = None
    suites: ClassVar[tuple[str, ...]]
    scope: ClassVar[Literal["rows", "pair"]]
    in_batches: ClassVar[bool] = False
    by_default: ClassVar[bool] = True

    @abstractmethod
    def run(self, context: CheckContext) -> list[Finding]:
        """Return what was found; raise :class:`CannotRun` when the context lacks what is needed."""

    def samples(self, context: CheckContext) -> bool:
        """Return whether it looks at a sample of these rows only; its findings say so too."""
        return False

    def config(self) -> dict[str, Any]:
        """Return the thresholds by name."""
        return dataclasses.asdict(self)
