"""The epochs of a torch training: steps taken from whole tensors, losses in the units of the labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tradewright.base import LoopObserver
from tradewright.errors import LossError
from tradewright.loss_functions import BaseLoss
from tradewright.models.neural.batch_order import BatchOrder
from tradewright.models.neural.batch_source import Rows
from tradewright.models.neural.learning_rate import LearningRate
from tradewright.models.neural.precision import Precision
from tradewright.models.neural.scoring import score_rows
from tradewright.models.neural.step_gradient import StepGradient, take
from tradewright.models.neural.team import Team
from tradewright.runtime.device_layer_torch import DeviceLayer

__all__ = ["EpochLoop"]


class EpochLoop:
    """One training run, an epoch at a time.

    The module learns labels that are shifted and scaled; losses are reported in the labels' own units, so that they
    compare with those of other models. Nothing waits for the device between two steps: scores are kept there, and the
    loss of an epoch is asked for once, at its end. Scores that are no longer finite show there too; on the CPU, where
    asking costs nothing, at once.

    Parameters
    ----------
    module : nn.Module
        What is trained.
    optimizer : torch.optim.Optimizer
        Its optimizer.
    rate : LearningRate
        Sets the optimizer's rate before each step.
    loss : BaseLoss
        Against what.
    train : Rows
        The train rows.
    gradient : StepGradient
        Of the same module, loss and rows.
    order : BatchOrder
        Draws the steps.
    precision : Precision
        Of forward passes and steps.
    team : Team
        The processes that train together.
    layer : DeviceLayer
        The device's memory.
    shift, scale : float
        The module learns (label − shift) / scale.
    grad_clip : float or None
        The largest norm of a step's gradient.
    generator : torch.Generator
        Draws the order of the rows.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        rate: LearningRate,
        loss: BaseLoss,
        train: Rows,
        gradient: StepGradient,
        order: BatchOrder,
        *,
        precision: Precision,
        team: Team,
        layer: DeviceLayer,
        shift: float,
        scale: float,
        grad_clip: float | None,
        generator: torch.Generator,
    ) -> None:
        self._module, self._optimizer, self._rate = module, optimizer, rate
        self._weights = [weight for weight in module.parameters() if weight.requires_grad]
        self._loss = loss.module(check_on_device=False)
        self._train, self._gradient, self._order = train, gradient, order
        self._precision, self._team, self._layer = precision, team, layer
        self._shift, self._scale = shift, scale
        self._grad_clip = grad_clip
        self._generator = generator

    def run(self, epoch: int, observer: LoopObserver, part_rows: int | None) -> tuple[Tensor, bool]:
        """Train for one epoch; return its loss, still on the device, and whether the observer asked to stop.

        The loss is that of the scores each row got when it was trained on. It is NaN when scores have ceased to be
        finite; the epoch then ended there.

        Parameters
        ----------
        epoch : int
            Its number.
        observer : LoopObserver
            Told of each step, if it wants to be; may limit their number.
        part_rows : int or None
            How many rows of a step are read at a time; None for all.
        """
        self._module.train()
        stop = False
        steps = self._order.draw(self._generator, self._train.y.device)[: observer.batch_limit]
        for number, rows in enumerate(steps):
            if observer.wants_batches:
                observer.batch_begin(number)
            self._rate.before_step(epoch, number, len(steps))
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._gradient.run(rows, part_rows)
            if loss is None:
                return self._nan(), stop
            self._precision.step(self._optimizer, self._weights, self._grad_clip)
            if observer.wants_batches:
                stop = observer.batch_end(number, {"loss": float(loss.detach())}) or stop
        return self._seen_loss(steps if observer.batch_limit is not None else None), stop

    def validate(self, rows: Rows) -> Tensor:
        """Return the loss on rows that are not trained on, still on the device; NaN when scores are not finite."""
        mine = self._team.part_of(slice(0, len(rows.y)))
        assert isinstance(mine, slice)
        scores = score_rows(self._module, rows.source, self._layer, mine.start, mine.stop)
        return self._measure(self._team.gather(scores, len(rows.y)), rows)

    def _seen_loss(self, steps: Sequence[Tensor | slice] | None) -> Tensor:
        """Return the train loss of an epoch; of one that was cut short, that of its rows."""
        scores = self._gradient.scores
        if self._team.size > 1:
            scores = self._team.sum(scores.clone())
            self._gradient.scores.zero_()
        if steps is None:
            return self._measure(scores, self._train)
        device = self._train.y.device
        rows = torch.cat(
            [torch.arange(step.start, step.stop, device=device) if isinstance(step, slice) else step for step in steps]
        )
        if len(rows) == len(scores):
            return self._measure(scores, self._train)
        train = self._train
        weight = None if train.weight is None else take(train.weight, rows)
        return self._value(take(scores, rows), take(train.y, rows), weight, self._gradient.dates_of(rows))

    def _measure(self, scores: Tensor, rows: Rows) -> Tensor:
        return self._value(scores, rows.y, rows.weight, rows.dates)

    def _value(self, scores: Tensor, y: Tensor, weight: Tensor | None, dates: object) -> Tensor:
        scores = scores * self._scale + self._shift
        try:
            with torch.no_grad():
                loss: Tensor = self._loss(scores, y, weight, dates)
            return loss
        except LossError:
            if bool(torch.isfinite(scores).all()):
                raise
            return self._nan()

    def _nan(self) -> Tensor:
        return torch.full((), torch.nan, device=self._train.y.device)
