"""One training from its first hook to its closed run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tradewright.base import BaseModel
from tradewright.errors import CallbackError, LossError
from tradewright.runtime.environment import environment
from tradewright.runtime.seed import seeded
from tradewright.tracking import RunStatus, TrackingRun
from tradewright.training import record
from tradewright.training.checkpoint_file import Checkpoint, Progress, write_checkpoint
from tradewright.training.data import TrainingData
from tradewright.training.dispatcher import Dispatcher
from tradewright.training.files import TrainingFiles
from tradewright.training.gate import Verdict, check_leakage
from tradewright.training.interrupts import SignalGuard
from tradewright.training.observer import TrainingObserver
from tradewright.training.result import Status, TrainingResult
from tradewright.training.resuming import resume_notes, rows_digests

if TYPE_CHECKING:
    import tradewright.training.trainer

__all__ = ["Plan", "TrainingSession"]

_RUN_STATUS: dict[Status, RunStatus] = {
    "completed": "FINISHED",
    "stopped": "FINISHED",
    "interrupted": "KILLED",
    "failed": "FAILED",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training is to do.

    Parameters
    ----------
    seed : int
        The seed of this training, of its fold where there is one.
    checks, allow_leakage, dry_run, on_interrupt
        As in :meth:`ModelTrainer.train`.
    resumed : Checkpoint or None
        Where the training goes on.
    """

    seed: int
    checks: str | None
    allow_leakage: bool
    dry_run: int
    on_interrupt: Literal["stop", "raise"]
    resumed: Checkpoint | None = None


