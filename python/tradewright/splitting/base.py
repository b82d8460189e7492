"""What every splitter is: frozen configuration that lays out blocks of time and makes a plan of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ParameterError, SplitError, UnsupportedError
from tradewright.splitting.assign import assign_roles
from tradewright.splitting.layout import Axis, Layout, n_rows
from tradewright.splitting.parameters import (
    Closed,
    OnEmpty,
    PurgeScope,
    Size,
    check_known,
    check_one_of,
    check_size,
    plain_value,
)
from tradewright.splitting.plan import SplitPlan

__all__ = ["BaseSplitter"]


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
    purge_scope: PurgeScope
    on_empty: OnEmpty

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
            The asset of each row, as text or integers; replaces the panel's. Read where ``purge_scope="asset"``;
            elsewhere only its length matters.

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
        ParameterError
            For ``purge_scope="asset"`` without assets.

        Notes
        -----
        O(n) for sorted rows, in parallel, without a copy; unsorted rows are sorted once.
        """
        return self._plan_on(Axis.read(data, label_end, asset, by_asset=self.purge_scope == "asset"), data)

    def plan_on(self, axis: Axis) -> SplitPlan:
        """Make a plan on times that were read before: many plans of one panel look at its rows once."""
        return self._plan_on(axis, None)

    def _plan_on(self, axis: Axis, data: Any) -> SplitPlan:
        if self.purge_scope == "asset" and not axis.has_assets:
            raise ParameterError(
                "purge_scope='asset' needs to know the asset of each row: pass asset=, or a panel with assets "
                "(scikit-learn: groups=)",
                code="parameter.purge_scope",
                name="purge_scope",
            )
        layout = self._layout(axis)
        table = assign_roles(axis, layout, self)
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
        y : ignored
        groups : array-like, shape (n_rows,), optional
            The asset of each row, where ``purge_scope="asset"`` and ``X`` is no panel; ignored elsewhere.
        time, label_end : array-like, shape (n_rows,), optional
            Times and label ends of the rows. A panel has its own times and takes no others.

        Raises
        ------
        SplitError
            Without times; when ``time`` and ``X`` have different numbers of rows; and as :meth:`plan` does.
        ParameterError
            For a panel together with ``time``.
        """
        del y
        yield from self._plan_of(X, time, label_end, groups).split()

    def get_n_splits(
        self, X: Any = None, y: Any = None, groups: Any = None, *, time: Any = None, label_end: Any = None
    ) -> int:
        """Return how many splits :meth:`split` yields for the same arguments, which it refuses as that does."""
        del y
        fixed = self._fixed_n_splits()
        if X is None and time is None:
            if fixed is None or self.on_empty == "skip":
                raise SplitError(
                    "how many splits there are depends on the data: pass X with a DatetimeIndex, or time=",
                    code="split.n_splits",
                )
            return fixed
        return len(self._plan_of(X, time, label_end, groups))

    def _fixed_n_splits(self) -> int | None:
        """How many splits there are whatever the data; None where it decides."""
        return 1

    def _plan_of(self, X: Any, time: Any, label_end: Any, groups: Any) -> SplitPlan:
        """The plan for scikit-learn's arguments: about the rows of X, all of them and no others."""
        asset = groups if self.purge_scope == "asset" else None
        plan = self.plan(_times_of(X, time), label_end=label_end, asset=asset)
        length = plan.n_rows if X is None else n_rows(X)
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
        check_known(type(self), params)
        return replace(self, **params)  # type: ignore[type-var]

    def get_metadata_routing(self) -> Any:
        """Ask scikit-learn to hand ``time`` and ``label_end`` on to :meth:`split`, wherever metadata is routed.

        So are ``groups``, the assets, where ``purge_scope="asset"``.
        """
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=self)
        for name in ("time", "label_end", *(["groups"] if self.purge_scope == "asset" else [])):
            request.split.add_request(param=name, alias=True)
        return request

    # --- JSON -----------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the class under ``"splitter"``."""
        return {"splitter": type(self).__name__} | {
            name: plain_value(value) for name, value in self.get_params().items()
        }

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
                check_known(cls, params)
                return cls(**params)
        raise ParameterError(f"no splitter is called {name!r}", code="parameter.splitter", name=name)

    def _check_common(self) -> None:
        """Refuse parameters that no data could make right; called by every subclass when built."""
        check_one_of("closed", self.closed, ("both", "left"))
        check_one_of("purge_scope", self.purge_scope, ("all", "asset"))
        check_one_of("on_empty", self.on_empty, ("raise", "skip", "keep"))
        for name in ("embargo", "val_size"):
            check_size(getattr(self, name), name)


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
