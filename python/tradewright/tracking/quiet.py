"""Calls into MLflow, with its warnings and log lines kept away from the user."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

# The warning filters are global to the process: two threads that save and restore them must not interleave.
_LOCK = threading.RLock()
_CHATTY = (
    "mlflow.store.db.utils",
    "alembic.runtime.migration",
    "alembic",
    # That an input example is checked.
    "mlflow.pyfunc",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Run a block without the deprecation warnings of MLflow's dependencies and the log lines of its migrations.

    They are about code the user cannot change, and under ``-W error`` they would end the call.
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
