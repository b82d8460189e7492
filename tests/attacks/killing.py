"""Kills writers of one bundle, again and again, and looks at what is left each time.

``python killing.py FOLDER KILLS`` prints a JSON line. The loop runs in a process of its own that forks its writers: they
start at once, with everything imported.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradewright.bundle import atomic, bundle, read_bundle, write_bundle

SIZE = 400_000


def content(number: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    return {"n": number}, {"p.bin": bytes([number % 251]) * SIZE, "q.bin": bytes([number % 241]) * 99}


def writer(path: Path) -> None:
    """Write bundle after bundle, for ever."""
    number = 0
    while True:
        number += 1
        write_bundle(path, *content(number))


def check(path: Path) -> int:
    """The number of the bundle at the path, after comparing it with what was written under that number."""
    found = read_bundle(path)
    number = int(found.manifest["n"])
    assert found.payloads == content(number)[1]
    return number


def forked(work: Callable[[], Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(3)
    return pid


def killed_at_random(path: Path, kills: int, seed: int) -> dict[str, int]:
    """SIGKILL after a random part of a few writes' time."""
    chance = random.Random(seed)
    write_bundle(path, *content(0))
    begun = time.perf_counter()
    for _ in range(5):
        write_bundle(path, *content(0))
    one = (time.perf_counter() - begun) / 5
    old = left_behind = 0
    for _ in range(kills):
        write_bundle(path, *content(0))
        pid = forked(lambda: writer(path))
        time.sleep(chance.uniform(0, 3 * one))
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        old += check(path) == 0
        leftovers = [entry for entry in path.parent.iterdir() if entry != path]
        assert all(entry.name.endswith(".tw.tmp") for entry in leftovers)
        left_behind += len(leftovers)
        for entry in leftovers:
            entry.unlink()
    return {"kills": kills, "old_bundle": old, "new_bundle": kills - old, "temporary_files_left": left_behind}


def killed_at_steps(path: Path) -> dict[str, int]:
    """SIGKILL right before and right after each step of one write; which bundle is there then."""
    steps: list[tuple[Any, str]] = [
        (bundle, "write_archive"),
        (bundle, "check_written"),
        (os, "fsync"),
        (os, "replace"),
        (atomic, "_sync_folder"),
    ]
    found = {}
    for holder, name in steps:
        for moment in ("before", "after"):
            write_bundle(path, *content(0))
            honest = getattr(holder, name)

            def deadly(*args: Any, honest: Any = honest, moment: str = moment, **kwargs: Any) -> None:
                if moment == "after":
                    honest(*args, **kwargs)
                os.kill(os.getpid(), signal.SIGKILL)

            def work(holder: Any = holder, name: str = name, deadly: Any = deadly) -> None:
                setattr(holder, name, deadly)
                write_bundle(path, *content(1))

            assert os.waitpid(forked(work), 0)[1] == signal.SIGKILL, name
            found[f"{moment} {name.lstrip('_')}"] = check(path)
    return found


if __name__ == "__main__":
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    result: dict[str, Any] = killed_at_random(folder / "random.tw", kills, seed=kills)
    result["steps"] = killed_at_steps(folder / "steps.tw")
    print(json.dumps(result))
