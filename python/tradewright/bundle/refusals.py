"""The two things a bundle can be accused of."""

from __future__ import annotations

from pathlib import Path

from tradewright.errors import FormatMismatchError, IntegrityError, UnsafeArchiveError

__all__ = ["damaged", "not_a_bundle", "unsafe"]


def damaged(path: Path, what: str) -> IntegrityError:
    """Build the error for bytes that are not the ones that were written."""
    return IntegrityError(
        f"{path} is damaged: {what}. Copy it again from where it was saved", code="bundle.damaged", path=str(path)
    )


def unsafe(path: Path, what: str) -> UnsafeArchiveError:
    """Build the error for what no writer of ours makes."""
    return UnsafeArchiveError(
        f"{path} was not written by tradewright: {what}. Don't load it", code="bundle.unsafe", path=str(path)
    )


def not_a_bundle(path: Path, what: str) -> FormatMismatchError:
    """Build the error for a file of another kind."""
    return FormatMismatchError(f"{path} is {what}", code="bundle.not_a_bundle", path=str(path))
