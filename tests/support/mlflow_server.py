"""A real ``mlflow server`` of its own process, to be killed and started again."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path


@contextlib.contextmanager
def quiet():
    """MLflow's own imports and calls warn; in a test the test is the caller."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make_store(path):
    """Make a SQLite store with MLflow's tables; takes seconds, so copy it where a fresh one is wanted."""
    with quiet():
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{Path(path).as_posix()}")
        client._tracking_client.store.engine.dispose()
    return path


class Server:
    """A server on a port of its own, on SQLite and a folder."""

    def __init__(self, folder, store=None):
        self.folder = Path(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process = None
        if store is not None:
            shutil.copy(store, self.folder / "mlflow.db")

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder.as_posix()}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "a")]
        # Its background jobs are of no use here, and start a process of their own.
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        log = self.folder / "log"
        with log.open("a") as output:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        # Importing MLflow's server takes minutes on a machine that is busy.
        for _ in range(1800):
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.uri}/health", timeout=2).close()
                return
            time.sleep(0.2)
        self.kill()
        raise RuntimeError(log.read_text())

    def kill(self):
        """SIGKILL the server and the workers it has forked: its session, which this one started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
            self.process = None
