"""From a TorchModel's parameters to a fit that can begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from tradewright.errors import ParameterError
from tradewright.loss_functions import BaseLoss
from tradewright.models.loss_rows import is_series, looks_across
from tradewright.models.neural.batch_order import AllRows, BatchOrder, DateBatches, RowBatches
from tradewright.models.neural.batch_source import Rows
from tradewright.models.neural.epoch_loop import EpochLoop
from tradewright.models.neural.fit_run import FitRun, PartSize
from tradewright.models.neural.label_code import LabelCode
from tradewright.models.neural.learning_rate import LearningRate
from tradewright.models.neural.precision import Precision
from tradewright.models.neural.private_random import PrivateRandom
from tradewright.models.neural.step_gradient import StepGradient
from tradewright.models.neural.team import Team
from tradewright.optimizers import OptimizerRegistry, Schedule, ScheduleRegistry
from tradewright.runtime.device import resolve_device
from tradewright.runtime.device_layer_torch import open_layer
from tradewright.runtime.distributed import Launch, launched

if TYPE_CHECKING:
    from tradewright.models.torch_model import TorchModel

__all__ = ["begin", "fit_device"]


def fit_device(device: str, distributed: bool | None) -> tuple[Launch | None, str]:
    """Return the launch this process takes part in, and the device it computes on.

    Processes on one machine take its GPUs in turn where no number was asked for.

    Raises
    ------
    ParameterError
        When several processes were asked for and this one stands alone.
    """
    launch = None if distributed is False else launched()
    if distributed and launch is None:
        raise ParameterError(
            "distributed=True, and this process stands alone: start the script with torchrun --nproc-per-node 2, or"
            " leave distributed out",
            code="model.distributed",
        )
    found = resolve_device(device)
    if launch is not None and found.startswith("cuda") and ":" not in device:
        found = f"cuda:{launch.local_rank % torch.cuda.device_count()}"
    return launch, found


def begin(
    model: TorchModel,
    module: nn.Module,
    loss: BaseLoss,
    train: Rows,
    labels: LabelCode,
    random: PrivateRandom,
    team: Team,
    seed: int,
) -> FitRun:
    """Put together what a fit needs beside its rows.

    Parameters
    ----------
    model : TorchModel
        Its parameters.
    module, loss, train, labels
        What is trained, against what, on which rows.
    random : PrivateRandom
        The stream the module was built with; training goes on with it.
    team : Team
        The processes that train together.
    seed : int
        Of the order of the rows; the same in all processes.
    """
    optimizer = _optimizer(model, list(module.parameters()))
    precision = Precision(model.amp, model.device_in_use)
    gradient = StepGradient(
        module,
        cast("Any", torch.compile(module)) if model.compile else module,
        loss,
        train,
        (train.y - labels.shift) / labels.scale,
        precision,
        team,
    )
    rate = LearningRate(optimizer, _schedule(model), float(model.warmup), int(model.epochs))
    generator = torch.Generator().manual_seed(seed)
    n_rows = len(train.y)
    step_rows = n_rows if is_series(loss) else min(n_rows, int(model.batch_size) * int(model.accumulate))
    layer = open_layer(model.device_in_use)
    loop = EpochLoop(
        module,
        optimizer,
        rate,
        loss,
        train,
        gradient,
        _order(model, loss, train, step_rows),
        precision=precision,
        team=team,
        layer=layer,
        shift=labels.shift,
        scale=labels.scale,
        grad_clip=model.grad_clip,
        generator=generator,
    )
    if team.rank:
        # Dropout falls on other units in each process.
        random = PrivateRandom(seed + team.rank, model.device_in_use)
    part = PartSize(None if is_series(loss) or model.accumulate == 1 else int(model.batch_size))
    return FitRun(module, optimizer, rate, precision, generator, random, loop, team, layer, step_rows, part)


def _order(model: TorchModel, loss: BaseLoss, train: Rows, step_rows: int) -> BatchOrder:
    n_rows = len(train.y)
    if is_series(loss):
        return AllRows(n_rows)
    if looks_across(loss) and train.dates is not None:
        return DateBatches(train.dates, step_rows, model.shuffle)
    return RowBatches(n_rows, step_rows, model.shuffle)


def _optimizer(model: TorchModel, weights: list[Tensor]) -> torch.optim.Optimizer:
    make = OptimizerRegistry.get(model.optimizer)
    try:
        made: torch.optim.Optimizer = make(
            params=weights, lr=model.lr, weight_decay=model.weight_decay, **(model.optimizer_params or {})
        )
    except TypeError as error:
        raise ParameterError(
            f"optimizer_params={dict(model.optimizer_params or {})!r}: {model.optimizer} does not take these ({error})",
            code="model.optimizer_params",
        ) from error
    return made


def _schedule(model: TorchModel) -> Schedule:
    make = ScheduleRegistry.get(model.schedule)
    try:
        return make(**(model.schedule_params or {}))
    except TypeError as error:
        raise ParameterError(
            f"schedule_params={dict(model.schedule_params or {})!r}: {model.schedule} does not take these ({error})",
            code="model.schedule_params",
        ) from error
