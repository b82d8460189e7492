"""Shorter limits for MLflow's requests on one thread; everybody else keeps those of the environment."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["bounded_requests"]

#: What holds on a bounded thread. MLflow's own are 7 retries, and 120 s for each try: a quarter of an hour a call.
LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": 1, "MLFLOW_HTTP_REQUEST_TIMEOUT": 20}
_THREAD = threading.local()
_PATCHING = threading.Lock()


class _Limit:
    """A setting of MLflow's with a value of its own on bounded threads, unless the user has set it."""

    def __init__(self, setting: Any, value: int) -> None:
        self._setting, self._value = setting, value

    def get(self) -> Any:
        bounded = getattr(_THREAD, "is_bounded", False) and not self._setting.is_set()
        return self._value if bounded else self._setting.get()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._setting, name)

    def __str__(self) -> str:
        return str(self._setting)


@contextmanager
def bounded_requests() -> Iterator[None]:
    """Run a block whose requests to a tracking server end within a minute, whatever the server does.

    MLflow reads its limits from the environment, which all threads share, and has none for a client. So the two settings
    are wrapped where MLflow's HTTP code looks them up; they answer as before on every thread but those in this block.
    Where a later MLflow has moved them, its own limits hold: slower, and nothing else.
    """
    _wrap()
    _THREAD.is_bounded = True
    try:
        yield
    finally:
        _THREAD.is_bounded = False


def _wrap() -> None:
    module = importlib.import_module("mlflow.utils.rest_utils")
    with _PATCHING:
        for name, value in LIMITS.items():
            setting = getattr(module, name, None)
            if hasattr(setting, "is_set") and not isinstance(setting, _Limit):
                setattr(module, name, _Limit(setting, value))
