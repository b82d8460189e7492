"""A tracking store in memory that enforces MLflow's limits, behind the part of MlflowClient's face we use."""

import itertools
import re
from pathlib import Path
from types import SimpleNamespace

_NAME = re.compile(r"[A-Za-z0-9_\-. /:]+")


class StoreError(Exception):
    """What MLflow would raise."""


class FakeClient:
    """Refuses what MLflow refuses; ``dies_after`` calls everything fails, ``broken`` names methods that always do."""

    def __init__(self, tracking_uri="fake:", dies_after=None, broken=()):
        self.tracking_uri = tracking_uri
        self.experiments, self.runs, self.calls = {}, {}, []
        self.dies_after, self.broken = dies_after, set(broken)
        self._ids = itertools.count(1)

    def _called(self, name):
        self.calls.append(name)
        if name in self.broken or (self.dies_after is not None and len(self.calls) > self.dies_after):
            raise ConnectionError(f"the store is gone ({name})")

    def get_experiment_by_name(self, name):
        self._called("get_experiment_by_name")
        return self.experiments.get(name)

    def create_experiment(self, name, artifact_location=None):
        self._called("create_experiment")
        if name in self.experiments:
            raise StoreError("RESOURCE_ALREADY_EXISTS")
        number = str(next(self._ids))
        self.experiments[name] = SimpleNamespace(
            experiment_id=number, lifecycle_stage="active", artifact_location=artifact_location
        )
        return number

    def create_run(self, experiment_id, start_time=None, tags=None, run_name=None):
        self._called("create_run")
        number = f"run{next(self._ids)}"
        self.runs[number] = SimpleNamespace(
            info=SimpleNamespace(run_id=number, status="RUNNING", run_name=run_name),
            experiment_id=experiment_id,
            metrics=[],
            params={},
            tags={},
            artifacts={},
        )
        for key, value in (tags or {}).items():
            self._tag(number, key, value)
        return self.runs[number]

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        self._called("log_batch")
        run = self._open(run_id)
        if len(metrics) > 1000 or len(params) > 100 or len(tags) > 100 or len(metrics) + len(params) + len(tags) > 1000:
            raise StoreError("a batch holds at most 1000 metrics, 100 params, 100 tags")
        for metric in metrics:
            self._key(metric.key)
            run.metrics.append((metric.key, metric.value, metric.step))
        for param in params:
            self._key(param.key)
            if len(param.value) > 6000:
                raise StoreError(f"param {param.key} is too long")
            if run.params.setdefault(param.key, param.value) != param.value:
                raise StoreError(f"param {param.key} is already logged with another value")
        for tag in tags:
            self._tag(run_id, tag.key, tag.value)

    def log_artifact(self, run_id, local_path, artifact_path=None):
        self._called("log_artifact")
        path = Path(local_path)
        self._open(run_id).artifacts[path.name] = path.read_bytes()

    def log_text(self, run_id, text, artifact_file):
        self._called("log_text")
        self._open(run_id).artifacts[artifact_file] = text.encode()

    def set_terminated(self, run_id, status=None, end_time=None):
        self._called("set_terminated")
        if status not in ("FINISHED", "FAILED", "KILLED"):
            raise StoreError(f"no such status: {status}")
        self._open(run_id).info.status = status

    def _open(self, run_id):
        run = self.runs[run_id]
        if run.info.status != "RUNNING":
            raise StoreError(f"{run_id} has ended")
        return run

    def _tag(self, run_id, key, value):
        self._key(key)
        if not isinstance(value, str) or len(value) > 8000:
            raise StoreError(f"tag {key} must be a text of at most 8000 characters")
        self.runs[run_id].tags[key] = value

    @staticmethod
    def _key(key):
        if not 0 < len(key) <= 250 or not _NAME.fullmatch(key) or key.startswith("/") or ".." in key:
            raise StoreError(f"no valid name: {key!r}")
