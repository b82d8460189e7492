"""Ours: a queue, a worker and batches."""

from __future__ import annotations

from collections.abc import Mapping

from tradewright.tracking import connect

PACKAGE = "tradewright"


class Logger:
    """A run of ours; ``close`` returns when everything is in the store."""

    def __init__(self, uri: str, folder: str) -> None:
        client = connect(uri, spool=folder)
        assert client is not None
        self.run = client.start_run("bench")

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self.run.log_metrics(metrics, step)

    def flush(self) -> None:
        self.run.flush()

    def close(self) -> None:
        self.run.close("FINISHED")
        if self.run.spool is not None and self.run.run_id is not None:
            raise RuntimeError("not everything is in the store")
