"""Which of several processes this one is, when a launcher such as torchrun started them together."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tradewright.errors import ParameterError

__all__ = ["Launch", "launched"]

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class Launch:
    """This process among those that were started together.

    Parameters
    ----------
    rank : int
        Its number, from 0; process 0 writes files and talks to tracking servers.
    size : int
        How many there are.
    local_rank : int
        Its number on its machine: the GPU it takes.
    """

    rank: int
    size: int
    local_rank: int

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0


def launched() -> Launch | None:
    """Return this process's place as torchrun's environment variables tell it; None for a process that stands alone.

    Raises
    ------
    ParameterError
        When the variables contradict each other.

    Examples
    --------
    >>> launched() is None
    True
    """
    if any(name not in os.environ for name in _NEEDED):
        return None
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local = int(os.environ.get("LOCAL_RANK", "0"))
    except ValueError as error:
        raise _contradiction() from error
    if not 0 <= rank < size or local < 0:
        raise _contradiction()
    return Launch(rank, size, local) if size > 1 else None


def _contradiction() -> ParameterError:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    found = ", ".join(f"{name}={os.environ.get(name)!r}" for name in names)
    return ParameterError(
        f"the environment says {found}: a rank is from 0 to below WORLD_SIZE; start the script with torchrun, or unset"
        " RANK",
        code="runtime.distributed",
    )
