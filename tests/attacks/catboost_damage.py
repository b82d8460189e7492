"""Tries CatBoost payloads that are cut off or flipped at many places, in forks; prints how each ended as JSON.

``python catboost_damage.py BUNDLE``. The digests are the forger's, so that CatBoost's parser sees what is wrong. What
``isolate=True`` starts as a new process is a fork here, with the library imported: the same limits, and an exit of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from forging import flipped

import tradewright as tw
from tradewright.bundle import Bundle, read_bundle
from tradewright.errors import ModelLoadError
from tradewright.serialization import isolation

NAME = "model.cbm"
CUTS, FLIPS = 20, 60


def forked(command: list[str], *, input: bytes, **_: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: A002
    """What subprocess.run does for the isolation."""
    (asked, ask), (told, tell) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        for number, end in ((0, asked), (1, tell), (2, os.open(os.devnull, os.O_WRONLY))):
            os.dup2(end, number)
        for end in (ask, told):
            os.close(end)
        sys.stdin = os.fdopen(0)
        try:
            isolation.child()  # ends the process
        finally:
            os._exit(3)
    os.close(asked)
    os.close(tell)
    with os.fdopen(ask, "wb") as end:
        end.write(input)
    with os.fdopen(told, "rb") as end:
        answer = end.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return subprocess.CompletedProcess(command, code, answer, b"")


def ended(honest: Bundle, data: bytes) -> list[str]:
    """The error that a payload ends in, with its code, or that it loads."""
    try:
        isolation.parse_elsewhere(Bundle(honest.manifest, {NAME: data}), Path("damaged.tw"))
    except ModelLoadError as error:
        return [type(error).__name__, error.code]
    return ["loads", ""]


def main() -> None:
    warnings.simplefilter("ignore")
    honest = read_bundle(sys.argv[1])
    raw = honest.payloads[NAME]
    tw.load_model(sys.argv[1])  # imports the library, for all forks
    isolation.subprocess.run = forked  # type: ignore[assignment]
    chance = np.random.default_rng(0)
    found = {"whole": ended(honest, raw)}
    for place in np.linspace(0, len(raw) - 1, CUTS).astype(int).tolist():
        found[f"cut at {place}"] = ended(honest, raw[:place])
    for place in np.linspace(0, len(raw) - 1, FLIPS).astype(int).tolist():
        mask = 1 << int(chance.integers(8))
        found[f"flipped at {place} by {mask}"] = ended(honest, flipped(raw, place, mask))
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # the library's own end is no part of this


if __name__ == "__main__":
    main()
