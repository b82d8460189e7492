"""What every splitter is: frozen configuration that lays out blocks of time and makes a plan of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ParameterError, SplitError
from tradewright.panel.durations import parse_duration
from tradewright.splitting.layout import Axis, Layout, embargo_limits, is_duration, resolve_count
from tradewright.splitting.plan import PlanTable, SplitPlan

__all__ = ["BaseSplitter", "Closed", "OnEmpty", "Size"]

#: A number of distinct timestamps, a fraction of them, or a duration.
Size = int | float | str | timedelta
Closed = Literal["both", "left"]
OnEmpty = Literal["raise", "skip", "keep"]


class BaseSplitter(ABC):
    """A splitter: frozen, comparable, picklable, clone-able, and a scikit-learn splitter itself.

    Subclasses are frozen dataclasses that fill in :meth:`_layout`; the rules of purging and embargo are the same for all.
    """

    __slots__ = ()

    # Declared by every subclass, as dataclass fields.
    embargo: Size
    val_size: Size
    closed: Closed
    on_empty: OnEmpty
    _kind: ClassVar[str]

    @abstractmethod
    def _layout(self, axis: Axis) -> Layout:
        """Lay out the blocks of every fold on these timestamps."""

    def plan(self, data: Any, *, label_end: Any = None, asset: Any = None) -> SplitPlan:
        """Make the plan of a panel, or of times.

        Parameters
        ----------
        data : Panel or array-like of times, shape (n_rows,)
            Rows in any order; several rows may share a timestamp. Without label ends (in the panel, or given) a label ends
            at its row's time and nothing is purged.
        label_end : array-like, shape (n_rows,), optional
            When each label is known; replaces the panel's.
        asset : array-like, optional
            Accepted for symmetry; purging is across all assets.

        Returns
        -------
        SplitPlan

        Raises
        ------
        EmptyTrainError, SplitError
            A fold without train rows, with the counts; data too short for the folds.
        DataError
            A label that ends before its row (with the row), lengths that differ, no rows.

        Notes
        -----
        O(n) for sorted rows, in parallel, without a copy; unsorted rows are sorted once.
        """
        del asset
        axis = Axis.read(data, label_end)
        layout = self._layout(axis)
        table = _assign(axis, layout, self.closed, self.on_empty)
        return SplitPlan(
            table,
            len(axis.core),
            axis.core.order,
            splitter=self.to_dict(),
            data_fingerprint=getattr(data, "fingerprint", None),
            time=axis.core.times,
            label_end=axis.core.label_ends,
            time_unit=axis.unit,
            time_zone=axis.zone,
        )

    # --- scikit-learn ---------------------------------------------------------------------------------------------

    def split(
        self, X: Any, y: Any = None, groups: Any = None, *, time: Any = None, label_end: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (train, test) positions, as scikit-learn's splitters do.

        Parameters
        ----------
        X : Panel or array-like, shape (n_rows, …)
            A panel, or data whose DatetimeIndex gives the times.
        y, groups : ignored
        time, label_end : array-like, shape (n_rows,), optional
            Times and label ends of the rows.
        """
        del y, groups
        yield from self.plan(_times_of(X, time), label_end=label_end).split()

    def get_n_splits(
        self, X: Any = None, y: Any = None, groups: Any = None, *, time: Any = None, label_end: Any = None
    ) -> int:
        """Return how many splits :meth:`split` yields for the same arguments."""
        del y, groups
        fixed = getattr(self, "n_splits", None)
        if X is None and time is None:
            if fixed is None or self.on_empty == "skip":
                raise SplitError(
                    "how many splits there are depends on the data: pass X with a DatetimeIndex, or time=",
                    code="split.n_splits",
                )
            return int(fixed)
        return len(self.plan(_times_of(X, time), label_end=label_end))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the configuration by name."""
        del deep
        return {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]

    def with_params(self, **params: Any) -> Self:
        """Return a splitter with some parameters replaced; a splitter itself never changes."""
        return replace(self, **params)  # type: ignore[type-var]

    # --- JSON -----------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the class under ``"splitter"``."""
        return {"splitter": type(self).__name__} | {name: _plain(value) for name, value in self.get_params().items()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> BaseSplitter:
        """Build from :meth:`to_dict`."""
        params = dict(values)
        name = params.pop("splitter", None)
        for cls in BaseSplitter.__subclasses__():
            if cls.__name__ == name:
                return cls(**params)
        raise ParameterError(f"no splitter is called {name!r}", code="parameter.splitter", name=name)

    def _check_common(self) -> None:
        """Refuse parameters that no data could make right; called by every subclass when built."""
        _one_of("closed", self.closed, ("both", "left"))
        _one_of("on_empty", self.on_empty, ("raise", "skip", "keep"))
        for name in ("embargo", "val_size"):
            check_size(getattr(self, name), name)


def check_size(value: Any, name: str) -> None:
    """Refuse what is neither a count, a fraction nor a duration."""
    if is_duration(value):
        parse_duration(value, name=name)
    else:
        resolve_count(value, 0, name=name)


def check_n_splits(value: Any, least: int) -> None:
    """Refuse a number of splits that is no number or too small."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ParameterError(f"n_splits={value!r}: pass an integer of at least {least}", code="parameter.n_splits")


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = " or ".join(map(repr, allowed))
        raise ParameterError(f"{name}={value!r}: pass {choices}", code=f"parameter.{name}", name=name)


def _plain(value: Any) -> Any:
    """A parameter as JSON: timedeltas as elapsed nanoseconds."""
    if isinstance(value, np.integer | np.floating):
        return value.item()
    if is_duration(value) and not isinstance(value, str) and value is not None:
        return f"{parse_duration(value, name='duration').count}ns"
    return value


def _times_of(X: Any, time: Any) -> Any:
    """The times of scikit-learn's arguments: given, a panel's own, or the index."""
    if time is not None:
        return time
    if hasattr(X, "time_unit"):
        return X
    index = getattr(X, "index", None)
    if index is not None and type(index).__name__ == "DatetimeIndex":
        return index
    raise SplitError(
        "a purged split needs to know when each row happened: pass time= (and label_end=), a Panel, or pandas data with "
        "a DatetimeIndex",
        code="split.no_time",
    )


def _assign(axis: Axis, layout: Layout, closed: str, on_empty: Any) -> PlanTable:
    """Let the core give every row its role."""
    spans = [(span, fold) for fold, item in enumerate(layout.folds) for span in item.tests]
    tests = np.array([span for span, _ in spans], dtype=np.int64).reshape(-1, 2)
    limits, by_instant = embargo_limits(axis, layout, tests)
    folds = np.array([fold for _, fold in spans], dtype=np.int64)
    vals = np.array([item.val for item in layout.folds], dtype=np.int64).reshape(-1, 2)
    pools = np.array([item.pool for item in layout.folds], dtype=np.int64).reshape(-1, 2)

    def run(windows: NDArray[np.int64] | None, windows_by_instant: bool, empty: Any) -> PlanTable:
        columns = axis.core.plan(
            tests,
            folds,
            vals,
            pools,
            embargo=layout.embargo_side,
            limits=limits,
            by_instant=by_instant,
            windows=windows,
            windows_by_instant=windows_by_instant,
            closed_left=closed == "left",
            on_empty=empty,
        )
        return PlanTable(*columns)

    if layout.window is None:
        return run(None, False, on_empty)
    if not is_duration(layout.window):
        count = resolve_count(layout.window, axis.count, name="train_size")
        return run(np.full(len(pools), count, dtype=np.int64), False, on_empty)
    # A window of time ends with the last row that purging leaves, so purging comes first.
    whole = run(None, False, "keep")
    since = np.full(len(pools), np.iinfo(np.int64).max, dtype=np.int64)
    for fold in range(len(pools)):
        train = whole.ranges(fold, "train")
        if len(train):
            last = int(axis.core.times[train[-1, 1] - 1])
            since[fold] = axis.shift(last, layout.window, sign=-1, name="train_size") + 1
    return run(since, True, on_empty)
