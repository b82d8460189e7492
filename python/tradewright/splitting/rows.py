"""A set of rows as ranges: indexes anything, and is a free view where it is one range."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import DataError, ParameterError

__all__ = ["Rows", "index_arrays", "shared_positions"]

#: One ascending array per dtype that contiguous sets are views of; it lives as long as a view does.
_SHARED: weakref.WeakValueDictionary[str, NDArray[Any]] = weakref.WeakValueDictionary()


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Rows of one role in one fold.

    Index arrays, tensors and ``iloc`` with it directly, or call :meth:`take`, which is faster: one range is a view, and
    torch reads any other index object item by item. polars and pyarrow cannot be indexed with it, and pandas only
    through ``iloc``: call ``rows.take(df)``, which is for all of them.

    Parameters
    ----------
    ranges : ndarray of int64, shape (k, 2)
        Half-open ranges in time order, ascending and apart.
    n_rows : int
        How many rows the data has.
    order : ndarray of int32 or int64, or None
        The caller's position of each row in time order; None when the caller's rows are sorted by time. Shared by all
        rows of a plan.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Rows(np.array([[0, 3], [5, 6]]), n_rows=8)
    >>> len(rows), np.arange(8.0)[rows]
    (4, array([0., 1., 2., 5.]))
    """

    ranges: NDArray[np.int64]
    n_rows: int
    order: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        ranges = np.array(self.ranges, dtype=np.int64).reshape(-1, 2)
        ranges.flags.writeable = False
        object.__setattr__(self, "ranges", ranges)

    def __len__(self) -> int:
        return int((self.ranges[:, 1] - self.ranges[:, 0]).sum())

    def __bool__(self) -> bool:
        return len(self.ranges) > 0

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices().tolist())

    def __getitem__(self, item: Any) -> Any:
        # torch reads an index object item by item: an item must not cost a pass over all of them.
        if isinstance(item, int) and self.order is None:
            length = len(self)
            if not -length <= item < length:
                raise IndexError(f"there are {length:,} rows, there is no row {item}")
            place = item % length
            for start, stop in self.ranges.tolist():
                if place < stop - start:
                    return start + place
                place -= stop - start
        if "_found" not in self.__dict__:
            object.__setattr__(self, "_found", self.indices())
        return self.__dict__["_found"][item]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_found"}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        found = self.indices()
        if dtype is not None and np.dtype(dtype) != found.dtype:
            return found.astype(dtype)
        return found.copy() if copy else found

    def __repr__(self) -> str:
        listed = ", ".join(f"{start}:{stop}" for start, stop in self.ranges[:4].tolist())
        more = f", … {len(self.ranges) - 4} more" if len(self.ranges) > 4 else ""
        where = "" if self.order is None else " in time order"
        return f"<{len(self):,} rows [{listed}{more}]{where}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows):
            return NotImplemented
        same_order = self.order is other.order or (
            self.order is not None and other.order is not None and np.array_equal(self.order, other.order)
        )
        return self.n_rows == other.n_rows and same_order and np.array_equal(self.ranges, other.ranges)

    def __hash__(self) -> int:
        return hash((self.n_rows, self.ranges.tobytes()))

    def indices(self, dtype: Literal["int64", "int32"] = "int64") -> NDArray[Any]:
        """Return ascending positions of the caller's rows.

        One range of sorted rows is a read-only view of an array that all such sets share; else a new array, O(rows).

        Raises
        ------
        ParameterError
            For another dtype, or int32 with 2^31 rows or more.
        """
        if dtype not in ("int64", "int32"):
            raise ParameterError(f"dtype={dtype!r}: pass 'int64' or 'int32'", code="parameter.dtype")
        if self.order is None and len(self.ranges) <= 1 and self.n_rows < 2**31:
            start, stop = self.ranges[0].tolist() if len(self.ranges) else (0, 0)
            # Making the shared array for a small part of it would cost more than the part.
            if stop - start < self.n_rows // 4 and len(_SHARED.get(dtype, ())) < self.n_rows:
                return np.arange(start, stop, dtype=dtype)
            return shared_positions(self.n_rows, dtype)[start:stop]
        return _core.range_positions(self.ranges, self.n_rows, self.order, dtype == "int32")

    def mask(self) -> NDArray[np.bool_]:
        """Return whether each of the caller's rows is in the set, shape (n_rows,). A new array."""
        return _core.range_mask(self.ranges, self.n_rows, self.order)

    def take(self, values: Any) -> Any:
        """Return these rows of an array, tensor or frame, in the caller's order.

        Parameters
        ----------
        values : ndarray, torch.Tensor, polars, pandas or pyarrow frame or column, pandas index, list, tuple, Panel
            With ``n_rows`` rows.

        Returns
        -------
        The same kind
            A view when the set is one range of time-sorted rows (numpy, torch, polars, pyarrow; pandas shares memory
            until written to), else a copy. A list of a range.

        Raises
        ------
        DataError
            When ``values`` has another number of rows, or is of a kind that has no rows to take.
        """
        length = _length(values)
        if length != self.n_rows:
            raise DataError(
                f"the plan was made for {self.n_rows:,} rows, these values have {length:,}: pass the data it was made "
                "from",
                code="data.length_mismatch",
                got=length,
                expected=self.n_rows,
            )
        if hasattr(values, "time_unit") and hasattr(values, "take"):  # a panel takes rows itself
            return values.take(self)
        if isinstance(values, list | tuple | range):
            taken = [values[position] for position in self.indices().tolist()]
            return tuple(taken) if isinstance(values, tuple) else taken
        if type(values).__module__.partition(".")[0] == "pyarrow":
            start, stop = self.ranges[0].tolist() if len(self.ranges) else (0, 0)
            one = self.order is None and len(self.ranges) <= 1
            return values.slice(start, stop - start) if one else values.take(self.indices())
        at = values.iloc if hasattr(values, "iloc") else values
        try:
            return self._slice(at)
        except (TypeError, KeyError) as error:
            raise _no_rows(values) from error

    def _slice(self, at: Any) -> Any:
        """These rows of what can be indexed by slices and by positions."""
        if self.order is not None:
            return at[self.indices()]
        if len(self.ranges) == 1:
            return at[int(self.ranges[0, 0]) : int(self.ranges[0, 1])]
        if len(self.ranges) == 0:
            return at[0:0]
        pieces = [at[start:stop] for start, stop in self.ranges.tolist()]
        return _concatenate(pieces, at, self)


