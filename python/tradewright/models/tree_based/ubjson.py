"""A reader of UBJSON, as far as XGBoost writes it, that reads nothing beyond its input."""

from __future__ import annotations

import struct
from typing import Any, NoReturn

import numpy as np

from tradewright.errors import IntegrityError

__all__ = ["read_ubjson"]

#: Marks of numbers → numpy's names of their big-endian types.
_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"T": True, "F": False, "Z": None, "N": None}
#: XGBoost's own documents are six deep.
_MAX_DEPTH = 16


def read_ubjson(data: bytes) -> Any:
    """Return the value of a UBJSON document: dicts, lists, numpy arrays (typed arrays), str, int, float, bool, None.

    Takes memory in proportion to ``data``: counts are checked against what is left of it.

    Raises
    ------
    IntegrityError
        With the byte at which it stopped making sense in ``fields["at"]``.

    Examples
    --------
    >>> read_ubjson(b"{L" + (1).to_bytes(8, "big") + b"aU" + bytes([7]) + b"}")
    {'a': 7}
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        reader.refuse("there are bytes after its end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def refuse(self, what: str) -> NoReturn:
        raise IntegrityError(
            f"the XGBoost model is damaged or crafted, byte {self.at}: {what}. Get the file again from where it was saved,"
            " or save the model again",
            code="bundle.payload",
            at=self.at,
        )

    def value(self, depth: int) -> Any:
        mark = self.mark()
        if depth > _MAX_DEPTH:
            self.refuse("it is nested too deeply")
        if mark == "{":
            return self.table(depth)
        if mark == "[":
            return self.array(depth)
        if mark == "S":
            return self.text()
        if mark in _NUMBERS:
            return self.number(mark)
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        return self.refuse(f"the mark {mark!r} is unknown")

    def table(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() != "}":
            name = self.text()
            if name in found:
                self.refuse(f"the key {name[:40]!r} is there twice")
            found[name] = self.value(depth + 1)
        self.at += 1
        return found

    def array(self, depth: int) -> Any:
        kind = None
        if self.peek() == "$":
            self.at += 1
            kind = self.mark()
            if kind not in _NUMBERS:
                self.refuse(f"an array of {kind!r} is unknown")
            if self.peek() != "#":
                self.refuse("an array has a type, but no length")
        if self.peek() != "#":
            found = []
            while self.peek() != "]":
                found.append(self.value(depth + 1))
            self.at += 1
            return found
        self.at += 1
        count = self.length()
        if kind is None:
            if count > len(self.data) - self.at:  # each takes a byte at least
                self.refuse("an array is longer than the file")
            return [self.value(depth + 1) for _ in range(count)]
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self.take(count * dtype.itemsize), dtype=dtype)

    def number(self, mark: str) -> Any:
        dtype = np.dtype(_NUMBERS[mark])
        return np.frombuffer(self.take(dtype.itemsize), dtype=dtype)[0].item()

    def text(self) -> str:
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError:
            return self.refuse("a text is not UTF-8")

    def length(self) -> int:
        if self.mark() != "L":
            self.refuse("a length is not a 64-bit number")
        length: int = struct.unpack(">q", self.take(8))[0]
        if length < 0:
            self.refuse("a length is negative")
        return length

    def mark(self) -> str:
        return self.take(1).decode("latin-1")

    def peek(self) -> str:
        if self.at >= len(self.data):
            self.refuse("it ends too early")
        return chr(self.data[self.at])

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            self.refuse("it ends too early")
        self.at += count
        return self.data[self.at - count : self.at]
