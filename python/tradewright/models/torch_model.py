"""torch modules as models."""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tradewright.base import LoopObserver, ModelState, Resume, Samples, TrainState
from tradewright.base.history import History
from tradewright.base.metadata import Task
from tradewright.errors import FormatMismatchError, LossError, ParameterError
from tradewright.loss_functions import BaseLoss, LossRegistry
from tradewright.models import parameters
from tradewright.models.estimator_model import EstimatorModel
from tradewright.models.loss_rows import bind_dates, looks_across, training_loss
from tradewright.models.neural.batch_order import Shuffle
from tradewright.models.neural.feature_scaler import FeatureScaler
from tradewright.models.neural.fit_parameters import check_loss, check_parameters
from tradewright.models.neural.fit_run import FitRun
from tradewright.models.neural.fit_setup import begin, fit_device
from tradewright.models.neural.label_code import LabelCode
from tradewright.models.neural.model_inputs import ModelInputs
from tradewright.models.neural.plain_defaults import plain_defaults
from tradewright.models.neural.precision import Amp
from tradewright.models.neural.private_random import PrivateRandom
from tradewright.models.neural.registry import ModuleRegistry
from tradewright.models.neural.sequences import Sequences
from tradewright.models.neural.team import Team, join
from tradewright.models.neural.weights_payload import built, check_shapes, from_payload, host_state, to_payload
from tradewright.runtime.device import resolve_device
from tradewright.runtime.device_layer_torch import open_layer
from tradewright.runtime.distributed import launched

__all__ = ["TorchModel"]

_PAYLOAD = "weights.safetensors"


