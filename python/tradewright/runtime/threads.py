"""The threads of the Rust core."""

from __future__ import annotations

from tradewright import _core
from tradewright.errors import ParameterError

__all__ = ["num_threads", "set_num_threads"]


def num_threads() -> int:
    """Return how many threads the Rust core uses: ``TRADEWRIGHT_NUM_THREADS``, else the cores of this machine.

    Examples
    --------
    >>> num_threads() >= 1
    True
    """
    return _core.num_threads()


def set_num_threads(threads: int) -> None:
    """Set how many threads the Rust core uses. Results don't depend on it, only times do.

    Parameters
    ----------
    threads : int
        At least 1.

    Raises
    ------
    ParameterError
        For less than 1.

    Examples
    --------
    >>> before = num_threads()
    >>> set_num_threads(2)
    >>> num_threads()
    2
    >>> set_num_threads(before)
    """
    if type(threads) is not int or threads < 1:
        raise ParameterError(f"threads={threads!r}: pass an integer of at least 1", code="runtime.threads")
    _core.set_num_threads(threads)
