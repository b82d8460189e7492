"""MLflow's warnings and log lines, kept away from the user: they are about code the user cannot change."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hush_this_thread", "quiet", "unhush_this_thread"]

# The warning filters are global to the process: two threads that save and restore them must not interleave.
_LOCK = threading.RLock()
_CHATTY = (
    "mlflow.store.db.utils",
    "alembic.runtime.migration",
    "alembic",
    "alembic.runtime.plugins",
    # That an input example is checked.
    "mlflow.pyfunc",
    "urllib3.connectionpool",
)
_HUSHED: set[int] = set()


@contextmanager
def quiet() -> Iterator[None]:
    """Run a block without the deprecation warnings of MLflow's dependencies and the log lines of its migrations.

    Under ``-W error`` they would end the call. For the thread of the caller, and not while another one may be changing
    the filters; a worker calls :func:`hush_this_thread` instead.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loggers = [logging.getLogger(name) for name in _CHATTY]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


class _OnHushedThread(type):
    def __subclasscheck__(cls, category: type) -> bool:
        return threading.get_ident() in _HUSHED


class _HushedWarning(Warning, metaclass=_OnHushedThread):
    """The category of any warning that comes up on a hushed thread, and of none elsewhere."""


def hush_this_thread() -> None:
    """Drop the warnings and the chatty log lines that come up on this thread, and on no other.

    A worker cannot use ``warnings.catch_warnings``: it saves and restores filters that all threads share, and whoever
    does the same on another thread would be left with the worker's. One more filter that matches on this thread alone
    disturbs nobody. Cheap: call it before every use, since others restore filters without it.
    """
    _HUSHED.add(threading.get_ident())
    if not warnings.filters or warnings.filters[0][2] is not _HushedWarning:
        warnings.simplefilter("ignore", _HushedWarning)
    for name in _CHATTY:
        logger = logging.getLogger(name)
        if _not_hushed not in logger.filters:
            logger.addFilter(_not_hushed)


def unhush_this_thread() -> None:
    """Forget this thread before it ends: its number may be given to another."""
    _HUSHED.discard(threading.get_ident())


def _not_hushed(record: logging.LogRecord) -> bool:
    return record.thread not in _HUSHED