class TorchModel(EstimatorModel):
    """A torch module with its scaling, trained in epochs of permuted batches.

    Features are brought to mean 0 and deviation 1, and NaN filled with the mean, by statistics of the train rows; for
    regression losses the labels are scaled likewise. Both are part of the model and of its bundle. Training draws
    random numbers from its own stream: the caller's torch state stays as it was, and the same seed gives the same bits
    on the CPU at the same thread count; so does a fit that was broken off and resumed.

    Losses that look across the rows of a date need the dates, from a Panel or from ``groups`` (and ``assets``) of
    :meth:`fit`; batches are then whole dates. With losses of portfolio returns, whose dates belong together, every step
    is on all rows: ``batch_size`` has no say, and an epoch is one step.

    Rows lie on the device as whole tensors; on the CPU float32 features are read where they are and scaled batch by batch,
    others are brought to float32 once. Where its memory runs out, an epoch begins again with its steps read in parts
    half as large, their gradients added up; predictions are made in smaller batches. Under ``torchrun`` each process
    takes its share of every step, and all take the same step together: the model is that of one process, but for
    rounding and dropout. Every process is to be given the same rows.

    With ``window`` the module reads each row together with the rows of the same asset before it. Such a model takes
    Panels: the past of a row is read from all rows of the panel, their features only, also where ``rows`` or the fold of
    a trainer choose some of them. Rows whose past is too short are left out of training, and predicted as NaN. Windows
    are put together a batch at a time; what is held is each row once.

    Parameters
    ----------
    module : str, callable or Module
        A name in ``ModuleRegistry``, or a builder ``(n_features, n_outputs, **module_params) -> Module``; or a module,
        which each fit copies and trains on from the weights it has. Only models with a registered name can be saved
        without pickle.
    module_params : mapping, optional
        Keywords of the builder, plain JSON values.
    task : {"regression", "classification"}
        What is predicted; classification is of two classes.
    loss : str or BaseLoss, optional
        A name in ``LossRegistry``, or a loss; by default ``"mse"``, and ``"bce"`` for classification.
    optimizer : str
        A name in ``OptimizerRegistry``.
    optimizer_params : mapping, optional
        Its further keywords, plain JSON values: ``{"momentum": 0.9}``.
    lr, weight_decay : float
        Of the optimizer.
    schedule : str
        A name in ``ScheduleRegistry``: what multiplies ``lr`` as training goes on.
    schedule_params : mapping, optional
        Its keywords.
    warmup : float
        Epochs in which the rate rises to its height in a straight line; the schedule begins after them.
    epochs, batch_size : int
        How often all rows are gone through, and how many are read at a time.
    accumulate : int
        How many batches make one step of the optimizer. Their rows count alike: the step is that of one batch of all of
        them.
    shuffle : {"full", "block", False}
        The order of the rows: random; stretches of 16 steps in random order and random inside, which reads memory in
        few places; or as they come. Of whole dates, where the loss needs those, likewise.
    amp : {"bf16", "fp16"}, optional
        Half precision for the forward passes of training; predictions and validation stay float32.
    compile : bool
        Whether the module is compiled by ``torch.compile`` for training, which takes a while at first.
    grad_clip : float, optional
        The largest norm of a step's gradient.
    window : int, optional
        How many rows of its asset the module reads for a row, itself included, in time order; rows count, not days. For
        modules that map (n_rows, window, n_features).
    scale_target : bool, optional
        Whether labels are scaled for training; by default they are with regression losses, whose minimum does not
        depend on it.
    missing_indicator : bool
        Whether features with NaN among the train rows bring a further input that says where.
    seed : int, optional
        Of initialisation, order and dropout; None takes the trainer's, or a random one.
    device : {"auto", "cpu", "cuda", "cuda:<i>", "mps"}
        Where to compute; an absent device is replaced by the CPU with a warning.
    distributed : bool, optional
        Whether processes started by ``torchrun`` train one model together; by default where there are several.

    Attributes
    ----------
    module_ : torch.nn.Module
        The trained module.
    scaler_ : FeatureScaler
        The scaling of the features.

    Examples
    --------
    >>> X = np.linspace(-1.0, 1.0, 64).reshape(-1, 1)
    >>> model = TorchModel("mlp", module_params={"hidden": [8]}, epochs=2, seed=0, device="cpu").fit(X, X[:, 0])
    >>> model.predict(X).shape, model.metadata.n_rows
    ((64,), 64)
    """

    framework = "torch"
    _length_parameters = ("epochs",)
    _multi_class = False
    # Parameters of the same names as what BaseModel asks for; plain attributes, as scikit-learn's clone needs.
    task: Task = "regression"
    seed: int | None = None
    device: str
    module_: nn.Module
    scaler_: FeatureScaler
    _labels: LabelCode = LabelCode()
    _epoch: int = 0
    _device: str = "cpu"
    _peak: int | None = None
    #: The fit under way, between its first epoch and its last.
    _run: FitRun | None = None

    def __init__(
        self,
        module: str | Callable[..., nn.Module] | nn.Module = "mlp",
        *,
        module_params: Mapping[str, Any] | None = None,
        task: Literal["regression", "classification"] = "regression",
        loss: str | BaseLoss | None = None,
        optimizer: str = "adamw",
        optimizer_params: Mapping[str, Any] | None = None,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: str = "constant",
        schedule_params: Mapping[str, Any] | None = None,
        warmup: float = 0.0,
        epochs: int = 20,
        batch_size: int = 1024,
        accumulate: int = 1,
        shuffle: Shuffle = "full",
        amp: Amp = None,
        compile: bool = False,  # noqa: A002  torch's own name
        grad_clip: float | None = None,
        window: int | None = None,
        scale_target: bool | None = None,
        missing_indicator: bool = False,
        seed: int | None = None,
        device: str = "auto",
        distributed: bool | None = None,
    ) -> None:
        self.module = module
        self.module_params = module_params
        self.task = task
        self.loss = loss
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.lr = lr
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.schedule_params = schedule_params
        self.warmup = warmup
        self.epochs = epochs
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.shuffle = shuffle
        self.amp = amp
        self.compile = compile
        self.grad_clip = grad_clip
        self.window = window
        self.scale_target = scale_target
        self.missing_indicator = missing_indicator
        self.seed = seed
        self.device = device
        self.distributed = distributed

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The parameters; those of the module as ``module__name``, of optimizer and schedule likewise."""
        flat = self.get_params(deep=False)
        flat["loss"] = self._make_loss().to_json() if isinstance(self.loss, BaseLoss) else self._loss_name()
        for part in ("module", "optimizer", "schedule"):
            nested = flat.pop(f"{part}_params")
            if isinstance(nested, Mapping):  # fit refuses anything else
                flat |= {f"{part}__{name}": value for name, value in nested.items()}
        return parameters.describe(flat)

    @property
    def reads_history(self) -> bool:
        """Whether the module reads windows."""
        return self.window is not None

    @property
    def device_in_use(self) -> str:
        """The device the model computes on."""
        return self._device

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes of a fitted classifier, ascending."""
        return self._labels.classes

    @property
    def peak_memory(self) -> int | None:
        """The most bytes of the device's memory the last fit had in use; None on the CPU."""
        return self._peak

    @property
    def libraries(self) -> tuple[str, ...]:
        """The distributions whose versions belong into the metadata."""
        return ("torch", "safetensors")

    # --- training -------------------------------------------------------------------------------------------------

    @plain_defaults()
    def _fit_loop(
        self,
        train: Samples,
        val: Samples | None,
        observer: LoopObserver,
        seed: int | None,
        resume: Resume | None = None,
    ) -> None:
        check_parameters(self.get_params(deep=False))
        loss = self._make_loss()
        check_loss(loss, self.task, self.scale_target)
        launch, self._device = fit_device(self.device, self.distributed)
        layer = open_layer(self._device)
        layer.start()
        try:
            self._train(train, val, loss, observer, join(launch, self._device), self._chosen_seed(seed), resume)
        finally:
            # Rows and optimizer are gone: what they took is given back.
            self._run = None
            self._peak = layer.peak_memory()
            layer.empty_cache()

    def _train(
        self,
        train: Samples,
        val: Samples | None,
        loss: BaseLoss,
        observer: LoopObserver,
        team: Team,
        seed: int,
        resume: Resume | None,
    ) -> None:
        if not looks_across(loss):
            train = train.weighing()  # scales are of the rows that have a say
        self.scaler_ = FeatureScaler.fit(train.features, missing_indicator=self.missing_indicator)
        sequences = None if self.window is None else Sequences(int(self.window))
        if sequences is not None:
            train, val = self._complete(sequences, train, val)
        self._labels = self._fit_labels(train, loss)
        dates, val_dates = bind_dates(loss, train, val)
        inputs = self._inputs(sequences)
        train_rows = inputs.rows(train, loss, dates)
        val_rows = None if val is None else inputs.rows(val, loss, val_dates)
        del inputs, sequences  # the index of all rows, which the placed ones need no more
        seed = self._record_seed(team.agree_on(seed))
        random = PrivateRandom(seed, self._device)
        with random:
            self.module_ = self._build().to(self._device)
        run = self._run = begin(self, self.module_, loss, train_rows, self._labels, random, team, seed)
        first = 0 if resume is None else self._go_on(run, resume)
        team.agree(self.module_)
        observer.loop_begin("epoch", self.epochs)
        for epoch in range(first, self.epochs):
            if team.any(observer.epoch_begin(epoch)):
                if epoch == 0:
                    raise self._no_first_turn()
                break
            started = time.perf_counter()
            losses: dict[str, Tensor] = {}
            losses["train_loss"], stop = run.epoch(epoch, observer)
            team.agree_on_statistics(self.module_)
            if val_rows is not None:
                losses["val_loss"] = run.validate(val_rows)
            # The one time in an epoch that the device is waited for.
            logs = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
            run.rate.after_epoch(epoch, logs.get("val_loss", logs["train_loss"]))
            logs["lr"] = run.rate.now
            logs["seconds"] = time.perf_counter() - started
            self._epoch = epoch
            stop = observer.epoch_end(TrainState(epoch=epoch, unit="epoch", total=self.epochs, logs=logs)) or stop
            # Also when a callback asks for the end first: what predicts nothing is not handed out. It may go back.
            if not np.isfinite(logs["train_loss"]):
                raise self._diverged("predictions are")
            if team.any(stop):
                break
        self._check_finite()

    def _record_seed(self, seed: int) -> int:
        # Among several processes the first one's counts, and goes on record with all of them.
        if self._draft is not None:
            self._draft = replace(self._draft, seed=seed)
        return seed

    def _chosen_seed(self, seed: int | None) -> int:
        seed = super()._chosen_seed(seed)
        return secrets.randbelow(1 << 31) if seed is None else seed

    def _check_finite(self) -> None:
        """Refuse to hand out weights that the last step has spoilt."""
        bad = [name for name, value in self.module_.state_dict().items() if not bool(torch.isfinite(value).all())]
        if bad:
            raise self._diverged(f"{bad[0]} is")

    def _diverged(self, what: str) -> LossError:
        return LossError(
            f"epoch {self._epoch}: training diverged, {what} no longer finite; lower lr={self.lr}, or set grad_clip",
            code="model.diverged",
            epoch=self._epoch,
        )

    def _loss_name(self) -> str:
        if isinstance(self.loss, str):
            return self.loss
        return "bce" if self.task == "classification" else "mse"

    def _make_loss(self) -> BaseLoss:
        return training_loss(self._loss_name() if self.loss is None else self.loss)

    def _build(self) -> nn.Module:
        if isinstance(self.module, nn.Module):
            return copy.deepcopy(self.module)
        build = ModuleRegistry.get(self.module) if isinstance(self.module, str) else self.module
        module: nn.Module = build(n_features=self.scaler_.n_outputs, n_outputs=1, **(self.module_params or {}))
        return module

    def _fit_labels(self, train: Samples, loss: BaseLoss) -> LabelCode:
        if self.task == "classification":
            return LabelCode.of_classes(train.y)
        by_default = loss.name in LossRegistry.search("regression")
        return LabelCode.of_numbers(train.y, scaled=by_default if self.scale_target is None else self.scale_target)

    def _inputs(self, sequences: Sequences | None = None) -> ModelInputs:
        if sequences is None and self.window is not None:
            sequences = Sequences(int(self.window))
        return ModelInputs(self.scaler_, self._labels, sequences, self._device)

    def _complete(self, sequences: Sequences, train: Samples, val: Samples | None) -> tuple[Samples, Samples | None]:
        """Leave out the rows whose windows are short, and put that on record."""
        n_rows = len(train)
        train = sequences.complete(train, "train")
        val = None if val is None else sequences.complete(val, "validation")
        if self._draft is not None:
            self._draft = replace(
                self._draft,
                n_rows=len(train),
                n_val_rows=0 if val is None else len(val),
                n_short_windows=n_rows - len(train),
            )
        return train, val

    # --- prediction -----------------------------------------------------------------------------------------------

    @plain_defaults()
    def _predict(self, X: NDArray[Any] | History) -> NDArray[Any]:
        scores = self._inputs().scores(self.module_, X)
        return scores if self.classes is None else self._labels.labels(scores, can_miss=self.reads_history)

    def _has_proba(self) -> bool:
        return self.task == "classification"

    @plain_defaults()
    def _predict_proba(self, X: NDArray[Any] | History) -> NDArray[np.float64]:
        # tanh neither overflows nor loses digits at either end
        positive = 0.5 * (1.0 + np.tanh(0.5 * self._inputs().scores(self.module_, X)))
        return np.column_stack([1.0 - positive, positive])

    # --- going back and saving ------------------------------------------------------------------------------------

    def snapshot(self) -> ModelState | None:
        """Return a copy of the weights, on the CPU."""
        return ModelState(epoch=self._epoch, weights=host_state(self.module_))

    def restore(self, state: ModelState) -> None:
        """Put the weights of a snapshot back."""
        self.module_.load_state_dict(state.weights)

    def _snapshot_to_bytes(self, state: ModelState) -> bytes:
        data: bytes = safetensors.torch.save(state.weights)
        return data

    def _snapshot_from_bytes(self, epoch: int, data: bytes) -> ModelState:
        return ModelState(epoch=epoch, weights=safetensors.torch.load(data))

    def _training_state(self) -> dict[str, bytes]:
        return {} if self._run is None else self._run.state()

    def _resumes_exactly(self, segment: int | None) -> bool:
        # Of several processes a checkpoint holds the first one's dropout stream.
        return self.distributed is False or launched() is None

    def _go_on(self, run: FitRun, resume: Resume) -> int:
        """Take over the weights and the training state of a broken-off fit; return the number of the next epoch."""
        _check_format(resume.payload_format)
        state, _ = from_payload(resume.payloads[_PAYLOAD])
        check_shapes(self._build, state)
        self.module_.load_state_dict(state)
        run.go_on_from(resume.state)
        self._epoch = resume.epoch - 1
        return resume.epoch

    def set_learning_rate(self, lr: float) -> bool:
        """Train on with another base rate, which the schedule goes on multiplying; False outside of a fit."""
        if self._run is None:
            return False
        self._run.rate.set(lr)
        return True

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_run"}

    def _to_payloads(self) -> tuple[str, dict[str, bytes]]:
        self._facts()
        return "safetensors", {_PAYLOAD: to_payload(self.module_, self.scaler_)}

    def _config(self) -> dict[str, Any]:
        if not isinstance(self.module, str):
            raise ParameterError(
                f"the module is built by {self.module!r}, which a bundle cannot name: register the builder with"
                " ModuleRegistry.register and pass its name, or save with format='pickle'",
                code="model.module_not_registered",
            )
        params = self.get_params(deep=False)
        params["loss"] = self.loss.to_dict() if isinstance(self.loss, BaseLoss) else self.loss
        return {
            "params": parameters.encode(params),
            "shift": self._labels.shift,
            "scale": self._labels.scale,
            "epoch": self._epoch,
            "classes": None if self.classes is None else list(self.classes),
        }

    @classmethod
    @plain_defaults()
    def _from_bundle(cls, config: Mapping[str, Any], payload_format: str, payloads: Mapping[str, bytes]) -> Self:
        _check_format(payload_format)
        params = parameters.decode(config["params"])
        if isinstance(params["loss"], Mapping):
            params["loss"] = BaseLoss.from_dict(params["loss"])
        model = cls(**params)
        state, model.scaler_ = from_payload(payloads[_PAYLOAD])
        classes = None if config["classes"] is None else tuple(config["classes"])
        model._labels = LabelCode(classes, config["shift"], config["scale"])
        model._epoch = config["epoch"]
        model._device = resolve_device(model.device)
        with PrivateRandom(0, model._device):  # building may draw initial weights
            model.module_ = built(model._build, state)
        model.module_.to(model._device)
        return model


def _check_format(payload_format: str) -> None:
    if payload_format != "safetensors":
        raise FormatMismatchError(
            f"a TorchModel is rebuilt from safetensors, this bundle holds {payload_format}: use tradewright.load_model",
            code="bundle.payload_format",
        )
