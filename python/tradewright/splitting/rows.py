"""A set of rows as ranges: indexes anything, and is a free view where it is one range."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import DataError

__all__ = ["Rows"]


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Rows of one role in one fold.

    Parameters
    ----------
    ranges : ndarray of int64, shape (k, 2)
        Half-open ranges in time order, ascending and apart.
    n_rows : int
        How many rows the data has.
    order : ndarray of int64 or None
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
    order: NDArray[np.int64] | None = None

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
        return self.indices()[item]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        # Made afresh each time, so that asking for a copy asks for nothing more.
        return self.indices() if dtype is None else self.indices().astype(dtype)

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
        """Return ascending positions of the caller's rows: O(rows), always a new array.

        Raises
        ------
        DataError
            For int32 with 2^31 rows or more.
        """
        if dtype not in ("int64", "int32"):
            raise DataError(f"dtype={dtype!r}: pass 'int64' or 'int32'", code="parameter.dtype")
        if dtype == "int32" and self.n_rows >= 2**31:
            raise DataError(f"{self.n_rows:,} rows don't fit into int32 positions: use int64", code="data.int32")
        return _core.positions(self.ranges, self.order, self.n_rows, narrow=dtype == "int32")

    def mask(self) -> NDArray[np.bool_]:
        """Return whether each of the caller's rows is in the set, shape (n_rows,)."""
        return _core.row_mask(self.ranges, self.order, self.n_rows)

    def take(self, values: Any) -> Any:
        """Return these rows of an array, tensor or frame, in the caller's order.

        Parameters
        ----------
        values : ndarray, torch.Tensor, polars or pandas frame or column
            With ``n_rows`` rows.

        Returns
        -------
        The same kind
            A view when the set is one range of time-sorted rows (numpy, torch, polars; pandas shares memory until written
            to), else a copy.

        Raises
        ------
        DataError
            When ``values`` has another number of rows.
        """
        length = values.shape[0] if hasattr(values, "shape") else len(values)
        if length != self.n_rows:
            raise DataError(
                f"the plan was made for {self.n_rows:,} rows, these values have {length:,}: pass the data it was made from",
                code="data.length_mismatch",
                got=length,
                expected=self.n_rows,
            )
        at = values.iloc if hasattr(values, "iloc") else values
        if self.order is not None:
            return at[self.indices()]
        if len(self.ranges) == 1:
            return at[int(self.ranges[0, 0]) : int(self.ranges[0, 1])]
        if len(self.ranges) == 0:
            return at[0:0]
        pieces = [at[start:stop] for start, stop in self.ranges.tolist()]
        return _concatenate(pieces, at, self)


def _concatenate(pieces: list[Any], at: Any, rows: Rows) -> Any:
    """Join slices with the library they belong to: much faster than indexing row by row."""
    first = pieces[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(pieces)
    library = type(first).__module__.partition(".")[0]
    if library in ("polars", "pandas"):
        return sys.modules[library].concat(pieces)
    if library == "torch":
        return sys.modules[library].cat(pieces)
    return at[rows.indices()]
