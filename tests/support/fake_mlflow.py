"""A tracking store in memory that enforces MLflow's limits, behind the part of MlflowClient's face we use.

Its rules are those of MLflow 3.17: ``mlflow/utils/validation.py`` and ``mlflow/store/tracking/sqlalchemy_store.py``.
``tests/integration/test_mlflow_limits.py`` holds it against the real one.
"""

import itertools
import json
import math
import posixpath
import re
import threading
from pathlib import Path
from types import SimpleNamespace

_NAME = re.compile(r"[/\w.\- :]*")
LARGEST = 1.7976931348623157e308


class StoreError(Exception):
    """What MLflow would raise: it carries an error code."""

    def __init__(self, message, error_code="INVALID_PARAMETER_VALUE"):
        super().__init__(message)
        self.error_code = error_code


class FakeClient:
    """Refuses what MLflow refuses.

    ``dies_after`` calls everything fails; ``broken`` names methods that always do, ``refuses`` those that say no for
    good. While ``down`` is set everything fails; while ``hangs`` is cleared every call waits for it.
    """

    def __init__(self, tracking_uri="fake:", dies_after=None, broken=(), refuses=(), drops_doubles=True):
        self.tracking_uri = tracking_uri
        self.experiments, self.runs, self.models, self.registered, self.calls = {}, {}, {}, {}, []
        self.dies_after, self.broken, self.refuses = dies_after, set(broken), set(refuses)
        self.drops_doubles = drops_doubles
        self.down = False
        self.answers = threading.Event()
        self.answers.set()
        #: Called with its name after a call was done: raising there is an answer that got lost.
        self.after = lambda name: None
        self._ids = itertools.count(1)

    def _called(self, name):
        self.calls.append(name)
        self.answers.wait()
        if self.down or name in self.broken or (self.dies_after is not None and len(self.calls) > self.dies_after):
            raise ConnectionError(f"the store is gone ({name})")
        if name in self.refuses:
            raise StoreError(f"{name} is refused")

    # --- experiments and runs -------------------------------------------------------------------------------------

    def get_experiment_by_name(self, name):
        self._called("get_experiment_by_name")
        return self.experiments.get(name)

    def create_experiment(self, name, artifact_location=None):
        self._called("create_experiment")
        if name in self.experiments:
            raise StoreError("exists", "RESOURCE_ALREADY_EXISTS")
        number = str(next(self._ids))
        self.experiments[name] = SimpleNamespace(
            experiment_id=number, lifecycle_stage="active", artifact_location=artifact_location
        )
        return number

    def create_run(self, experiment_id, start_time=None, tags=None, run_name=None):
        self._called("create_run")
        number = f"run{next(self._ids)}"
        info = SimpleNamespace(
            run_id=number,
            status="RUNNING",
            run_name=run_name,
            start_time=start_time,
            end_time=None,
            experiment_id=experiment_id,
        )
        run = SimpleNamespace(
            info=info, seen=set(), metrics=[], params={}, tags={}, artifacts={}, datasets=[], outputs=SimpleNamespace()
        )
        run.outputs.model_outputs = []
        self.runs[number] = run
        for key, value in (tags or {}).items():
            self._tag(number, key, value)
        self.after("create_run")
        return run

    def get_run(self, run_id):
        self._called("get_run")
        if run_id not in self.runs:
            raise StoreError(f"no run {run_id}", "RESOURCE_DOES_NOT_EXIST")
        return self.runs[run_id]

    def search_runs(self, experiment_ids, filter_string="", max_results=1000):
        self._called("search_runs")
        key, value = re.fullmatch(r"tags\.`(.+)` = '(.+)'", filter_string).groups()
        runs = [run for run in self.runs.values() if run.info.experiment_id in experiment_ids]
        return [run for run in runs if run.tags.get(key) == value][:max_results]

    def set_terminated(self, run_id, status=None, end_time=None):
        self._called("set_terminated")
        if status not in ("FINISHED", "FAILED", "KILLED"):
            raise StoreError(f"no such status: {status}")
        info = self._run(run_id).info
        info.status, info.end_time = status, end_time
        self.after("set_terminated")

    # --- metrics, params, tags ------------------------------------------------------------------------------------

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        self._called("log_batch")
        run = self._run(run_id)
        if len(metrics) > 1000 or len(params) > 100 or len(tags) > 100 or len(metrics) + len(params) + len(tags) > 1000:
            raise StoreError("a batch holds at most 1000 metrics, 100 params, 100 tags, 1000 in all")
        if len(json.dumps([vars(entity) for entity in (*metrics, *params, *tags)])) > 1_000_000:
            raise StoreError("a request holds at most 1 MB")
        for entity in (*metrics, *params, *tags):
            self._key(entity.key)
        for param in params:
            if len(param.value) > 6000:
                raise StoreError(f"param {param.key} is too long")
            if run.params.get(param.key, param.value) != param.value:
                raise StoreError(f"changing param {param.key} is not allowed")
        if len({param.key for param in params}) < len(params):
            raise StoreError("a param is there twice")
        run.params.update({param.key: param.value for param in params})
        for metric in metrics:
            value = metric.value
            if math.isinf(value):  # a database has no infinity
                value = math.copysign(LARGEST, value)
            point = (metric.key, value, metric.timestamp, metric.step)
            if not self.drops_doubles or repr(point) not in run.seen:
                run.seen.add(repr(point))
                run.metrics.append(point)
        for tag in tags:
            self._tag(run_id, tag.key, tag.value)
        self.after("log_batch")

    def get_metric_history(self, run_id, key):
        self._called("get_metric_history")
        return [
            SimpleNamespace(key=k, value=value, timestamp=at, step=step)
            for k, value, at, step in self._run(run_id).metrics
            if k == key
        ]

    # --- artifacts, data, models ----------------------------------------------------------------------------------

    def log_artifact(self, run_id, local_path, artifact_path=None):
        self._called("log_artifact")
        path = Path(local_path)
        name = path.name if artifact_path is None else f"{artifact_path}/{path.name}"
        self._run(run_id).artifacts[name] = path.read_bytes()

    def log_artifacts(self, run_id, local_dir, artifact_path=None):
        self._called("log_artifacts")
        self._run(run_id).artifacts.update(_files(local_dir, artifact_path))

    def log_text(self, run_id, text, artifact_file):
        self._called("log_text")
        self._run(run_id).artifacts[artifact_file] = text.encode()

    def log_inputs(self, run_id, datasets=None, models=None):
        self._called("log_inputs")
        run = self._run(run_id)
        for given in datasets:
            data = given.dataset
            if not 0 < len(data.digest) <= 36 or not 0 < len(data.name) <= 500:
                raise StoreError("a digest has at most 36 characters, a name 500")
            if all((data.name, data.digest) != (old.dataset.name, old.dataset.digest) for old in run.datasets):
                run.datasets.append(given)

    def create_logged_model(self, experiment_id, name=None, source_run_id=None, tags=None, params=None):
        self._called("create_logged_model")
        number = f"m-{next(self._ids)}"
        self.models[number] = SimpleNamespace(
            model_id=number,
            name=name,
            experiment_id=experiment_id,
            source_run_id=source_run_id,
            status="PENDING",
            tags=dict(tags or {}),
            params=dict(params or {}),
            artifacts={},
            artifact_location=f"models/{number}",
        )
        self.after("create_logged_model")
        return self.models[number]

    def search_logged_models(self, experiment_ids, filter_string=""):
        self._called("search_logged_models")
        key, value = re.fullmatch(r"tags\.`(.+)` = '(.+)'", filter_string).groups()
        return [model for model in self.models.values() if model.tags.get(key) == value]

    def log_model_artifacts(self, model_id, local_dir):
        self._called("log_model_artifacts")
        self.models[model_id].artifacts.update(_files(local_dir, None))

    def finalize_logged_model(self, model_id, status):
        self._called("finalize_logged_model")
        self.models[model_id].status = status

    def set_logged_model_tags(self, model_id, tags):
        self._called("set_logged_model_tags")
        self.models[model_id].tags.update(tags)

    def log_outputs(self, run_id, models):
        self._called("log_outputs")
        self._run(run_id).outputs.model_outputs += models  # a database keeps doubles
        self.after("log_outputs")

    def search_registered_models(self, filter_string="", max_results=100):
        self._called("search_registered_models")
        name = re.fullmatch(r"name = '(.+)'", filter_string).group(1)
        return [self.registered[name]] if name in self.registered else []

    def create_registered_model(self, name):
        self._called("create_registered_model")
        if name in self.registered:
            raise StoreError("exists", "RESOURCE_ALREADY_EXISTS")
        self.registered[name] = SimpleNamespace(name=name, versions=[], aliases={})

    def search_model_versions(self, filter_string=""):
        self._called("search_model_versions")
        name, run_id = re.fullmatch(r"name = '(.+)' and run_id = '(.+)'", filter_string).groups()
        return [version for version in self.registered[name].versions if version.run_id == run_id]

    def create_model_version(self, name, source, run_id=None, await_creation_for=300, model_id=None):
        self._called("create_model_version")
        versions = self.registered[name].versions
        versions.append(SimpleNamespace(version=str(len(versions) + 1), source=source, run_id=run_id))
        self.after("create_model_version")
        return versions[-1]

    def set_registered_model_alias(self, name, alias, version):
        self._called("set_registered_model_alias")
        self.registered[name].aliases[alias] = version

    # --- rules ----------------------------------------------------------------------------------------------------

    def _run(self, run_id):
        return self.runs[run_id]

    def _tag(self, run_id, key, value):
        self._key(key)
        if not isinstance(value, str) or len(value) > 8000:
            raise StoreError(f"tag {key} must be a text of at most 8000 characters")
        self.runs[run_id].tags[key] = value

    @staticmethod
    def _key(key):
        norm = posixpath.normpath(key)
        if not _NAME.fullmatch(key) or norm != key or norm == "." or norm.startswith(("..", "/")):
            raise StoreError(f"no valid name: {key!r}")
        if not 0 < len(key) <= 250:
            raise StoreError(f"a name has at most 250 characters: {key!r}")


def _files(folder, under):
    root = Path(folder)
    prefix = "" if under is None else f"{under}/"
    return {
        f"{prefix}{path.relative_to(root).as_posix()}": path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
