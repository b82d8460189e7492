"""Whether a store can be reached at all: MLflow itself would retry for minutes, and a database for an hour."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import ssl
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Literal

__all__ = ["kind_of", "masked", "sqlite_path", "unreachable"]

PROBE_SECONDS = 1.0
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def unreachable(uri: str, seconds: float = PROBE_SECONDS) -> str | None:
    """Say why the store at ``uri`` cannot be reached; None when it can, or when there is no telling.

    A tracking server is asked once for ``/health``, and any answer counts, also a refusal: it is there. One that takes
    the connection and says nothing is not. A database server is only connected to. A SQLite file is opened for writing.
    """
    scheme = urllib.parse.urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return _server(uri, seconds)
    if scheme.partition("+")[0] == "sqlite":
        path = sqlite_path(uri)
        return None if path is None else _file(path)
    port = _PORTS.get(scheme.partition("+")[0])
    return None if port is None else _port(uri, port, seconds)


def kind_of(uri: str) -> Literal["server", "database", "local"]:
    """Say whether a store is a tracking server, a database over a network, or neither: what may be slow to answer."""
    scheme = urllib.parse.urlsplit(uri).scheme.partition("+")[0]
    if scheme in ("http", "https") or uri.startswith("databricks"):
        return "server"
    return "database" if scheme in _PORTS else "local"


def masked(uri: str) -> str:
    """Return a URI to be shown: without the password that may be in it.

    Examples
    --------
    >>> masked("postgresql://me:secret@host/mlflow")
    'postgresql://me:***@host/mlflow'
    """
    return re.sub(r"(://[^/:@]*):[^/@]*@", r"\1:***@", uri)


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a SQLite store; None for a store in memory and for other stores."""
    scheme, _, rest = uri.partition(":///")
    path = rest.partition("?")[0]
    if scheme.partition("+")[0] != "sqlite" or path in ("", ":memory:"):
        return None
    return Path(path)


def _server(uri: str, seconds: float) -> str | None:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except urllib.error.URLError as error:
        # MLflow may be set up to accept a certificate that we do not.
        return None if isinstance(error.reason, ssl.SSLError) else f"does not answer: {error.reason}"
    except TimeoutError:
        return f"does not answer within {seconds:g} s"
    except (OSError, ValueError) as error:
        return f"does not answer: {error}"


def _port(uri: str, port: int, seconds: float) -> str | None:
    try:
        parts = urllib.parse.urlsplit(uri)
        if parts.hostname is None:
            return None
        socket.create_connection((parts.hostname, parts.port or port), timeout=seconds).close()
    except (OSError, ValueError) as error:
        return f"does not answer: {error}"
    return None


def _file(path: Path) -> str | None:
    """Say why a SQLite file cannot be written. Makes nothing: MLflow creates the file and the folders above it."""
    if path.exists():
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
                connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.DatabaseError as error:
            if "locked" not in str(error):
                return f"cannot be read as a SQLite database: {error}"
        return None if os.access(path, os.W_OK) else "is read-only"
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return f"cannot be made: {folder} is a file"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"cannot be made: {folder} is read-only"
