"""What every splitter is: frozen configuration that lays out blocks of time and makes a plan of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError, ParameterError, SplitError, UnsupportedError
from tradewright.panel.durations import parse_duration
from tradewright.splitting.layout import (
    Axis,
    Layout,
    embargo_limits,
    is_duration,
    resolve_count,
    validation_sizes,
)
from tradewright.splitting.plan import PlanTable, SplitPlan

__all__ = ["BaseSplitter", "Closed", "OnEmpty", "Size"]

#: A number of distinct timestamps, a fraction of them, or a duration.
Size = int | float | str | timedelta
Closed = Literal["both", "left"]
OnEmpty = Literal["raise", "skip", "keep"]


class BaseSplitter(ABC):
    """A splitter: frozen, comparable, picklable, clone-able, and a scikit-learn splitter itself.

    Subclasses are frozen dataclasses that fill in :meth:`_layout`; the rules of purging and embargo are the same for
    all.
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
        data : Panel, array-like of times, shape (n_rows,), or pandas frame with a DatetimeIndex
            Rows in any order; several rows may share a timestamp. Without label ends (in the panel, or given) a label
            ends at its row's time and nothing is purged.
        label_end : array-like, shape (n_rows,), optional
            When each label is known; replaces the panel's.
        asset : array-like, shape (n_rows,), optional
            Accepted so that a call can name all it knows; purging is across all assets, so only its length matters.

        Returns
        -------
        SplitPlan

        Raises
        ------
        EmptyTrainError, SplitError
            A fold without train rows, with the counts; data too short for the folds; a frame that does not say which
            column is the time.
        DataError
            A label that ends before its row (with the row), lengths that differ, no rows.

        Notes
        -----
        O(n) for sorted rows, in parallel, without a copy; unsorted rows are sorted once.
        """
        return self._plan_on(_axis_of(data, label_end, asset), data)

    def plan_on(self, axis: Axis) -> SplitPlan:
        """Make a plan on times that were read before: many plans of one panel look at its rows once."""
        return self._plan_on(axis, None)

    def _plan_on(self, axis: Axis, data: Any) -> SplitPlan:
        layout = self._layout(axis)
        table = _assign(axis, layout, self)
        return SplitPlan(
            table,
            axis.core.rows,
            axis.order,
            splitter=self.to_dict(),
            panel=data if hasattr(type(data), "fingerprint") else None,
            timeline=axis.core,
            time_unit=axis.unit,
            time_zone=axis.zone,
            has_label_ends=axis.has_label_ends,
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
            Times and label ends of the rows. A panel has its own times and takes no others.

        Raises
        ------
        SplitError
            Without times; when ``time`` and ``X`` have different numbers of rows; and as :meth:`plan` does.
        ParameterError
            For a panel together with ``time``.
        """
        del y, groups
        yield from self._plan_of(X, time, label_end).split()

    def get_n_splits(
        self, X: Any = None, y: Any = None, groups: Any = None, *, time: Any = None, label_end: Any = None
    ) -> int:
        """Return how many splits :meth:`split` yields for the same arguments, which it refuses as that does."""
        del y, groups
        fixed = getattr(self, "n_splits", None)
        if X is None and time is None:
            if fixed is None or self.on_empty == "skip":
                raise SplitError(
                    "how many splits there are depends on the data: pass X with a DatetimeIndex, or time=",
                    code="split.n_splits",
                )
            return int(fixed)
        return len(self._plan_of(X, time, label_end))

    def _plan_of(self, X: Any, time: Any, label_end: Any) -> SplitPlan:
        """The plan for scikit-learn's arguments: about the rows of X, all of them and no others."""
        plan = self.plan(_times_of(X, time), label_end=label_end)
        length = plan.n_rows if X is None else _n_rows(X)
        if length != plan.n_rows:
            raise SplitError(
                f"time has {plan.n_rows:,} rows, X has {length:,}: pass one time per row of X",
                code="split.length",
                got=length,
                expected=plan.n_rows,
            )
        return plan

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the configuration by name."""
        del deep
        return {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]

    def set_params(self, **params: Any) -> Self:
        """Refuse to change parameters: a splitter is frozen; use :meth:`with_params`.

        scikit-learn calls this for what it changes in place, as in ``search.set_params(cv__embargo=5)``, and goes on
        with the object it has; handing back a changed copy would lose the change.

        Returns
        -------
        BaseSplitter
            This splitter, when there is nothing to set.

        Raises
        ------
        UnsupportedError
            When there is.
        """
        if params:
            shown = ", ".join(f"{name}={value!r}" for name, value in params.items())
            raise UnsupportedError(
                f"a splitter is frozen: pass cv=splitter.with_params({shown}) instead of setting parameters in place",
                code="split.frozen",
            )
        return self

    def with_params(self, **params: Any) -> Self:
        """Return a splitter with some parameters replaced.

        Raises
        ------
        ParameterError
            For a name the splitter does not have, or a value it does not allow.
        """
        _known(type(self), params)
        return replace(self, **params)  # type: ignore[type-var]

    def get_metadata_routing(self) -> Any:
        """Ask scikit-learn to hand ``time`` and ``label_end`` on to :meth:`split`, wherever metadata is routed."""
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=self)
        for name in ("time", "label_end"):
            request.split.add_request(param=name, alias=True)
        return request

    # --- JSON -----------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the class under ``"splitter"``."""
        return {"splitter": type(self).__name__} | {name: _plain(value) for name, value in self.get_params().items()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> BaseSplitter:
        """Build from :meth:`to_dict`.

        Raises
        ------
        ParameterError
            For a splitter, a parameter or a value that does not exist.
        """
        params = dict(values)
        name = params.pop("splitter", None)
        for cls in BaseSplitter.__subclasses__():
            if cls.__name__ == name:
                _known(cls, params)
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


def _known(cls: type[BaseSplitter], params: dict[str, Any]) -> None:
    """Refuse parameters that a splitter does not have."""
    names = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    for name in params:
        if name not in names:
            raise ParameterError(
                f"{cls.__name__} has no parameter {name!r}: it has {', '.join(names)}",
                code="parameter.unknown",
                name=name,
            )


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
    if hasattr(X, "time_unit"):
        if time is not None:
            raise ParameterError(
                "a Panel has its own time and label ends: leave time= out, or pass its matrix as X with time= and "
                "label_end=",
                code="split.panel_and_time",
            )
        return X
    if time is not None:
        return time
    index = getattr(X, "index", None)
    if index is not None and type(index).__name__ == "DatetimeIndex":
        return index
    raise SplitError(
        "a purged split needs to know when each row happened: pass time= (and label_end=), a Panel, or pandas data "
        "with a DatetimeIndex",
        code="split.no_time",
    )


def _n_rows(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _axis_of(data: Any, label_end: Any, asset: Any) -> Axis:
    axis = Axis.read(data, label_end)
    if asset is not None and len(asset) != axis.core.rows:
        raise DataError(
            f"asset has {len(asset):,} rows, time has {axis.core.rows:,}: pass one asset per row",
            code="data.length_mismatch",
            got=len(asset),
            expected=axis.core.rows,
        )
    return axis


def _assign(axis: Axis, layout: Layout, splitter: BaseSplitter) -> PlanTable:
    """Let the core give every row its role."""
    count, limits = embargo_limits(axis, layout, splitter.embargo)
    sizes = validation_sizes(axis, layout, splitter.val_size)

    def run(window: int | None, instants: NDArray[np.int64] | None, on_empty: OnEmpty) -> PlanTable:
        columns = axis.core.plan(
            layout.tests,
            layout.pools,
            sizes,
            embargo_after=layout.embargo_side == "after",
            embargo=count,
            embargo_instants=limits,
            window=window,
            window_instants=instants,
            closed_left=splitter.closed == "left",
            on_empty=on_empty,
        )
        return PlanTable.of_core(axis.core, *columns)

    if layout.window is None:
        return run(None, None, splitter.on_empty)
    if not is_duration(layout.window):
        return run(resolve_count(layout.window, axis.count, name="train_size"), None, splitter.on_empty)
    # A window of time ends with the last row that purging leaves, so purging comes first.
    whole = run(None, None, "keep")
    train = whole.segments[whole.segments[:, 1] == 0]
    last = np.full(len(layout.pools), np.iinfo(np.int64).max, dtype=np.int64)
    ends, _ = axis.core.at(np.ascontiguousarray(train[:, 3] - 1))
    last[train[:, 0]] = ends  # ascending, so the latest segment of a fold stays
    return run(None, axis.shift(last, layout.window, sign=-1, name="train_size", whole=True), splitter.on_empty)
