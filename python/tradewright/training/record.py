"""What is written down of a training: its parameters, its result, its files."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tradewright
from tradewright.base import BaseModel
from tradewright.errors import UnsupportedError
from tradewright.runtime.environment import git_sha
from tradewright.tracking import TrackingRun
from tradewright.tracking.pyfunc_flavour import save_pyfunc
from tradewright.training.data import TrainingData
from tradewright.training.dataset_facts import dataset_inputs
from tradewright.training.drawn import plots_of
from tradewright.training.fold_facts import fold_params
from tradewright.training.model_example import model_example
from tradewright.training.result import Status, TrainingResult, best_turn, metrics_at
from tradewright.training.run_description import describe_run

if TYPE_CHECKING:
    from tradewright.training.session import TrainingSession

__all__ = ["config_of", "log_start", "result_of", "run_name", "run_tags", "write_files"]

#: The model of a run: ``runs:/<run id>/model``.
MODEL_NAME = "model"
#: What libraries call the loss they train on; ours comes first.
_LOSS_NAMES = ("loss", "objective", "loss_function")


def run_name(model: BaseModel, data: TrainingData) -> str:
    """Return what a tracking server calls the run of a training."""
    return model.display_name + ("" if data.fold is None else f" fold {data.fold}")


def run_tags(model: BaseModel, data: TrainingData, seed: int) -> dict[str, Any]:
    """Return what runs are searched by; see the page on tracking."""
    return {
        "framework": model.framework,
        "model": model.display_name,
        "task": model.task,
        "loss": _loss_of(model.hyperparameters),
        "status": "running",
        "seed": seed,
        "fold": data.fold,
        "plan_digest": data.facts.get("plan_digest"),
        "data_fingerprint": data.facts.get("data_fingerprint"),
        "tradewright_version": tradewright.__version__,
        "git_sha": git_sha(),
    }


def _loss_of(hyperparameters: Mapping[str, Any]) -> str | None:
    """Return the name of the loss among the parameters of a model, whatever its library calls it."""
    found = next((hyperparameters[name] for name in _LOSS_NAMES if hyperparameters.get(name)), None)
    if not isinstance(found, str):
        return None
    if found.startswith("{"):  # one of ours, with its parameters
        found = json.loads(found).get("loss", found)
    return str(found)


def log_start(session: TrainingSession) -> None:
    """Log the parameters of the training and the rows it reads to its tracking run."""
    run = session.tracking_run
    if run is None:
        return
    data = session.data
    facts = {name: data.facts[name] for name in ("fold", "plan_digest", "data_fingerprint") if name in data.facts}
    if "time_range" in data.facts:
        facts["train_time"] = " … ".join(data.facts["time_range"])
    run.log_params(
        {
            "model": session.model.display_name,
            "model_class": type(session.model).__name__,
            "n_rows": len(data.train),
            "n_val_rows": 0 if data.val is None else len(data.val),
            "n_features": len(data.train.feature_names),
            **facts,
            **(fold_params(data.geometry) if data.geometry else {}),
            **session.model.hyperparameters,
        }
    )
    for given in dataset_inputs(data):
        run.log_dataset(**given)
    resumed = session.plan.resumed
    if resumed is not None:
        run.set_tags({"resumed_from": str(resumed.path), "resumed_epoch": resumed.resume.epoch})


def result_of(session: TrainingSession, status: Status) -> TrainingResult:
    """Return what came of the training."""
    observer, model = session.observer, session.model
    history = tuple(observer.history)
    fitted = model.is_fitted and bool(history)
    restored = model.metadata.best_iteration if fitted else None
    return TrainingResult(
        status=status,
        stop_reason=observer.stop_reason,
        metrics=metrics_at(history, restored),
        history=history,
        best_epoch=best_turn(history, restored),
        training_time=observer.seconds,
        run_id=None if session.tracking_run is None else session.tracking_run.run_id,
        model=model if fitted else None,
        environment=session.environment,
        report=session.verdict.report,
        notes=tuple(session.notes),
    )


def config_of(session: TrainingSession) -> dict[str, Any]:
    """Return what the training was asked for."""
    data, plan, model = session.data, session.plan, session.model
    resumed = plan.resumed
    return {
        "experiment_name": session.experiment_name,
        "model": type(model).__name__,
        "framework": model.framework,
        "task": model.task,
        "hyperparameters": dict(model.hyperparameters),
        "seed": plan.seed,
        "callbacks": [repr(callback) for callback in session.dispatcher.callbacks],
        "checks": plan.checks,
        "allow_leakage": plan.allow_leakage,
        "dry_run": plan.dry_run,
        "resumed_from": None if resumed is None else str(resumed.path),
        "data": {
            "n_rows": len(data.train),
            "n_val_rows": 0 if data.val is None else len(data.val),
            "feature_names": data.train.feature_names,
            **data.facts,
        },
        "notes": session.notes,
    }


def write_files(session: TrainingSession, result: TrainingResult, error: BaseException | None) -> None:
    """Write the files of the training, and log them to its tracking run."""
    files, data = session.files, session.data
    files.write_json("config", config_of(session))
    files.write_json("environment", session.environment)
    if data.geometry:
        files.write_json("fold", data.geometry)
    if result.report is not None:
        files.write_report(result.report)
    if error is not None and result.status == "failed":
        files.write_traceback(error)
    if result.model is not None:
        files.write_model(result.model)
    if session.draws:
        files.write_plots(plots_of(result, data.val, session.observer.unit, data.target))
    files.write_json(
        "metrics",
        {
            "status": result.status,
            "stop_reason": result.stop_reason,
            "best_epoch": result.best_epoch,
            "training_time": result.training_time,
            "metrics": result.metrics,
            "history": result.history,
            "plots_not_drawn": files.not_drawn,
        },
    )
    if session.tracking_run is not None:
        _log_end(session.tracking_run, session, result)


def _log_end(run: TrackingRun, session: TrainingSession, result: TrainingResult) -> None:
    run.set_tags(
        {
            "status": result.status,
            "stop_reason": result.stop_reason,
            "report_digest": None if result.report is None else result.report.digest,
            "notes": "; ".join(result.notes) or None,
            "mlflow.note.content": describe_run(session, result),
        }
    )
    facts: dict[str, float] = {"training_seconds": result.training_time, "n_turns": len(result.history)}
    if result.best_epoch is not None:
        facts["best_epoch"] = result.best_epoch
    # A server shows the last value of a curve, which is not that of a model that went back to its best turn.
    facts |= {f"final_{name}": value for name, value in result.metrics.items() if name not in ("lr", "seconds")}
    run.log_metrics(facts, step=0)
    for path in session.files.written.values():
        run.log_artifact(path)
    if "model" in session.files.written:
        _log_model(run, session, result)
    elif session.registration.name is not None:
        run.set_tags({"registration": f"not registered as {session.registration.name}: there is no model"})


def _log_model(run: TrackingRun, session: TrainingSession, result: TrainingResult) -> None:
    """Log the model for MLflow's loader, and register it if that was asked for."""
    model, registry = result.model, session.registration
    assert model is not None
    problem = registry.problem(result, is_dry_run=session.plan.dry_run > 0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        try:
            given, predicted = model_example(session.data.train, model)
            bundle = session.files.written["model"]
            save_pyfunc(model, folder, input_example=given, output_example=predicted, bundle=bundle)
        except Exception as error:  # noqa: BLE001  the bundle is there all the same
            run.set_tags({"mlflow_model": f"none: {error}"})
            if registry.name is not None or not isinstance(error, UnsupportedError):
                warnings.warn(
                    f"the model was not logged for MLflow's loader ({type(error).__name__}: {error})",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return
        named = (None, None) if problem else (registry.name, registry.alias)
        run.log_model(folder, MODEL_NAME, params=dict(model.hyperparameters), registered_name=named[0], alias=named[1])
    if problem:
        run.set_tags({"registration": problem})
