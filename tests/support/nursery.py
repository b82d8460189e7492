"""Scripts as forks of one process that has imported everything: each a process of its own, without the seconds of imports.

For tests that send a process signals and look at how it ends. POSIX only. The process itself runs
``python nursery.py MODULE …``; it forks for each request, one a line as JSON, and waits for its children when asked to.
"""

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path


class Nursery:
    """The process that forks; to be closed."""

    def __init__(self, *modules):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        self._process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._process.stdout.readline() == "ready\n"

    def start(self, folder, script, *arguments):
        """Run a script of this folder in a fork; what it prints goes into files of ``folder``."""
        out, err = (Path(folder) / f"{Path(script).stem}.{name}" for name in ("out", "err"))
        for path in (out, err):
            path.write_bytes(b"")
        script = str(Path(__file__).parent / script)
        pid = self.ask({"argv": [script, *map(str, arguments)], "out": str(out), "err": str(err)})
        return Fork(self, pid, out, err)

    def ask(self, request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(60) == 0


class Fork:
    """A running script, with the face of ``subprocess.Popen`` as far as tests need it."""

    def __init__(self, nursery, pid, out, err):
        self._nursery, self.pid, self._out, self._err = nursery, pid, out, err
        self.returncode = None

    def first_line(self, seconds=300):
        """What the script says first, once it has; what went wrong where it ends before."""
        until = time.monotonic() + seconds
        while "\n" not in (said := self._out.read_text()) and time.monotonic() < until:
            if self._nursery.ask({"poll": self.pid}):
                return self._out.read_text() or self._err.read_text()
            time.sleep(0.02)
        return said.partition("\n")[0]

    def send_signal(self, signum):
        os.kill(self.pid, signum)

    def communicate(self, timeout):
        """Wait for the end; return what was printed to both streams."""
        until = time.monotonic() + timeout
        while not self._nursery.ask({"poll": self.pid}):
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"process {self.pid} did not end within {timeout} s: {self._err.read_text()}")
            time.sleep(0.02)
        self.returncode = self._nursery.ask({"wait": self.pid})
        return self._out.read_text(), self._err.read_text()


def main():
    for name in sys.argv[1:]:
        importlib.import_module(name)
    print("ready", flush=True)
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "poll" in request:  # whether it has ended; it can still be waited for
            ended = os.waitid(os.P_PID, request["poll"], os.WEXITED | os.WNOHANG | os.WNOWAIT)
            answer = int(ended is not None)
        elif "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            become(request)
            return
        print(answer, flush=True)


def become(request):
    """Run the script as if this process had been started for it; the interpreter ends as always after it."""
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["out"], os.O_WRONLY),
        (2, request["err"], os.O_WRONLY),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = request["argv"]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