class TrainingSession:
    """Runs one training: checks, fit, hooks, files, run status.

    Parameters
    ----------
    trainer : ModelTrainer
        What the callbacks see.
    data : TrainingData
        The rows.
    plan : Plan
        What to do with them.
    run : TrackingRun or None
        The open tracking run; closed here, whatever happens.
    guard : SignalGuard
        In place, and holding signals off; let go as soon as an interrupt finds its way to the run's end.
    """

    def __init__(
        self,
        trainer: tradewright.training.trainer.ModelTrainer,
        data: TrainingData,
        plan: Plan,
        dispatcher: Dispatcher,
        files: TrainingFiles,
        run: TrackingRun | None,
        guard: SignalGuard,
    ) -> None:
        self.model: BaseModel = trainer.model
        self.experiment_name = trainer.experiment_name
        self.registration, self.draws = trainer.registration, trainer.plots
        self.data, self.plan = data, plan
        self.dispatcher, self.files, self.tracking_run = dispatcher, files, run
        self.guard = guard
        self.observer = TrainingObserver(dispatcher, trainer, plan.dry_run, plan.resumed)
        self.verdict = Verdict(None)
        self.environment: dict[str, Any] = {}
        self.result: TrainingResult | None = None
        self._digests: dict[str, str] | None = None
        self._diverged: LossError | None = None

    def run(self) -> TrainingResult:
        """Do the training.

        Returns
        -------
        TrainingResult
            Also kept in :attr:`result` when an error is raised.

        Raises
        ------
        Exception
            The original one that ended the training, unchanged.
        """
        status: Status = "failed"
        try:
            error = self._train()
            status = self._status(error)
            error = self._end_hooks(error, status)
            if error is None and self._diverged is not None and not self.model.is_fitted:
                error, status = self._refuse_diverged(self._diverged), "failed"
            if error is not None and status in ("completed", "stopped"):
                status = "failed"
            self.result = record.result_of(self, status)
            error = self._late(error, "writing the files", partial(record.write_files, self, self.result, error))
            self.result = replace(self.result, artifacts=dict(self.files.written))
        except KeyboardInterrupt:
            # Ctrl-C in a hook of the end, or while the files were written.
            status = "interrupted"
            self.guard.hold()
            self._interrupted_late()
            raise
        finally:
            self.guard.hold()
            self.observer.signals.remove()
            if self.tracking_run is not None:
                self.tracking_run.close(_RUN_STATUS[status])
                if self.result is not None:
                    # A store that was away at the start may have come back.
                    self.result = replace(self.result, run_id=self.tracking_run.run_id)
        if error is not None and not self._is_answered(error):
            raise error
        if status == "interrupted" and self.plan.on_interrupt == "raise":
            raise KeyboardInterrupt(self.observer.stop_reason)
        assert self.result is not None
        return self.result

    def _interrupted_late(self) -> None:
        reason = self._interruption()
        result = self.result or record.result_of(self, "interrupted")
        self.result = replace(
            result, status="interrupted", stop_reason=reason, artifacts=result.artifacts or dict(self.files.written)
        )
        if self.tracking_run is not None:
            self.tracking_run.set_tags({"status": "interrupted", "stop_reason": reason})

    def _interruption(self) -> str:
        return f"interrupted by {signal.Signals(self.guard.signum or signal.SIGINT).name}"

    # --- the fit --------------------------------------------------------------------------------------------------

    def _train(self) -> BaseException | None:
        """Check and fit; return what went wrong."""
        try:
            self.guard.release()
            self.environment = environment()
            record.log_start(self)
            self.data.check(self.model.task)
            self.verdict = check_leakage(
                self.data, self.plan.checks, allow_leakage=self.plan.allow_leakage, task=self.model.task
            )
            if self.verdict.refusal is not None:
                raise self.verdict.refusal
            facts = {**self.data.facts, **self.data.proof}
            if self.verdict.report is not None:
                facts["report_digest"] = self.verdict.report.digest
            resumed = self.plan.resumed
            with seeded(self.plan.seed):
                self.model.fit_samples(
                    self.data.train,
                    self.data.val,
                    observer=self.observer,
                    seed=self.plan.seed,
                    facts=facts,
                    resume=None if resumed is None else resumed.resume,
                )
        except BaseException as error:  # noqa: BLE001  raised again once the run is closed
            return self._cause(error)
        finally:
            self.observer.signals.remove()
        # A signal that came after the last turn.
        self.observer.look_for_signals()
        return self.observer.error

    @property
    def notes(self) -> list[str]:
        """What a reader of the score should know."""
        resumed = self.plan.resumed
        if resumed is None:
            return list(self.verdict.notes)
        return [*resume_notes(resumed, self.model, self.dispatcher.segment), *self.observer.notes, *self.verdict.notes]

    def save_checkpoint(self, path: Path, logs: Mapping[str, float]) -> None:
        """Write the training as it is now, and tell the callbacks."""
        if self._digests is None:
            # The rows stay as they are during a training.
            self._digests = rows_digests(self.data)
        observer = self.observer
        progress = Progress(
            turns=observer.turns,
            batches=observer.batches,
            seed=self.plan.seed,
            segment=self.dispatcher.segment,
            seconds=observer.seconds,
            rows=self._digests,
            history=observer.history_so_far(),
        )
        write_checkpoint(path, self.model, progress, self.dispatcher.states())
        self.dispatcher.call("on_checkpoint_saved", path, logs)

    def _cause(self, error: BaseException) -> BaseException | None:
        """Return what really ended the fit: a model that got no first turn says only that, not who asked for it."""
        observer = self.observer
        if isinstance(error, LossError) and error.code == "model.diverged" and observer.stop_reason is not None:
            # A callback saw it first and asked for the end: no error, if it also goes back to weights from before.
            self._diverged = error
            return observer.error
        no_turn = isinstance(error, CallbackError) and error.code == "model.stopped_before_start"
        if no_turn:
            observer.look_for_signals()
        if observer.error is not None and not isinstance(error, KeyboardInterrupt):
            if not no_turn:
                observer.error.add_note(f"the fit failed as well: {type(error).__name__}: {error}")
            return observer.error
        return None if no_turn and observer.stop_reason is not None else error

    def _status(self, error: BaseException | None) -> Status:
        if isinstance(error, KeyboardInterrupt):
            return "interrupted"
        if error is not None:
            return "failed"
        if self.observer.interrupted:
            return "interrupted"
        return "completed" if self.observer.stop_reason is None else "stopped"

    def _end_hooks(self, error: BaseException | None, status: Status) -> BaseException | None:
        """Run the hooks of the end; return the error the training ends with."""
        hooks: list[tuple[str, Any]] = []
        if isinstance(error, KeyboardInterrupt):
            self.observer.stop_reason = self._interruption()
            if not self.observer.interrupted:
                hooks.append(("on_interrupt", self.guard.signum or signal.SIGINT))
        elif error is not None:
            self.observer.stop_reason = f"{type(error).__name__}: {error}"
            hooks.append(("on_exception", error))
        if self.observer.began is not None:
            hooks.append(("on_train_end", self.observer.logs))
        for hook, argument in hooks:
            error = self._late(error, hook, partial(self.dispatcher.call, hook, argument))
        return error

    def _refuse_diverged(self, error: LossError) -> BaseException:
        """Fail a training that was stopped when its weights were no longer finite, and that nobody took back."""
        self.observer.stop_reason = f"{type(error).__name__}: {error}"
        return self._late(error, "on_exception", partial(self.dispatcher.call, "on_exception", error)) or error

    def _late(self, error: BaseException | None, what: str, work: Callable[[], None]) -> BaseException | None:
        """Do something after the loop; return the error the training ends with: the first one there was."""
        try:
            work()
        except Exception as late:  # noqa: BLE001  raised again once the run is closed
            if error is None:
                self.observer.stop_reason = f"{type(late).__name__}: {late}"
                return late
            error.add_note(f"{what} failed as well: {type(late).__name__}: {late}")
        return error

    def _is_answered(self, error: BaseException) -> bool:
        """Whether an interrupt was asked for and ends here: Ctrl-C in a one-shot fit, which has no rounds to end."""
        return (
            isinstance(error, KeyboardInterrupt)
            and self.observer.began is not None
            and self.observer.unit == "fit"
            and self.plan.on_interrupt == "stop"
        )
