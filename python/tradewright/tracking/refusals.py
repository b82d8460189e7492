"""Telling a write the store will never take from a store that cannot take any, and finding it among others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tradewright.errors import TrackingError
from tradewright.tracking.journal import Entry
from tradewright.tracking.operations import Operation
from tradewright.tracking.store import halves

__all__ = ["Part", "is_refusal", "send_apart"]

#: An operation, or a piece of one, and the entry it is from.
Part = tuple[Entry, Operation]

#: What MLflow answers when it will never take a write, however often it is sent.
_REFUSALS = frozenset(
    ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "NOT_IMPLEMENTED", "RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")
)
#: After so many refusals of one request the rest of it counts as refused too, instead of being tried one by one.
MOST_REFUSALS = 20


def is_refusal(error: BaseException) -> bool:
    """Whether the store refuses this write for good, rather than being out of reach, out of order or closed to us."""
    code = getattr(error, "error_code", None)
    if code is not None:
        return code in _REFUSALS
    return isinstance(error, TypeError | ValueError | AttributeError | FileNotFoundError | TrackingError)


def send_apart(
    write: Callable[[Sequence[Part]], None],
    parts: Sequence[Part],
    error: Exception,
    refuse: Callable[[Entry, str], None],
) -> None:
    """Do what was refused together in halves, so that only what is really refused is left out.

    Parameters
    ----------
    write : callable
        Does a request; what it raises that is no refusal is passed on.
    parts : sequence of Part
        What was refused.
    error : Exception
        How it was.
    refuse : callable
        Takes note of an entry that is refused, or partly, and why.
    """
    refusals = 0
    waiting: list[tuple[Sequence[Part], Exception | None]] = [(parts, error)]
    while waiting:
        parts, known = waiting.pop()
        problem = _tried(write, parts) if known is None else known
        if problem is None:
            continue
        pieces = _cut(parts) if refusals < MOST_REFUSALS else None
        if pieces is None:
            refusals += 1
            for entry in {entry.number: entry for entry, _ in parts}.values():
                refuse(entry, f"{type(problem).__name__}: {problem}")
        else:
            waiting += [(piece, None) for piece in reversed(pieces)]


def _tried(write: Callable[[Sequence[Part]], None], parts: Sequence[Part]) -> Exception | None:
    try:
        write(parts)
    except Exception as error:
        if not is_refusal(error):
            raise
        return error
    return None


def _cut(parts: Sequence[Part]) -> tuple[Sequence[Part], Sequence[Part]] | None:
    if len(parts) > 1:
        middle = len(parts) // 2
        return parts[:middle], parts[middle:]
    entry, operation = parts[0]
    two = halves(operation)
    return None if two is None else ([(entry, two[0])], [(entry, two[1])])
