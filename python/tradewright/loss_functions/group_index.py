"""Which rows share a date, and which row held the same asset before."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import LossError

__all__ = ["GroupIndex", "find_index", "one_asset"]

Array = NDArray[Any]

#: Indices in use, by key: what torch's operators, which take tensors and strings, find them by.
_LIVE: weakref.WeakValueDictionary[str, GroupIndex] = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class _Ids:
    """Ids as integers whose order is theirs.

    ``labels`` names them: none for integers, a datetime dtype, or the distinct ids in ascending order.
    """

    codes: NDArray[np.int64]
    labels: np.dtype[Any] | Array | None = None


def _label(labels: np.dtype[Any] | Array | None, code: int) -> Any:
    if labels is None:
        return code
    if isinstance(labels, np.dtype):
        return np.int64(code).view(labels)
    return labels[code]


@final
@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False, weakref_slot=True)
class GroupIndex:
    """Rows by group, built once and handed to any number of calls as ``groups=``.

    Parameters
    ----------
    groups : array_like, shape (n,)
        The group (date) of each row: integers, text, datetimes, anything that sorts. Their ascending order is time.
        Rows may come in any order.
    assets : array_like, shape (n,), optional
        The asset of each row, for trading losses with turnover costs. An asset has at most one row a date.

    Attributes
    ----------
    rows : int
        How many rows there are.

    Raises
    ------
    LossError
        When shapes differ, an id is missing, or an asset has two rows on one date (with its row and date).

    Notes
    -----
    Sorted rows cost one pass and next to no memory, others O(n log n) and 8 bytes a row. Assets take 8 bytes a row
    more, unless every date has the same assets in the same order. Ids themselves are not kept, but for the distinct
    ones of text. An index compares, hashes and pickles by value and never changes.

    Examples
    --------
    >>> index = GroupIndex(["2024-01-03", "2024-01-02", "2024-01-03"], ["A", "A", "B"])
    >>> index
    GroupIndex(rows=3, groups=2, assets=True)
    >>> index.group_ids.tolist()
    ['2024-01-02', '2024-01-03']
    >>> GroupIndex([1, 1], ["A", "A"])
    Traceback (most recent call last):
    tradewright.errors.LossError: row 1: asset A has another row on date 1; an asset holds one position a date. Drop \
one, or check the ids
    """

    rows: int
    _key: str
    _index: _core.GroupIndex
    _labels: np.dtype[Any] | Array | None

    def __init__(self, groups: Any, assets: Any = None) -> None:
        ids = _encode("groups", groups)
        other = None if assets is None else _encode("assets", assets)
        if other is not None and len(other.codes) != len(ids.codes):
            raise LossError(
                f"assets has {len(other.codes)} rows, groups has {len(ids.codes)}; pass one of each per row",
                code="loss.shape",
                argument="assets",
            )
        named = {"date": ids.labels, "group": ids.labels, "asset": None if other is None else other.labels}
        with _naming(named):
            index = _core.GroupIndex(ids.codes, None if other is None else other.codes)
        _fill(self, index, ids.labels)

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return self._index.groups

    @property
    def has_assets(self) -> bool:
        """Whether rows know their assets."""
        return self._index.has_assets

    @property
    def group_ids(self) -> Array:
        """The distinct group ids, ascending: what values per group are in the order of."""
        ids = self._index.ids()
        if self._labels is None:
            return ids
        return ids.view(self._labels) if isinstance(self._labels, np.dtype) else self._labels[ids]

    def group_numbers(self) -> NDArray[np.int64]:
        """Return the place of each row's group in :attr:`group_ids`; O(n)."""
        return self._index.group_numbers()

    def asset_numbers(self) -> NDArray[np.int64] | None:
        """Return a number per row that tells assets apart, None without assets; O(n)."""
        return self._index.asset_numbers()

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        return f"GroupIndex(rows={self.rows}, groups={self.n_groups}, assets={self.has_assets})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupIndex):
            return NotImplemented
        return self._index == other._index and bool(np.array_equal(self.group_ids, other.group_ids))

    def __hash__(self) -> int:
        return hash((self.rows, self.n_groups, self.has_assets))

    def __reduce__(self) -> tuple[Any, ...]:
        ids = self._index.ids()
        return _rebuild, (ids[self.group_numbers()], self.asset_numbers(), self._labels)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Give errors of the core the caller's own ids."""
        with _naming({"date": self._labels, "group": self._labels}):
            yield


def find_index(key: str) -> GroupIndex:
    """Return the living index of that key."""
    return _LIVE[key]


@functools.lru_cache(maxsize=8)
def one_asset(rows: int) -> GroupIndex:
    """Return the index of one asset with one row a date, rows in time order; kept for the next calls."""
    made = object.__new__(GroupIndex)
    _fill(made, _core.GroupIndex.one_asset(rows), None)
    return made


def _fill(made: GroupIndex, index: _core.GroupIndex, labels: np.dtype[Any] | Array | None) -> None:
    key = f"index{next(_NUMBERS)}"
    for name, value in (("rows", index.rows), ("_key", key), ("_index", index), ("_labels", labels)):
        object.__setattr__(made, name, value)
    _LIVE[key] = made


def _rebuild(codes: Array, assets: Array | None, labels: np.dtype[Any] | Array | None) -> GroupIndex:
    made = object.__new__(GroupIndex)
    _fill(made, _core.GroupIndex(codes, assets), labels)
    return made


@contextmanager
def _naming(labels: dict[str, np.dtype[Any] | Array | None]) -> Iterator[None]:
    try:
        yield
    except LossError as error:
        message, fields = error.message, dict(error.fields)
        for field, names in labels.items():
            if names is None or field not in fields:
                continue
            label = _label(names, int(fields[field]))
            message = message.replace(f"{field} {fields[field]}", f"{field} {label}")
            fields[field] = label
        raise type(error)(message, code=error.code, **fields) from None


def _encode(name: str, values: Any) -> _Ids:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise LossError(
            f"{name} has shape {array.shape}; pass one id per row", code="loss.shape", argument=name, got=array.shape
        )
    kind = array.dtype.kind
    if kind == "M":
        _refuse_missing(name, np.isnat(array))
        native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        return _Ids(native.view(np.int64), native.dtype)
    if kind == "f":
        _refuse_missing(name, np.isnan(array))
        whole = (array == np.floor(array)).all() and (len(array) == 0 or np.abs(array).max() < 2.0**53)
        return _Ids(array.astype(np.int64)) if whole else _distinct(name, array)
    if kind in "iub":
        wide = kind == "u" and array.dtype.itemsize == 8 and len(array) and int(array.max()) > np.iinfo(np.int64).max
        return _distinct(name, array) if wide else _Ids(np.ascontiguousarray(array, dtype=np.int64))
    if kind == "O":
        _refuse_missing(name, np.fromiter((_is_missing(value) for value in array), dtype=bool, count=len(array)))
    return _distinct(name, array)


def _distinct(name: str, array: Array) -> _Ids:
    try:
        labels, codes = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise LossError(
            f"{name} holds ids that do not compare ({error}); pass ids of one kind", code="loss.ids", argument=name
        ) from error
    return _Ids(np.ascontiguousarray(codes.reshape(-1), dtype=np.int64), labels)


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:
        # pandas.NA is neither equal nor unequal to itself.
        return True


def _refuse_missing(name: str, missing: Array) -> None:
    if missing.any():
        row = int(missing.argmax())
        raise LossError(
            f"row {row}: {name} has no id there (None, NaN or NaT); drop the row, or fill the id in",
            code="loss.id_missing",
            row=row,
            argument=name,
        )
