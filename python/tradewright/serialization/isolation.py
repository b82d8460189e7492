"""Parse a stranger's model in a process of its own first, so that a file that kills its parser kills nothing else.

LightGBM, XGBoost, CatBoost and the like parse in C++, and a crafted file can end the process. The child parses what the
parent has verified, under limits of time and memory, and answers with one line of JSON: nothing it says is unpickled.
Only then does the parent parse the same bytes. This stops crashes, hangs and floods of memory; against a file that
takes over the parser and bides its time, only a signature by someone you trust helps.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tradewright import errors
from tradewright.bundle import Bundle
from tradewright.errors import IntegrityError, ModelLoadError

__all__ = ["SECONDS", "parse_elsewhere"]

#: The processor time a child may take, most of which is importing the library; a large model is given more.
SECONDS = 60.0
_SECONDS_PER_MIB = 0.5
#: By the clock it may take so many times that: the machine may be busy with other things.
_PATIENCE = 10
#: Memory a child may take beside what the library's import needs: so many times the payloads, and this much at least.
_MEMORY_FACTOR, _LEAST_MEMORY = 32, 4 << 30
_HEAD = struct.Struct("<Q")


def parse_elsewhere(bundle: Bundle, path: Path, *, seconds: float | None = None) -> None:
    """Rebuild the model of a verified bundle in a child process, and forget it.

    Raises
    ------
    IntegrityError
        When the child died of a signal.
    ModelLoadError
        When it took too long or too much memory, and whatever rebuilding the model raised.
    """
    size = sum(map(len, bundle.payloads.values()))
    if seconds is None:
        seconds = SECONDS + _SECONDS_PER_MIB * (size >> 20)
    head = {
        "manifest": bundle.manifest,
        "payloads": {name: len(data) for name, data in bundle.payloads.items()},
        "path": str(path),
        "seconds": seconds,
        "memory": max(_LEAST_MEMORY, _MEMORY_FACTOR * size),
    }
    text = json.dumps(head).encode()
    message = b"".join([_HEAD.pack(len(text)), text, *bundle.payloads.values()])
    command = [sys.executable, "-c", "from tradewright.serialization.isolation import child; child()"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONFAULTHANDLER": "",
        "OMP_NUM_THREADS": "1",
    }
    patience = seconds * _PATIENCE
    try:
        done = subprocess.run(
            command, input=message, capture_output=True, timeout=patience, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise _too_slow(path, f"{patience:.0f} s") from None
    _judge(done, path, seconds)


def _too_slow(path: Path, limit: str) -> ModelLoadError:
    return ModelLoadError(
        f"{path}: parsing it in a process of its own took more than {limit} and was stopped. If you know who wrote it,"
        " load it without isolate=True",
        code="bundle.isolated_timeout",
        path=str(path),
    )


def _judge(done: subprocess.CompletedProcess[bytes], path: Path, seconds: float) -> None:
    if done.returncode < 0 or done.returncode > 128:
        number = -done.returncode if done.returncode < 0 else done.returncode - 128
        if number == getattr(signal, "SIGXCPU", None):
            raise _too_slow(path, f"{seconds:.0f} s of processor time")
        raise IntegrityError(
            f"{path} is damaged or crafted: parsing it ended the process that tried, by {_signal_name(number)}. Don't load"
            " it",
            code="bundle.isolated_crash",
            path=str(path),
            signal=number,
        )
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
        name, message, code = answer["error"], str(answer["message"]), str(answer["code"])
    except (ValueError, LookupError, TypeError):
        tail = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ModelLoadError(
            f"{path}: the process that was to parse it gave no answer{': ' + tail[0][:300] if tail else ''}. Don't load it",
            code="bundle.isolated_silent",
            path=str(path),
        ) from None
    if name is None:
        return
    found: Any = getattr(errors, str(name), None)
    is_ours = isinstance(found, type) and issubclass(found, ModelLoadError | errors.MissingExtraError)
    kind: type[errors.TradewrightError] = found if is_ours else ModelLoadError
    raise kind(message, code=code, path=str(path))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit status {number}"


def child() -> None:
    """Read one bundle from standard input, rebuild its model, answer with one line: what the child process runs."""
    # What a parser prints must not be taken for the answer.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    source = sys.stdin.buffer
    head = json.loads(source.read(_HEAD.unpack(source.read(_HEAD.size))[0]))
    payloads = {name: source.read(length) for name, length in head["payloads"].items()}
    _limit(head)
    answer: dict[str, Any] = {"error": None, "message": "", "code": ""}
    try:
        _rebuild(head["manifest"], payloads, Path(head["path"]))
    except errors.TradewrightError as error:
        answer = {"error": type(error).__name__, "message": str(error), "code": error.code}
    except MemoryError:
        answer = {
            "error": "ModelLoadError",
            "message": f"{head['path']}: parsing it took more than {head['memory'] >> 20} MiB of memory. Don't load it",
            "code": "bundle.isolated_memory",
        }
    out.write(json.dumps(answer) + "\n")
    out.flush()
    # Libraries' own clean-up at exit is no part of the answer.
    os._exit(0)


def _rebuild(manifest: Mapping[str, Any], payloads: dict[str, bytes], path: Path) -> None:
    from tradewright.serialization.formats.base import Loading
    from tradewright.serialization.formats.native import parse_payload

    model: Any = parse_payload(Bundle(dict(manifest), payloads), Loading(path))
    # Some files are read and end the process when they are used.
    if not model.reads_history and isinstance(names := manifest.get("metadata", {}).get("feature_names"), list):
        with contextlib.suppress(Exception):
            model.predict(np.zeros((2, len(names))))


def _limit(head: Mapping[str, Any]) -> None:
    """Bound memory, time and files of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is what remains
        return
    seconds = max(int(head["seconds"]), 1)
    wanted = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_CPU": seconds, "RLIMIT_DATA": int(head["memory"])}
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # At the hard limit of processor time the signal is SIGKILL, which would look like another end.
        resource.setrlimit(
            number, (most, most + 5 if name == "RLIMIT_CPU" and hard == resource.RLIM_INFINITY else most)
        )
