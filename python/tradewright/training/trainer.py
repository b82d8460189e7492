"""The trainer: the face of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tradewright import _optional
from tradewright.base import Callback
from tradewright.errors import CallbackError, ParameterError
from tradewright.models import as_model
from tradewright.panel import Panel
from tradewright.runtime.distributed import launched
from tradewright.runtime.seed import check_seed, fold_seed, fresh_seed
from tradewright.tracking import TrackingClient, TrackingRun, connect
from tradewright.training import record
from tradewright.training.checkpoint_file import Checkpoint, read_checkpoint
from tradewright.training.data import TrainingData, refuse_mixed_forms
from tradewright.training.defaults import default_callbacks
from tradewright.training.dispatcher import Dispatcher
from tradewright.training.files import DEFAULT_ROOT, TrainingFiles, new_folder
from tradewright.training.gate import check_suite
from tradewright.training.interrupts import SignalGuard
from tradewright.training.registration import Registration
from tradewright.training.result import TrainingResult
from tradewright.training.resuming import check_resume
from tradewright.training.session import Plan, TrainingSession

if TYPE_CHECKING:
    from tradewright.splitting import Fold

__all__ = ["ModelTrainer"]


class ModelTrainer:
    """Trains a model with callbacks, leak checks and tracking.

    Parameters
    ----------
    model : BaseModel, or whatever :func:`tradewright.as_model` takes
        What to train: a model, which is trained in place, from scratch each time; a registered name; an estimator or a
        torch module, for which a model is made.
    experiment_name : str
        The experiment of the tracking store.
    mlflow_uri : str, optional
        A tracking URI; ``"off"`` for no tracking. By default what MLflow itself is set to, else a SQLite file
        ``mlflow.db`` in the working directory.
    output_dir : path, optional
        Under it each training gets a folder of its own; by default ``tradewright-runs``.
    seed : int, optional
        The seed of the run; a fold gets a child of it. A model that was built with a seed keeps its own. By default
        fresh from the system, and recorded.
    plots : bool
        Whether to draw the training: learning curve, importances, residuals or calibration and confusion. They take
        about half a second together, which counts where many small models are trained.
    parent_run : TrackingRun or str, optional
        The tracking run, or its id, that the runs of this trainer are nested in: that of a cross-validation.
    registered_model_name : str, optional
        The model of MLflow's registry that a completed or early-stopped training gives a new version; made if it is not
        there.
    registered_model_alias : str, optional
        The alias that points at that version from then on, such as ``"champion"``: ``models:/<name>@champion``.

    Attributes
    ----------
    last_result : TrainingResult or None
        The result of the last training, also when it raised an error.

    Raises
    ------
    MissingExtraError
        When a URI is given and MLflow is not installed.
    ParameterError
        For an alias without a name, names that MLflow refuses, or a name with ``mlflow_uri="off"``.
    """

    def __init__(
        self,
        model: Any,
        experiment_name: str = "default",
        mlflow_uri: str | None = None,
        *,
        output_dir: str | PathLike[str] | None = None,
        seed: int | None = None,
        plots: bool = True,
        parent_run: TrackingRun | str | None = None,
        registered_model_name: str | None = None,
        registered_model_alias: str | None = None,
    ) -> None:
        if not experiment_name:
            raise ParameterError("experiment_name is empty: name the experiment", code="train.experiment_name")
        if seed is not None:
            check_seed(seed)
        if mlflow_uri not in (None, "off") and not _optional.is_available("mlflow"):
            raise _optional.missing("mlflow", f"mlflow_uri={mlflow_uri!r}")
        if registered_model_name is not None and mlflow_uri == "off":
            raise ParameterError(
                f"registered_model_name={registered_model_name!r} needs a store: mlflow_uri is 'off'",
                code="train.registered_name",
            )
        self.plots, self.parent_run = plots, parent_run
        self.registration = Registration(registered_model_name, registered_model_alias)
        self.model = as_model(model)
        self.experiment_name = experiment_name
        self.mlflow_uri = mlflow_uri
        self.seed = seed
        self.last_result: TrainingResult | None = None
        self._root = None if output_dir is None else Path(output_dir)
        self._client: TrackingClient | None = None
        self._session: TrainingSession | None = None
        self._is_training = False

    def __repr__(self) -> str:
        return f"ModelTrainer({type(self.model).__name__}, experiment_name={self.experiment_name!r})"

    def train(
        self,
        X_train: Any,
        y_train: ArrayLike | None = None,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        callbacks: Iterable[Callback] | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        assets: ArrayLike | None = None,
        groups_val: ArrayLike | None = None,
        assets_val: ArrayLike | None = None,
        time_train: ArrayLike | None = None,
        time_val: ArrayLike | None = None,
        label_end_train: ArrayLike | None = None,
        label_end_val: ArrayLike | None = None,
        fold: Fold | None = None,
        checks: str | None = "leakage",
        allow_leakage: bool = False,
        resume_from: str | PathLike[str] | None = None,
        dry_run: int = 0,
        on_interrupt: Literal["stop", "raise"] = "stop",
    ) -> TrainingResult:
        """Train the model: ``train(panel, fold=plan[i])``, or ``train(X_train, y_train, X_val, y_val)``.

        Parameters
        ----------
        X_train : Panel, polars or pandas frame, or array of shape (n_rows, n_features)
            The train rows. A Panel brings labels, weights, times and assets, and ``fold`` says which of its rows are
            train and validation rows.
        y_train, sample_weight, groups, assets : array-like, shape (n_rows,), optional
            Labels, weights, date ids and asset ids of the train rows.
        X_val, y_val : optional
            Rows whose loss is computed each turn, for ``val_loss`` and early stopping. They don't change the fit.
        groups_val, assets_val : array-like, optional
            Date ids and asset ids of the validation rows, for losses that look across the rows of a date.
        callbacks : iterable of Callback, optional
            By default :func:`default_callbacks`; a given list is used as it is.
        time_train, time_val, label_end_train, label_end_val : array-like, optional
            When each row is, and when its label is known: without them overlap cannot be checked.
        fold : Fold, optional
            The fold of a plan, for a Panel. Its test rows are not looked at.
        checks : {"leakage", None}
            The checks that must pass before the fit.
        allow_leakage : bool
            Train all the same, and record what was found.
        resume_from : path, optional
            A file of :class:`ModelCheckpoint`: go on where that training was, with the same model, rows, seed and
            callbacks. The parameter that says how many turns there are may have changed.
        dry_run : int
            Stop after so many batches, or rounds where there are no batches, through every hook, checkpoint and
            logger; callbacks that look at each n-th turn only then look at all. 0 is a real training.
        on_interrupt : {"stop", "raise"}
            After Ctrl-C: return the result, or raise KeyboardInterrupt. In both the round ends and the model is kept.

        Returns
        -------
        TrainingResult

        Raises
        ------
        LeakageError
            The train and validation rows are not independent; names the findings.
        NoValidationError, UnknownMonitorError
            A callback watches what there is not.
        ResumeError, ModelLoadError, UnsupportedError
            The checkpoint is of another training; it cannot be read; the model cannot go on with a broken-off fit.
        ParameterError, DataError, FeatureMismatchError
            Arguments that don't fit together; labels that are missing or not finite.
        Exception
            Whatever a callback or the library raised, unchanged; :attr:`last_result` then says how far it got.

        Notes
        -----
        The first Ctrl-C or SIGTERM ends a training with rounds or epochs at the end of the round, and the model so far
        is kept; a second one raises at once. A one-shot fit is ended at once, without a model. Before and after the loop
        both raise KeyboardInterrupt, once the tracking run is closed as killed; nothing exits the process. Handlers are
        set on the main thread, and put back after.

        Memory: one matrix of the train rows and one of the validation rows, none of the caller's arrays copied where
        they already are such matrices.
        """
        self._refuse_arguments(checks, dry_run, on_interrupt)
        others = {
            "y_train": y_train,
            "X_val": X_val,
            "y_val": y_val,
            "sample_weight": sample_weight,
            "groups": groups,
            "assets": assets,
            "groups_val": groups_val,
            "assets_val": assets_val,
        }
        times = {
            "time_train": time_train,
            "time_val": time_val,
            "label_end_train": label_end_train,
            "label_end_val": label_end_val,
        }
        refuse_mixed_forms(X_train, fold, {**others, **times})
        if isinstance(X_train, Panel):
            data = TrainingData.from_panel(X_train, fold, self.model._dtype, history=self.model.reads_history)
        else:
            data = TrainingData.from_arrays(
                X_train, **others, times=times, dtype=self.model._dtype, history=self.model.reads_history
            )
        resumed = None if resume_from is None else read_checkpoint(resume_from)
        plan = Plan(self._training_seed(data, resumed), checks, allow_leakage, int(dry_run), on_interrupt, resumed)
        return self._run(data, callbacks, plan)

    def _run(
        self,
        data: TrainingData,
        callbacks: Iterable[Callback] | None,
        plan: Plan,
    ) -> TrainingResult:
        if self._is_training:
            raise CallbackError("this trainer is training: use another one inside a callback", code="train.nested")
        writes = _writes()
        if not writes:
            callbacks = ()
        dispatcher = None if callbacks is None else Dispatcher(callbacks, self)
        files = TrainingFiles(new_folder(self._root, self.experiment_name), writes=writes)
        self.last_result = None
        self._tracking()  # before signals are held off: importing MLflow takes seconds, and may be interrupted
        guard = SignalGuard()
        self._is_training = True
        try:
            guard.install()
            guard.hold()
            run = self._open_run(data, plan.seed)
            if dispatcher is None:
                dispatcher = Dispatcher(default_callbacks(tracking=run is not None), self)
            self._session = TrainingSession(self, data, plan, dispatcher, files, run, guard)
            try:
                return self._session.run()
            finally:
                self.last_result = self._session.result
        finally:
            self._is_training = False
            guard.remove()

    def _refuse_arguments(self, checks: str | None, dry_run: object, on_interrupt: str) -> None:
        check_suite(checks)
        if isinstance(dry_run, bool) or not isinstance(dry_run, int | np.integer) or dry_run < 0:
            raise ParameterError(f"dry_run={dry_run!r}: pass a number of turns, or 0", code="train.dry_run")
        if on_interrupt not in ("stop", "raise"):
            raise ParameterError(f"on_interrupt={on_interrupt!r}: pass 'stop' or 'raise'", code="train.on_interrupt")

    def _training_seed(self, data: TrainingData, resumed: Checkpoint | None) -> int:
        """Return the seed of a training; that of the one it goes on with, which is checked to be this one."""
        seed = self.model.seed
        if seed is None and self.seed is not None:
            seed = self.seed if data.fold is None else fold_seed(self.seed, data.fold)
        if resumed is not None:
            check_resume(resumed, self.model, data, seed)
            return resumed.progress.seed
        if seed is not None:
            return seed
        return fresh_seed() if data.fold is None else fold_seed(fresh_seed(), data.fold)

    # --- tracking -------------------------------------------------------------------------------------------------

    @property
    def mlflow_client(self) -> Any:
        """MLflow's client for the store of this trainer; None when tracking is off, or the store cannot be reached now."""
        client = self._tracking()
        return None if client is None else client.client

    def _tracking(self) -> TrackingClient | None:
        if self._client is None and self.mlflow_uri != "off" and _writes():
            root = Path(DEFAULT_ROOT) if self._root is None else self._root
            self._client = connect(self.mlflow_uri, spool=root / "mlflow-spool")
        return self._client

    def _open_run(self, data: TrainingData, seed: int) -> TrackingRun | None:
        client = self._client
        if client is None:
            return None
        model = self.model
        name, tags = record.run_name(model, data), record.run_tags(model, data, seed)
        return client.start_run(self.experiment_name, run_name=name, tags=tags, parent=self.parent_run)

    # --- what callbacks see ---------------------------------------------------------------------------------------

    @property
    def output_dir(self) -> Path:
        """The folder of the training at hand, or of the last one; made when asked for."""
        return self._now().files.made()

    @property
    def tracking_run(self) -> TrackingRun | None:
        """The open tracking run; None when tracking is off."""
        return self._now().tracking_run

    @property
    def has_validation(self) -> bool:
        """Whether there are validation rows, and so ``val_*`` logs."""
        return self._now().data.val is not None

    @property
    def unit(self) -> Literal["epoch", "round", "fit"]:
        """What one turn of the loop is."""
        return self._now().observer.unit

    @property
    def total(self) -> int | None:
        """How many turns are planned, where that is known."""
        return self._now().observer.total

    @property
    def is_dry_run(self) -> bool:
        """Whether this is a trial of a few batches or rounds."""
        return self._now().plan.dry_run > 0

    def request_stop(self, reason: str) -> None:
        """Ask for the end of training; acted upon after all callbacks of the hook have run."""
        self._now().observer.request_stop(reason)

    def save_checkpoint(self, path: Path, logs: Mapping[str, float]) -> None:
        """Write the model and what a resumed training needs as one file, then tell every callback."""
        self._now().save_checkpoint(path, logs)

    def _now(self) -> TrainingSession:
        if self._session is None:
            raise CallbackError("no training has begun: call train first", code="train.not_begun")
        return self._session


def _writes() -> bool:
    """Whether this process writes files, has callbacks and talks to tracking servers: of several, the first one."""
    launch = launched()
    return launch is None or launch.writes
