"""The plan: what every row of every fold is, as a small immutable table of ranges."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ParameterError, SplitError
from tradewright.panel.times import as_datetimes, format_time
from tradewright.splitting import paths, plan_json
from tradewright.splitting.explain import explain_row
from tradewright.splitting.fold import ROLES, Fold
from tradewright.splitting.rows import Rows, index_arrays
from tradewright.splitting.table import PlanTable, digest_of

if TYPE_CHECKING:
    import polars as pl

    from tradewright._core import Timeline

__all__ = ["SplitPlan"]

#: Of the digest, which is stamped into bundles.
_SCHEMA = 1


class SplitPlan:
    """The folds of a split; made by a splitter's ``plan``.

    A plan is a scikit-learn splitter over the rows it was made from (``cv=plan``), iterates as (train, test) pairs of
    :class:`Rows`, and is indexed as :class:`Fold` objects. It is immutable and pickles to kilobytes (four or
    eight bytes a row more where rows don't come sorted): times and label ends, which :meth:`explain` reads, stay
    behind.

    Attributes
    ----------
    n_rows : int
        How many rows the plan is about.
    order : ndarray of int32 or int64, or None
        The caller's position of each row in time order; None when the caller's rows are sorted by time.
    table : PlanTable
        The ranges of all folds.
    splitter : dict
        The configuration the plan was made with.
    has_label_ends : bool
        Whether it was known when labels end; without, nothing could be purged.

    Examples
    --------
    >>> import numpy as np
    >>> from tradewright.splitting import PurgedKFold
    >>> days = np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")
    >>> plan = PurgedKFold(n_splits=3).plan(days, label_end=days + 2)
    >>> print(plan)
    SplitPlan of 30 rows in 3 folds by PurgedKFold(n_splits=3)
    fold  train  val  test  purged  embargoed  unused  test from   test to
       0     18    0    10       2          0       0  2024-01-01  2024-01-10
       1     16    0    10       4          0       0  2024-01-11  2024-01-20
       2     18    0    10       2          0       0  2024-01-21  2024-01-30
    >>> print(plan.explain(row=9, fold=1))
    purged: its label ends 2024-01-12, the test starts 2024-01-11
    """

    def __init__(
        self,
        table: PlanTable,
        n_rows: int,
        order: NDArray[Any] | None = None,
        *,
        splitter: dict[str, Any] | None = None,
        data_fingerprint: str | None = None,
        panel: Any = None,
        timeline: Timeline | None = None,
        time_unit: str = "bar",
        time_zone: str | None = None,
        has_label_ends: bool = True,
    ) -> None:
        if order is not None:
            order.flags.writeable = False
        # Past __setattr__, which refuses: a plan is a value.
        self.__dict__.update(
            table=table,
            n_rows=n_rows,
            order=order,
            splitter=dict(splitter or {}),
            time_unit=time_unit,
            time_zone=time_zone,
            has_label_ends=has_label_ends,
            _timeline=timeline,
            _known_fingerprint=data_fingerprint,
            # Known by name only: a plan keeps no panel alive.
            _panel=None if panel is None else weakref.ref(panel),
        )

    if TYPE_CHECKING:  # what __init__ puts there
        table: PlanTable
        n_rows: int
        order: NDArray[Any] | None
        splitter: dict[str, Any]
        time_unit: str
        time_zone: str | None
        has_label_ends: bool
        _timeline: Timeline | None
        _known_fingerprint: str | None
        _panel: weakref.ref[Any] | None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a SplitPlan is immutable: make another plan instead of setting {name!r}")

    # --- folds ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.table.n_folds

    def __getitem__(self, index: int) -> Fold:
        try:
            index = operator.index(index)
        except TypeError:
            raise ParameterError(
                f"plan[{index!r}]: a plan is indexed by the number of one fold; for several take plan.folds[first:last]",
                code="plan.index",
            ) from None
        if not -len(self) <= index < len(self):
            raise IndexError(f"the plan has {len(self)} folds, there is no fold {index}")
        number = index % len(self)
        segments, _ = self.table.of_fold(number)
        sets = {name: self._rows(segments, name) for name in ROLES}
        digest = digest_of(f"fold {self._rows_digest}", segments[:, 1:])
        closed: Literal["both", "left"] = "left" if self.splitter.get("closed") == "left" else "both"
        scope: Literal["all", "asset"] = "asset" if self.splitter.get("purge_scope") == "asset" else "all"
        return Fold(number, **sets, digest=digest, plan_digest=self.digest, closed=closed, purge_scope=scope, plan=self)

    @property
    def data_fingerprint(self) -> str | None:
        """The fingerprint of the panel the plan was made from; taken when first asked for, None if the panel is gone."""
        if self._known_fingerprint is None and self._panel is not None:
            panel = self._panel()
            self.__dict__["_known_fingerprint"] = None if panel is None else panel.fingerprint
        return self._known_fingerprint

    def _rows(self, segments: NDArray[np.int64], role: str) -> Rows:
        """The rows of one role among the segments of a fold."""
        return Rows(segments[segments[:, 1] == ROLES.index(role), 2:], n_rows=self.n_rows, order=self.order)

    def __iter__(self) -> Iterator[tuple[Rows, Rows]]:
        for number in range(len(self)):
            segments, _ = self.table.of_fold(number)
            yield self._rows(segments, "train"), self._rows(segments, "test")

    @property
    def folds(self) -> tuple[Fold, ...]:
        """All folds."""
        return tuple(self[index] for index in range(len(self)))

    # --- scikit-learn ---------------------------------------------------------------------------------------------

    def split(
        self, X: Any = None, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (train, test) positions of the caller's rows.

        Raises
        ------
        SplitError
            When ``X`` has another number of rows than the plan was made for.
        """
        del y, groups
        if X is not None:
            length = X.shape[0] if hasattr(X, "shape") else len(X)
            if length != self.n_rows:
                raise SplitError(
                    f"the plan was made for {self.n_rows:,} rows, X has {length:,}: pass the rows it was made from, in "
                    "the same order",
                    code="split.length",
                    got=length,
                    expected=self.n_rows,
                )
        sets = (rows for pair in self for rows in pair)
        positions = index_arrays(sets, self.n_rows, self.order)
        yield from zip(positions, positions, strict=True)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        del X, y, groups
        return len(self)

    # --- paths of combinatorial splits ----------------------------------------------------------------------------

    @property
    def paths(self) -> NDArray[np.int64]:
        """Which split each backtest path takes each group from, shape (n_paths, n_groups).

        k/N·C(N, k) paths, filled in the order of the splits: path p takes of each group the p-th split that tests it.

        Raises
        ------
        UnsupportedError
            For plans of other splitters than CombinatorialPurgedCV.
        SplitError
            When splits were left out.
        """
        return paths.paths_of(self)

    def assemble_paths(self, predictions: Sequence[Any]) -> NDArray[Any]:
        """Put the predictions of all splits together to paths that each cover every row once.

        Parameters
        ----------
        predictions : sequence of array-like, one per split
            Of the split's test rows in ascending order, as ``model.predict(X[fold.test])`` gives: shape (n_test,), or
            (n_test, …) for several values a row.

        Returns
        -------
        ndarray, shape (n_paths, n_rows, …)
            In the order of the caller's rows; a new array.

        Raises
        ------
        DataError
            When there is not one prediction per split and test row.
        UnsupportedError, SplitError
            As :attr:`paths`.

        Examples
        --------
        >>> import numpy as np
        >>> from tradewright.splitting import CombinatorialPurgedCV
        >>> plan = CombinatorialPurgedCV(n_groups=4, n_test_groups=2).plan(np.arange(8))
        >>> plan.assemble_paths([np.full(len(fold.test), fold.index) for fold in plan.folds])
        array([[0, 0, 0, 0, 1, 1, 2, 2],
               [1, 1, 3, 3, 3, 3, 4, 4],
               [2, 2, 4, 4, 5, 5, 5, 5]])
        """
        return paths.assemble(self, predictions)

    # --- reading --------------------------------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """A 128-bit digest of the roles of all rows, as 32 hex digits: equal plans have equal digests."""
        return digest_of(f"plan {self._rows_digest}", self.table.segments)

    @cached_property
    def _rows_digest(self) -> str:
        """What tells which rows the table is about: their number, and their order where they don't come sorted."""
        order = "sorted" if self.order is None else digest_of("order", self.order)
        return f"{_SCHEMA} {self.n_rows} {order}"

    def to_frame(self) -> pl.DataFrame:
        """Return the table, one row per range in time order.

        Returns
        -------
        polars.DataFrame
            fold, role, start, stop, rows, and the first and last time.
        """
        import polars as pl

        fold, role, start, stop = self.table.segments.T
        first, last = (as_datetimes(np.ascontiguousarray(times), self.time_unit) for times in self.table.times.T)
        return pl.DataFrame(
            {
                "fold": fold,
                "role": pl.Series([ROLES[number] for number in role.tolist()], dtype=pl.Enum(ROLES)),
                "start": start,
                "stop": stop,
                "rows": stop - start,
                "first_time": first,
                "last_time": last,
            }
        )

    def explain(self, row: int, fold: int) -> str:
        """Say what a row is in a fold, and why.

        Parameters
        ----------
        row : int
            The caller's position of the row.
        fold : int
            The number of the fold.

        Raises
        ------
        ParameterError
            When there is no such row or fold.
        SplitError
            When the plan reads the caller's arrays, and they were changed since so that they contradict it.
        """
        if not 0 <= row < self.n_rows:
            raise ParameterError(
                f"row {row} is not one of the {self.n_rows:,} rows of the plan", code="plan.row", row=row
            )
        if not 0 <= fold < len(self):
            raise ParameterError(f"fold {fold} is not one of the {len(self)} folds", code="plan.fold", fold=fold)
        place = row if self.order is None else int(np.flatnonzero(self.order == row)[0])
        label = None
        if self._timeline is not None:
            time, end = self._timeline.at(np.array([place], dtype=np.int64))
            label = int(time[0]), int(end[0])
        segments, times = self.table.of_fold(fold)
        at = int(np.searchsorted(segments[:, 2], place, side="right")) - 1
        hulls = self._hulls_about(place, fold)
        # The plan holds the caller's arrays and not copies, so they can have changed.
        known = label is None or times[at, 0] <= label[0] <= times[at, 1]
        role = ROLES[int(segments[at, 1])]
        told = explain_row(role, place, label, hulls, self.splitter, self.time_unit) if known else None
        if told is None:
            raise SplitError(
                f"row {row}: the times or label ends were changed after the plan was made: plan them anew",
                code="plan.changed",
                row=row,
                fold=fold,
            )
        return told

    def _hulls_about(self, place: int, fold: int) -> NDArray[np.int64]:
        """The hulls of a fold that a row is held against: of its own asset's labels, where the splitter says so."""
        hulls = self.table.hulls[self.table.hulls[:, 0] == fold, 1:]
        if self.splitter.get("purge_scope", "all") == "all" or self._timeline is None or not len(hulls):
            return hulls
        asset = int(self._timeline.asset_at(np.array([place], dtype=np.int64))[0])
        last_times, _ = self._timeline.at(hulls[:, 2] - 1)
        first_times, _ = self._timeline.at(np.ascontiguousarray(hulls[:, 1]))
        blocks = np.column_stack([self._timeline.locate(first_times, False), self._timeline.locate(last_times, True)])
        firsts, ends = (edges[:, asset] for edges in self._timeline.hulls_by_asset(blocks))
        own = np.column_stack([hulls[:, :3], firsts, ends])
        return own[firsts <= ends]

    def plot(self, ax: Any = None, *, fold: int | None = None, assets: Any = None) -> Any:
        """Draw the folds over calendar time, one line per fold, or per asset of each fold.

        ``fold`` picks one; ``assets`` is the panel, ids per row, or True. See
        :func:`~tradewright.splitting.plots.plot_plan`.
        """
        from tradewright.splitting.plots import plot_plan

        return plot_plan(self, ax, fold=fold, assets=assets)

    def __str__(self) -> str:
        name = self.splitter.get("splitter", "?")
        shown = ", ".join(f"{key}={value!r}" for key, value in self.splitter.items() if _worth_showing(key, value))
        lines = [f"SplitPlan of {self.n_rows:,} rows in {len(self)} folds by {name}({shown})"]
        rows = [["fold", *ROLES, "test from", "test to"]]
        for fold in range(len(self)):
            segments, times = self.table.of_fold(fold)
            lengths = segments[:, 3] - segments[:, 2]
            sizes = [f"{int(lengths[segments[:, 1] == role].sum()):,}" for role in range(len(ROLES))]
            tested = times[segments[:, 1] == ROLES.index("test")]
            ends = (tested[0, 0], tested[-1, 1]) if len(tested) else ()
            rows.append([str(fold), *sizes, *([format_time(end, self.time_unit) for end in ends] or ["-", "-"])])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
            cells[-2:] = [cell.ljust(width) for cell, width in zip(row[-2:], widths[-2:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        if not len(self):
            lines.append("no fold is left")
        if not self.has_label_ends:
            lines.append("no label ends known: nothing could be purged")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<SplitPlan: {len(self)} folds over {self.n_rows:,} rows, digest {self.digest[:8]}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SplitPlan) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    # --- keeping --------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Return the plan as JSON, with its digest and a seal over all that is written; :meth:`from_json` checks both.

        They find what was changed by mistake or carelessly; neither is a signature.
        """
        return plan_json.dump(self)

    @classmethod
    def from_json(cls, text: str) -> SplitPlan:
        """Read :meth:`to_json`.

        Raises
        ------
        SplitError
            When the text is not a plan, or was changed: its roles (digest) or anything else (seal).
        """
        return plan_json.load(text, cls)

    def __getstate__(self) -> dict[str, Any]:
        # Times and label ends stay behind; so a plan of millions of rows pickles to kilobytes.
        return self.__dict__ | {"_timeline": None, "_known_fingerprint": self.data_fingerprint, "_panel": None}


def _worth_showing(key: str, value: Any) -> bool:
    defaults = {
        "closed": "both",
        "purge_scope": "all",
        "on_empty": "raise",
        "anchor": "end",
        "embargo": 0,
        "val_size": 0,
    }
    return key != "splitter" and value is not None and value != defaults.get(key)
