"""Bringing spooled runs into a store."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

__all__ = ["Replayed", "replay_mlflow"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one spooled run.

    Parameters
    ----------
    path : Path
        The spool file.
    uri : str
        The store it was replayed to.
    run_id : str or None
        The run in the store; None when it could not be made.
    status : str or None
        How the run ended: FINISHED, FAILED, or KILLED also when its process was killed.
    written : int
        How many operations were done now.
    left : int
        How many still are to be done.
    problem : str or None
        Why some are left, or what the store refused.
    """

    path: Path
    uri: str
    run_id: str | None
    status: str | None
    written: int
    left: int
    problem: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the store has all of the run."""
        return self.left == 0 and self.run_id is not None


def replay_mlflow(path: str | PathLike[str], uri: str | None = None) -> list[Replayed]:
    """Bring spooled runs into the store: what a dead or unreachable tracking server has not got.

    Doing it twice changes nothing. A run that is still being written by a living process is left alone.

    Parameters
    ----------
    path : path
        A spool file, or a folder of them.
    uri : str, optional
        Another store than the one the run was meant for.

    Returns
    -------
    list of Replayed
        One for each spool.

    Raises
    ------
    TrackingError
        There is no spool at ``path``, or the file is no spool.
    MissingExtraError
        Without MLflow.
    """
    raise NotImplementedError
