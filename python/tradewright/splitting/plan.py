"""The plan: what every row of every fold is, as a small immutable table of ranges."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ParameterError, SplitError
from tradewright.panel.times import format_time
from tradewright.splitting.explain import explain_row
from tradewright.splitting.fold import ROLES, Fold
from tradewright.splitting.rows import Rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PlanTable", "SplitPlan"]

_SCHEMA = 1


@dataclass(frozen=True, eq=False, slots=True)
class PlanTable:
    """Half-open ranges in time order, fold by fold, each a full cover of the rows.

    Parameters
    ----------
    fold : ndarray of int64, role : ndarray of uint8, start, stop : ndarray of int64
        Shape (k,). Roles are positions in ``("train", "val", "test", "purged", "embargoed", "unused")``.
    """

    fold: NDArray[np.int64]
    role: NDArray[np.uint8]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.fold[-1]) + 1 if len(self.fold) else 0

    def ranges(self, fold: int, role: str) -> NDArray[np.int64]:
        """The ranges of one role in one fold, shape (k, 2)."""
        chosen = (self.fold == fold) & (self.role == ROLES.index(role))
        return np.column_stack([self.start[chosen], self.stop[chosen]])


class SplitPlan:
    """The folds of a split; made by a splitter's ``plan``.

    A plan is a scikit-learn splitter over the rows it was made from (``cv=plan``), iterates as (train, test) pairs of
    :class:`Rows`, and is indexed as :class:`Fold` objects. It is immutable and pickles to kilobytes: times and label ends,
    which :meth:`explain` and :meth:`plot` read, stay behind.

    Attributes
    ----------
    n_rows : int
        How many rows the plan is about.
    order : ndarray of int64 or None
        The caller's position of each row in time order; None when the caller's rows are sorted by time.
    splitter : dict
        The configuration the plan was made with.
    data_fingerprint : str or None
        The fingerprint of the panel the plan was made from.

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
        order: NDArray[np.int64] | None = None,
        *,
        splitter: dict[str, Any] | None = None,
        data_fingerprint: str | None = None,
        time: NDArray[np.int64] | None = None,
        label_end: NDArray[np.int64] | None = None,
        time_unit: str = "bar",
        time_zone: str | None = None,
    ) -> None:
        for column in (table.fold, table.role, table.start, table.stop):
            column.flags.writeable = False
        self._table = table
        self.n_rows = n_rows
        self.order = order
        self.splitter = dict(splitter or {})
        self.data_fingerprint = data_fingerprint
        self.time_unit = time_unit
        self.time_zone = time_zone
        self._time = time
        self._label_end = label_end
        self._tests = _test_times(table, time, time_unit)

    # --- folds ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._table.n_folds

    def __getitem__(self, index: int) -> Fold:
        if not -len(self) <= index < len(self):
            raise IndexError(f"the plan has {len(self)} folds, there is no fold {index}")
        number = index % len(self)
        sets = {role: Rows(self._table.ranges(number, role), n_rows=self.n_rows, order=self.order) for role in ROLES}
        return Fold(number, **sets, plan_digest=self.digest)

    def __iter__(self) -> Iterator[tuple[Rows, Rows]]:
        for fold in self.folds:
            yield fold.train, fold.test

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
                    f"the plan was made for {self.n_rows:,} rows, X has {length:,}: pass the rows it was made from, in the "
                    "same order",
                    code="split.length",
                    got=length,
                    expected=self.n_rows,
                )
        for train, test in self:
            yield train.indices(), test.indices()

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        del X, y, groups
        return len(self)

    # --- reading --------------------------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        """A 128-bit digest of the roles of all rows, as 32 hex digits: equal plans have equal digests."""
        if not hasattr(self, "_digest"):
            hasher = hashlib.blake2b(digest_size=16)
            hasher.update(f"tradewright plan {_SCHEMA}:{self.n_rows}".encode())
            for column in (self._table.fold, self._table.role, self._table.start, self._table.stop):
                hasher.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
            if self.order is not None:
                hasher.update(np.ascontiguousarray(self.order, dtype="<i8"))
            self._digest = hasher.hexdigest()
        return self._digest

    def to_frame(self) -> pl.DataFrame:
        """Return the table: fold, role, start, stop and the number of rows, one row per range, in time order."""
        import polars as pl

        table = self._table
        return pl.DataFrame(
            {
                "fold": table.fold,
                "role": pl.Series([ROLES[role] for role in table.role.tolist()], dtype=pl.Enum(ROLES)),
                "start": table.start,
                "stop": table.stop,
                "rows": table.stop - table.start,
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
        """
        if not 0 <= row < self.n_rows:
            raise ParameterError(
                f"row {row} is not one of the {self.n_rows:,} rows of the plan", code="plan.row", row=row
            )
        if not 0 <= fold < len(self):
            raise ParameterError(f"fold {fold} is not one of the {len(self)} folds", code="plan.fold", fold=fold)
        at = row if self.order is None else int(np.flatnonzero(self.order == row)[0])
        return explain_row(self[fold], at, self._time, self._label_end, self.time_unit)

    def plot(self, ax: Any = None) -> Any:
        """Draw the folds over calendar time, one line per fold; see :func:`~tradewright.splitting.plots.plot_plan`."""
        from tradewright.splitting.plots import plot_plan

        return plot_plan(self, ax)

    @property
    def time(self) -> NDArray[np.int64] | None:
        """Times in time order, in ``time_unit``; None after unpickling."""
        return self._time

    @property
    def label_end(self) -> NDArray[np.int64] | None:
        """Label ends in time order; None without label ends, and after unpickling."""
        return self._label_end

    def __str__(self) -> str:
        name = self.splitter.get("splitter", "?")
        shown = ", ".join(f"{key}={value!r}" for key, value in self.splitter.items() if _worth_showing(key, value))
        lines = [f"SplitPlan of {self.n_rows:,} rows in {len(self)} folds by {name}({shown})"]
        rows = [["fold", *ROLES, "test from", "test to"]]
        for fold in self.folds:
            sizes = [f"{len(getattr(fold, role)):,}" for role in ROLES]
            rows.append([str(fold.index), *sizes, *(self._tests[fold.index] if self._tests else ("?", "?"))])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
            cells[-2:] = [cell.ljust(width) for cell, width in zip(row[-2:], widths[-2:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<SplitPlan: {len(self)} folds over {self.n_rows:,} rows, digest {self.digest[:8]}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SplitPlan) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    # --- keeping --------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Return the plan as JSON, with its digest; :meth:`from_json` checks it."""
        order = None
        if self.order is not None:
            # One number per row: compressed, since it is the only part that grows with the data.
            order = base64.b64encode(zlib.compress(self.order.astype("<i8").tobytes())).decode()
        columns = {name: getattr(self._table, name).tolist() for name in ("fold", "role", "start", "stop")}
        return json.dumps(
            {
                "schema": _SCHEMA,
                "n_rows": self.n_rows,
                "digest": self.digest,
                "splitter": self.splitter,
                "data_fingerprint": self.data_fingerprint,
                "time_unit": self.time_unit,
                "time_zone": self.time_zone,
                "tests": self._tests,
                "table": columns,
                "order": order,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> SplitPlan:
        """Read :meth:`to_json`.

        Raises
        ------
        SplitError
            When the text is not a plan, or its digest does not hold.
        """
        try:
            values = json.loads(text)
            table = PlanTable(
                np.array(values["table"]["fold"], dtype=np.int64),
                np.array(values["table"]["role"], dtype=np.uint8),
                np.array(values["table"]["start"], dtype=np.int64),
                np.array(values["table"]["stop"], dtype=np.int64),
            )
            order = values["order"]
            if order is not None:
                order = np.frombuffer(zlib.decompress(base64.b64decode(order)), dtype="<i8").astype(np.int64)
            plan = cls(
                table,
                int(values["n_rows"]),
                order,
                splitter=values["splitter"],
                data_fingerprint=values["data_fingerprint"],
                time_unit=values["time_unit"],
                time_zone=values["time_zone"],
            )
            plan._tests = None if values["tests"] is None else [tuple(pair) for pair in values["tests"]]
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise SplitError(f"this is not the JSON of a plan: {error!r}", code="plan.json") from error
        if plan.digest != values["digest"]:
            raise SplitError("the plan's digest does not hold: the text was changed", code="plan.digest")
        return plan

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_time": None, "_label_end": None}


def _test_times(table: PlanTable, time: NDArray[np.int64] | None, unit: str) -> list[tuple[str, str]] | None:
    """First and last time of each fold's test rows, for printing."""
    if time is None:
        return None
    found = []
    for fold in range(table.n_folds):
        test = table.ranges(fold, "test")
        found.append((format_time(time[test[0, 0]], unit), format_time(time[test[-1, 1] - 1], unit)))
    return found


def _worth_showing(key: str, value: Any) -> bool:
    defaults = {"closed": "both", "on_empty": "raise", "anchor": "end", "embargo": 0, "val_size": 0}
    return key != "splitter" and value is not None and value != defaults.get(key)