def _length(values: Any) -> int:
    """How many rows there are."""
    if not isinstance(values, str | bytes | Mapping | Set):
        try:
            return int(values.shape[0]) if hasattr(values, "shape") else len(values)
        except (TypeError, IndexError):
            pass  # no length, or no dimension
    raise _no_rows(values)


def _no_rows(values: Any) -> DataError:
    return DataError(
        f"rows cannot be taken of a {type(values).__name__}: pass an array, a tensor, a list, a Panel, or a polars, "
        "pandas or pyarrow frame or column; collect a lazy frame first",
        code="data.take",
    )


def shared_positions(rows: int, dtype: str) -> NDArray[Any]:
    """Row numbers up to at least ``rows``, read-only, one array for everyone."""
    numbers = _SHARED.get(dtype)
    if numbers is None or len(numbers) < rows:
        numbers = np.arange(rows, dtype=dtype)
        numbers.flags.writeable = False
        _SHARED[dtype] = numbers
    return numbers


#: Bytes of positions that are made in one go. They live as long as one of them is in use.
_BATCH = 32 * 1024**2


def index_arrays(sets: Iterable[Rows], n_rows: int, order: NDArray[Any] | None) -> Iterator[NDArray[np.int64]]:
    """Positions of sets of the same rows, in turn: small ones several at a time, which takes half as long.

    What takes the time is the memory: many arrays of a few hundred kilobytes are given out page by page, one large one
    in huge pages. Contiguous sets of sorted rows are views of one shared array, others views of their batch.
    """
    shared = shared_positions(n_rows, "int64") if order is None else None
    batch: list[Rows] = []
    size = 0
    for rows in sets:
        batch.append(rows)
        size += 0 if _is_view(rows) else 8 * len(rows)
        if size >= _BATCH:
            yield from _written(batch, n_rows, order)
            batch, size = [], 0
    yield from _written(batch, n_rows, order)
    del shared  # held until here


def _is_view(rows: Rows) -> bool:
    return rows.order is None and len(rows.ranges) <= 1


def _written(batch: list[Rows], n_rows: int, order: NDArray[Any] | None) -> Iterator[NDArray[np.int64]]:
    copied = [rows for rows in batch if not _is_view(rows)]
    pieces: Iterator[NDArray[np.int64]] = iter(())
    if copied:
        ranges = np.concatenate([rows.ranges for rows in copied])
        borders = np.cumsum([0, *(len(rows.ranges) for rows in copied)])
        together = _core.range_positions(ranges, n_rows, order, False, borders)
        pieces = iter(np.split(together, np.cumsum([len(rows) for rows in copied])[:-1]))
    for rows in batch:
        yield rows.indices() if _is_view(rows) else next(pieces)


def _concatenate(pieces: list[Any], at: Any, rows: Rows) -> Any:
    """Join slices with the library they belong to: much faster than indexing row by row."""
    first = pieces[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(pieces)
    library = type(first).__module__.partition(".")[0]
    if library == "polars" or hasattr(first, "iloc"):  # a pandas index is indexed by positions below
        return sys.modules[library].concat(pieces)
    if library == "torch":
        return sys.modules[library].cat(pieces)
    return at[rows.indices()]
