"""What a bundle keeps of the data a model saw, so that a change of it can be found later, and where.

The fingerprint of a panel is one number: it says that something differs, not what. Kept beside it are the digest of
each column and a digest of each of at most 256 blocks of rows, a few kilobytes in all. A changed cell then shows in one
column and in one block.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.panel.fingerprint import HashedColumns, hashed_columns

if TYPE_CHECKING:
    from tradewright.panel.panel import Panel

__all__ = [
    "DataDifference",
    "block_digests",
    "check_evidence",
    "compare_data",
    "differing_blocks",
    "listed",
    "readable",
    "take_evidence",
]

_MOST_BLOCKS = 256
_LEAST_ROWS = 64
#: Characters of base64 that stand for the 48 bits of one block; a chance equality of a changed block is 4e-15.
_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class DataDifference:
    """In what a panel differs from the one that was stamped.

    Parameters
    ----------
    n_rows : tuple of int
        How many rows there were, and are.
    changed, missing, added : tuple of str
        Columns by role and name, as ``"feature:momentum"``.
    rows : tuple of (start, stop)
        Half-open row ranges in which all changes lie; empty where that cannot be known, as the number of rows or the
        set of columns differs too.
    """

    n_rows: tuple[int, int]
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    rows: tuple[tuple[int, int], ...]

    def __bool__(self) -> bool:
        return self.n_rows[0] != self.n_rows[1] or bool(self.changed or self.missing or self.added)


def take_evidence(panel: Panel) -> tuple[str, dict[str, Any]]:
    """Return the fingerprint of a panel, taken afresh, and the evidence as plain JSON values.

    Costs two passes over the data.
    """
    columns = hashed_columns(panel)
    digests = columns.digests()
    evidence = {
        "n_rows": len(panel),
        "columns": dict(zip(columns.names, digests, strict=True)),
        "source": {key: list(value) if isinstance(value, tuple) else value for key, value in panel.source.items()},
        **_of_blocks(columns, len(panel)),
    }
    return _core.combine_fingerprints(digests), evidence


def check_evidence(evidence: Any) -> None:
    """Raise a ValueError when a file's evidence, or its digests of predictions, is not of the shape it is written in."""
    n_rows, size = evidence["n_rows"], evidence["block_rows"]
    if type(n_rows) is not int or n_rows < 0 or size != _block_rows(n_rows):
        raise ValueError("its blocks are not those of its rows")
    base64.b64decode(evidence["blocks"], validate=True)
    if len(evidence["blocks"]) != _CHARACTERS * -(-n_rows // size):
        raise ValueError("it has not one digest a block")
    columns, source = evidence.get("columns", {}), evidence.get("source", {})
    if not isinstance(source, dict) or not all(isinstance(value, str) for value in columns.values()):
        raise ValueError("its columns have no digests")


def compare_data(evidence: Mapping[str, Any], panel: Panel) -> DataDifference:
    """Say in which columns, and in which rows, a panel differs from the one the evidence was taken of."""
    columns = hashed_columns(panel)
    then: Mapping[str, str] = evidence["columns"]
    now = dict(zip(columns.names, columns.digests(), strict=True))
    changed = tuple(name for name in then if name in now and then[name] != now[name])
    missing, added = tuple(name for name in then if name not in now), tuple(name for name in now if name not in then)
    n_rows = (int(evidence["n_rows"]), len(panel))
    rows: tuple[tuple[int, int], ...] = ()
    if changed and not missing and not added and n_rows[0] == n_rows[1]:
        rows = differing_blocks(evidence, _of_blocks(columns, len(panel)), len(panel))
    return DataDifference(n_rows, changed, missing, added, rows)


def block_digests(values: NDArray[Any]) -> dict[str, Any]:
    """Return digest and block digests of one array of numbers or text, as plain JSON values.

    Bits count: of predictions, −0.0 is not 0.0 here. Text and objects are hashed by what they print as.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        array = np.array([str(value) for value in array.ravel()], dtype=np.str_).reshape(array.shape)
        array = np.char.encode(array, "utf-8")
    elif array.dtype.kind == "f":
        array = array.astype("<f8", copy=False)
    rows = np.ascontiguousarray(array.reshape(len(array), -1) if len(array) else array.reshape(0, 1))
    size = _block_rows(len(rows))

    def digest(part: NDArray[Any]) -> bytes:
        return hashlib.blake2b(f"{part.dtype.str} {part.shape}".encode() + part.tobytes(), digest_size=16).digest()

    blocks = [digest(rows[start:stop])[:6] for start, stop in _cuts(len(rows), size)]
    return {
        "n_rows": len(rows),
        "digest": digest(rows).hex(),
        "block_rows": size,
        "blocks": base64.b64encode(b"".join(blocks)).decode("ascii"),
    }


def differing_blocks(then: Mapping[str, Any], now: Mapping[str, Any], n_rows: int) -> tuple[tuple[int, int], ...]:
    """Return the row ranges of the blocks whose digests differ, neighbours as one."""
    size = int(then["block_rows"])
    if size != now["block_rows"]:
        return ()
    found: list[tuple[int, int]] = []
    for number, (start, stop) in enumerate(_cuts(n_rows, size)):
        part = slice(number * _CHARACTERS, (number + 1) * _CHARACTERS)
        if then["blocks"][part] == now["blocks"][part]:
            continue
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, stop))
    return tuple(found)


def _of_blocks(columns: HashedColumns, n_rows: int) -> dict[str, Any]:
    size = _block_rows(n_rows)
    blocks = [
        bytes.fromhex(_core.combine_fingerprints(columns[start:stop].digests()))[:6]
        for start, stop in _cuts(n_rows, size)
    ]
    return {"block_rows": size, "blocks": base64.b64encode(b"".join(blocks)).decode("ascii")}


def _block_rows(n_rows: int) -> int:
    """The rows of a block: a power of two."""
    least = max(_LEAST_ROWS, -(-n_rows // _MOST_BLOCKS))
    return 1 << (least - 1).bit_length()


def _cuts(n_rows: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_rows, size):
        yield start, min(start + size, n_rows)


def readable(name: str) -> str:
    """Return what a user calls a column of the evidence.

    Examples
    --------
    >>> readable("feature:momentum"), readable("time:")
    ("feature 'momentum'", 'time')
    """
    role, _, own = name.partition(":")
    return f"{role} {own!r}" if own else role


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return column names as a phrase; further ones are counted."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(readable(name) for name in names[:most]) + more
