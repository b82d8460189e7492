"""torch modules as models."""

from __future__ import annotations

import copy
import dataclasses
import math
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tradewright.base import LoopObserver, ModelState, Resume, Samples, TrainState
from tradewright.base.history import History
from tradewright.base.metadata import Task
from tradewright.errors import DataError, FormatMismatchError, IntegrityError, LossError, ParameterError
from tradewright.loss_functions import BaseLoss, LossRegistry
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.models import parameters
from tradewright.models.estimator_model import EstimatorModel
from tradewright.models.loss_rows import bind_dates, is_series, looks_across, training_loss
from tradewright.models.neural.batch_source import BatchSource, Rows, TensorSource
from tradewright.models.neural.epoch_loop import Batching, EpochLoop, predict_scores
from tradewright.models.neural.feature_scaler import FeatureScaler
from tradewright.models.neural.private_random import PrivateRandom
from tradewright.models.neural.registry import ModuleRegistry
from tradewright.models.neural.sequences import Sequences
from tradewright.optimizers import OptimizerRegistry
from tradewright.runtime.device import resolve_device

__all__ = ["TorchModel"]

_PAYLOAD = "weights.safetensors"
_PREDICT_ROWS = 1 << 16


class TorchModel(EstimatorModel):
    """A torch module with its scaling, trained in epochs of permuted batches.

    Features are brought to mean 0 and deviation 1, and NaN filled with the mean, by statistics of the train rows; for
    regression losses the labels are scaled likewise. Both are part of the model and of its bundle. Training draws
    random numbers from its own stream: the caller's torch state stays as it was, and the same seed gives the same bits
    on the CPU at the same thread count.

    Losses that look across the rows of a date need the dates, from a Panel or from ``groups`` (and ``assets``) of
    :meth:`fit`; batches are then whole dates. With losses of portfolio returns, whose dates belong together, every step
    is on all rows: ``batch_size`` has no say, and an epoch is one step.

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
    lr, weight_decay : float
        Of the optimizer.
    epochs, batch_size : int
        How often all rows are gone through, and how many at a time.
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
    _multi_class = False
    # Parameters of the same names as what BaseModel asks for; plain attributes, as scikit-learn's clone needs.
    task: Task = "regression"
    seed: int | None = None
    device: str
    module_: nn.Module
    scaler_: FeatureScaler
    _classes: tuple[Any, ...] | None = None
    _shift: float = 0.0
    _scale: float = 1.0
    _epoch: int = 0
    _device: str = "cpu"

    def __init__(
        self,
        module: str | Callable[..., nn.Module] | nn.Module = "mlp",
        *,
        module_params: Mapping[str, Any] | None = None,
        task: Literal["regression", "classification"] = "regression",
        loss: str | BaseLoss | None = None,
        optimizer: str = "adamw",
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        epochs: int = 20,
        batch_size: int = 1024,
        grad_clip: float | None = None,
        window: int | None = None,
        scale_target: bool | None = None,
        missing_indicator: bool = False,
        seed: int | None = None,
        device: str = "auto",
    ) -> None:
        self.module = module
        self.module_params = module_params
        self.task = task
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.grad_clip = grad_clip
        self.window = window
        self.scale_target = scale_target
        self.missing_indicator = missing_indicator
        self.seed = seed
        self.device = device

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The parameters; those of the module as ``module__name``."""
        flat = self.get_params(deep=False)
        flat["loss"] = self._make_loss().to_json() if isinstance(self.loss, BaseLoss) else self._loss_name()
        nested = flat.pop("module_params") or {}
        return parameters.describe(flat | {f"module__{name}": value for name, value in nested.items()})

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
        return self._classes

    @property
    def libraries(self) -> tuple[str, ...]:
        """The distributions whose versions belong into the metadata."""
        return ("torch", "safetensors")

    # --- training -------------------------------------------------------------------------------------------------

    def _fit_loop(
        self,
        train: Samples,
        val: Samples | None,
        observer: LoopObserver,
        seed: int | None,
        resume: Resume | None = None,
    ) -> None:
        self._refuse_resume(resume)
        self._check_params()
        loss = self._make_loss()
        self._check_loss(loss)
        self._device = resolve_device(self.device)
        self.scaler_ = FeatureScaler.fit(train.features, missing_indicator=self.missing_indicator)
        sequences = self._sequences()
        if sequences is not None:
            train, val = self._complete(sequences, train, val)
        labels = self._fit_labels(train, loss)
        dates, val_dates = bind_dates(loss, train, val)
        train_rows = self._rows(train, labels, loss, dates, sequences)
        val_rows = None if val is None else self._rows(val, self._labels(val.y), loss, val_dates, sequences)
        seed = self._chosen_seed(seed)
        random = PrivateRandom(seed, self._device)
        with random:
            self.module_ = self._build().to(self._device)
        loop = EpochLoop(
            self.module_,
            OptimizerRegistry.create(
                self.optimizer, params=self.module_.parameters(), lr=self.lr, weight_decay=self.weight_decay
            ),
            loss.module(check_on_device=False),
            train_rows,
            shift=self._shift,
            scale=self._scale,
            batch_size=self.batch_size,
            batching=_batching(loss),
            grad_clip=self.grad_clip,
            generator=torch.Generator().manual_seed(seed),
        )
        observer.loop_begin("epoch", self.epochs)
        for epoch in range(self.epochs):
            if observer.epoch_begin(epoch):
                if epoch == 0:
                    raise self._no_first_turn()
                break
            started = time.perf_counter()
            with random:
                train_loss, stop = loop.run(observer)
            logs = {"train_loss": train_loss, "lr": float(self.lr)}
            if val_rows is not None:
                logs["val_loss"] = loop.validate(val_rows)
            logs["seconds"] = time.perf_counter() - started
            self._epoch = epoch
            stop = observer.epoch_end(TrainState(epoch=epoch, unit="epoch", total=self.epochs, logs=logs)) or stop
            if stop:
                break
            if not math.isfinite(train_loss):
                raise LossError(
                    f"epoch {epoch}: training diverged, predictions are no longer finite; lower lr={self.lr}, or set"
                    " grad_clip",
                    code="model.diverged",
                    epoch=epoch,
                )

        self._check_finite()

    def _chosen_seed(self, seed: int | None) -> int:
        seed = super()._chosen_seed(seed)
        return secrets.randbelow(1 << 31) if seed is None else seed

    def _check_finite(self) -> None:
        """Refuse to hand out weights that predict nothing, also when a callback stopped the loop before we noticed."""
        bad = [name for name, value in self.module_.state_dict().items() if not bool(torch.isfinite(value).all())]
        if bad:
            raise LossError(
                f"epoch {self._epoch}: training diverged, {bad[0]} is no longer finite; lower lr={self.lr}, or set"
                " grad_clip",
                code="model.diverged",
                epoch=self._epoch,
            )

    def _check_params(self) -> None:
        if self.task not in ("regression", "classification"):
            raise ParameterError(f"task={self.task!r}: pass 'regression' or 'classification'", code="model.task")
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ParameterError(f"{name}={value!r}: pass a whole number, at least 1", code=f"model.{name}")
        self._check_number("lr", self.lr, lambda value: value > 0, "above 0")
        self._check_number("weight_decay", self.weight_decay, lambda value: value >= 0, "not negative")
        if self.grad_clip is not None:
            self._check_number("grad_clip", self.grad_clip, lambda value: value > 0, "above 0, or None")
        self._check_window()

    def _check_window(self) -> None:
        window: Any = self.window
        if window is not None and (isinstance(window, bool) or not isinstance(window, int | np.integer) or window < 1):
            raise ParameterError(f"window={window!r}: pass a whole number, at least 1, or None", code="model.window")
        if not isinstance(self.module, str):
            return
        if window is None and self.module in ModuleRegistry.search("sequence"):
            raise ParameterError(
                f"the module {self.module!r} reads sequences: say how many rows, window=20", code="model.window"
            )
        if window is not None and self.module in ModuleRegistry.search("tabular"):
            raise ParameterError(
                f"the module {self.module!r} reads single rows: leave window={window} out, or take a module that reads"
                f" sequences: {', '.join(ModuleRegistry.search('sequence'))}",
                code="model.window",
            )

    @staticmethod
    def _check_number(name: str, value: Any, allowed: Callable[[float], bool], what: str) -> None:
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not allowed(value):
            raise ParameterError(f"{name}={value!r}: pass a finite number {what}", code=f"model.{name}")

    def _loss_name(self) -> str:
        if isinstance(self.loss, str):
            return self.loss
        return "bce" if self.task == "classification" else "mse"

    def _make_loss(self) -> BaseLoss:
        return training_loss(self._loss_name() if self.loss is None else self.loss)

    def _check_loss(self, loss: BaseLoss) -> None:
        if is_series(loss) and (self.scale_target or self.task == "classification"):
            raise ParameterError(
                f"{type(loss).__name__} takes returns as they are: leave scale_target={self.scale_target!r} out, and"
                " task='regression'",
                code="model.loss_of_returns",
            )

    def _build(self) -> nn.Module:
        if isinstance(self.module, nn.Module):
            return copy.deepcopy(self.module)
        build = ModuleRegistry.get(self.module) if isinstance(self.module, str) else self.module
        module: nn.Module = build(n_features=self.scaler_.n_outputs, n_outputs=1, **(self.module_params or {}))
        return module

    def _fit_labels(self, train: Samples, loss: BaseLoss) -> NDArray[np.float64]:
        """Learn classes, or shift and scale, from the train labels; return the labels as numbers."""
        self._classes, self._shift, self._scale = None, 0.0, 1.0
        if self.task == "classification":
            self._classes = tuple(np.unique(np.asarray(train.y)).tolist())
            if len(self._classes) != 2:
                raise DataError(
                    f"Only binary classification is supported. The train labels have {len(self._classes)} classes",
                    code="model.n_classes",
                    count=len(self._classes),
                )
            return self._labels(train.y)
        y = self._labels(train.y)
        by_default = loss.name in LossRegistry.search("regression")
        if by_default if self.scale_target is None else self.scale_target:
            self._shift = float(y.mean())
            spread = float(y.std())
            self._scale = spread if spread > 1e-12 * max(1.0, abs(self._shift)) else 1.0
        return y

    def _labels(self, y: Any) -> NDArray[np.float64]:
        if self._classes is None:
            return np.asarray(y, dtype=np.float64)
        hit: NDArray[np.bool_] = np.asarray(y)[:, None] == np.asarray(self._classes)
        if not hit.any(axis=1).all():
            row = int(np.flatnonzero(~hit.any(axis=1))[0])
            raise DataError(
                f"validation row {row} is of class {y[row]!r}, which no train row has: drop such rows, or train on"
                " more",
                code="model.unknown_class",
                row=row,
            )
        return hit[:, 1].astype(np.float64)

    def _sequences(self) -> Sequences | None:
        return None if self.window is None else Sequences(int(self.window))

    def _complete(self, sequences: Sequences, train: Samples, val: Samples | None) -> tuple[Samples, Samples | None]:
        """Leave out the rows whose windows are short, and put that on record."""
        n_rows = len(train)
        train = sequences.complete(train, "train")
        val = None if val is None else sequences.complete(val, "validation")
        if self._draft is not None:
            self._draft = dataclasses.replace(
                self._draft,
                n_rows=len(train),
                n_val_rows=0 if val is None else len(val),
                n_short_windows=n_rows - len(train),
            )
        return train, val

    def _rows(
        self,
        samples: Samples,
        labels: NDArray[np.float64],
        loss: BaseLoss,
        dates: GroupIndex | None,
        sequences: Sequences | None,
    ) -> Rows:
        """Scale rows and put them on the device.

        Rows of weight 0 say nothing and are left out, unless the loss looks across rows: there they hold positions.
        """
        weight = samples.sample_weight
        if weight is not None and (weight == 0).any() and not looks_across(loss):
            kept = weight > 0
            samples, labels, weight = samples.take(kept), labels[kept], weight[kept]
        return Rows(
            self._source(samples.features, sequences),
            torch.from_numpy(labels.astype(np.float32)).to(self._device),
            None if weight is None else torch.from_numpy(weight.astype(np.float32)).to(self._device),
            dates,
        )

    def _source(self, X: NDArray[Any] | History, sequences: Sequences | None = None) -> BatchSource:
        if isinstance(X, History):
            assert sequences is not None
            return sequences.source(X, self.scaler_, self._device)
        return TensorSource(torch.from_numpy(self.scaler_.transform(X)).to(self._device))

    # --- prediction -----------------------------------------------------------------------------------------------

    def _scores(self, X: NDArray[Any] | History) -> NDArray[np.float64]:
        if isinstance(X, History):
            sequences = self._sequences()
            assert sequences is not None
            return sequences.scores(self.module_, X, self.scaler_, self._device) * self._scale + self._shift
        out = np.empty(X.shape[0])
        for start in range(0, X.shape[0], _PREDICT_ROWS):
            part = self._source(X[start : start + _PREDICT_ROWS])
            out[start : start + len(part)] = predict_scores(self.module_, part).cpu().numpy()
        return out * self._scale + self._shift

    def _predict(self, X: NDArray[Any] | History) -> NDArray[Any]:
        scores = self._scores(X)
        if self._classes is None:
            return scores
        classes = np.asarray(self._classes)
        if self.window is not None:  # labels that can be missing
            classes = classes.astype(np.float64 if classes.dtype.kind in "biuf" else object)
        labels = classes[(scores > 0).astype(np.intp)]
        labels[np.isnan(scores)] = np.nan
        return labels

    def _has_proba(self) -> bool:
        return self.task == "classification"

    def _predict_proba(self, X: NDArray[Any] | History) -> NDArray[np.float64]:
        # tanh neither overflows nor loses digits at either end
        positive = 0.5 * (1.0 + np.tanh(0.5 * self._scores(X)))
        return np.column_stack([1.0 - positive, positive])

    # --- going back and saving ------------------------------------------------------------------------------------

    def snapshot(self) -> ModelState | None:
        """Return a copy of the weights, on the CPU."""
        return ModelState(epoch=self._epoch, weights=self._state())

    def restore(self, state: ModelState) -> None:
        """Put the weights of a snapshot back."""
        self.module_.load_state_dict(state.weights)

    def _state(self) -> dict[str, Tensor]:
        return {
            name: value.detach().to("cpu", copy=True).contiguous() for name, value in self.module_.state_dict().items()
        }

    def _to_payloads(self) -> tuple[str, dict[str, bytes]]:
        self._facts()
        tensors = {f"module.{name}": value for name, value in self._state().items()}
        for name in ("mean", "scale", "indicated"):
            tensors[f"scaler.{name}"] = torch.from_numpy(getattr(self.scaler_, name))
        return "safetensors", {_PAYLOAD: safetensors.torch.save(tensors)}

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
            "shift": self._shift,
            "scale": self._scale,
            "epoch": self._epoch,
            "classes": None if self._classes is None else list(self._classes),
        }

    @classmethod
    def _from_bundle(cls, config: Mapping[str, Any], payload_format: str, payloads: Mapping[str, bytes]) -> Self:
        if payload_format != "safetensors":
            raise FormatMismatchError(
                f"a TorchModel is rebuilt from safetensors, this bundle holds {payload_format}: use"
                " tradewright.load_model",
                code="bundle.payload_format",
            )
        params = parameters.decode(config["params"])
        if isinstance(params["loss"], Mapping):
            params["loss"] = BaseLoss.from_dict(params["loss"])
        model = cls(**params)
        tensors = safetensors.torch.load(payloads[_PAYLOAD])
        scaler = {name: tensors[f"scaler.{name}"].numpy() for name in ("mean", "scale", "indicated")}
        model.scaler_ = FeatureScaler(**scaler)
        model._shift, model._scale, model._epoch = config["shift"], config["scale"], config["epoch"]
        model._classes = None if config["classes"] is None else tuple(config["classes"])
        model._device = resolve_device(model.device)
        state = {name.removeprefix("module."): tensor for name, tensor in tensors.items() if name.startswith("module.")}
        model._check_shapes(state)
        with PrivateRandom(0, model._device):  # building draws initial weights
            model.module_ = model._build()
        model.module_.load_state_dict(state)
        model.module_.to(model._device)
        return model

    def _check_shapes(self, state: Mapping[str, Tensor]) -> None:
        """Compare the shapes the parameters ask for with the payload's, before memory is taken for them."""
        try:
            with torch.device("meta"):
                wanted = {name: tuple(value.shape) for name, value in self._build().state_dict().items()}
        except RuntimeError:  # a builder that reads its own weights; what it asks for shows when it is built
            return
        found = {name: tuple(value.shape) for name, value in state.items()}
        if wanted != found:
            name = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))[0]
            raise IntegrityError(
                f"the manifest asks for {name} of shape {wanted.get(name)}, the payload has {found.get(name)}: the"
                " bundle does not belong together; save the model again",
                code="bundle.payload",
            )


def _batching(loss: BaseLoss) -> Batching:
    if is_series(loss):
        return "all"
    return "dates" if looks_across(loss) else "rows"
