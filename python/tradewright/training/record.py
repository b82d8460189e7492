"""What is written down of a training: its parameters, its result, its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradewright.training.result import Status, TrainingResult, best_turn, metrics_at

if TYPE_CHECKING:
    from tradewright.training.session import TrainingSession

__all__ = ["config_of", "log_start", "result_of", "write_files"]


def log_start(session: TrainingSession) -> None:
    """Log the parameters of the training to its tracking run."""
    run = session.tracking_run
    if run is None:
        return
    data = session.data
    facts = {name: value for name, value in data.facts.items() if not name.endswith("_ranges")}
    run.log_params(
        {
            "model": type(session.model).__name__,
            "n_rows": len(data.train),
            "n_val_rows": 0 if data.val is None else len(data.val),
            "n_features": len(data.train.feature_names),
            **facts,
            **session.model.hyperparameters,
        }
    )
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
    files = session.files
    files.write_json("config", config_of(session))
    files.write_json("environment", session.environment)
    files.write_json(
        "metrics",
        {
            "status": result.status,
            "stop_reason": result.stop_reason,
            "best_epoch": result.best_epoch,
            "training_time": result.training_time,
            "metrics": result.metrics,
            "history": result.history,
        },
    )
    if result.report is not None:
        files.write_json("report", result.report.to_dict())
    if error is not None and result.status == "failed":
        files.write_traceback(error)
    if result.model is not None:
        files.write_model(result.model)
    files.write_plots(result, session.observer.unit)
    _log_end(session, result)


def _log_end(session: TrainingSession, result: TrainingResult) -> None:
    run = session.tracking_run
    if run is None:
        return
    run.set_tags(
        {
            "status": result.status,
            "stop_reason": result.stop_reason,
            "report_digest": None if result.report is None else result.report.digest,
            "notes": "; ".join(result.notes) or None,
        }
    )
    facts: dict[str, float] = {"training_seconds": result.training_time, "n_turns": len(result.history)}
    if result.best_epoch is not None:
        facts["best_epoch"] = result.best_epoch
    run.log_metrics(facts, step=0)
    for path in session.files.written.values():
        run.log_artifact(path)
