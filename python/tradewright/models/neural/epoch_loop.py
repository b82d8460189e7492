"""The epochs of a torch training: permuted batches taken from whole tensors, losses in the units of the labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tradewright.base import LoopObserver
from tradewright.errors import LossError
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.models.neural.batch_source import BatchSource, Rows
from tradewright.models.neural.date_batches import DateBatches

__all__ = ["Batching", "EpochLoop", "predict_scores"]

#: What a step is made of: rows in random order, whole dates in random order, or all rows.
Batching = Literal["rows", "dates", "all"]


class EpochLoop:
    """One training run, an epoch at a time.

    The module learns labels that are shifted and scaled; losses are reported in the labels' own units, so that they
    compare with those of other models. A device is asked for numbers once per epoch and set.

    Parameters
    ----------
    module, optimizer, loss
        What is trained, by what, against what; the loss in torch's order: (score, label, weight, dates).
    train : Rows
        The train rows.
    shift, scale : float
        The module learns (label − shift) / scale.
    batch_size : int
        Rows per step; with whole dates, up to one date more.
    batching : {"rows", "dates", "all"}
        What a step is made of. Whole dates need the rows' ``dates``.
    grad_clip : float or None
        The largest norm of a step's gradient.
    generator : torch.Generator
        Draws the order of the rows.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Callable[..., Tensor],
        train: Rows,
        *,
        shift: float,
        scale: float,
        batch_size: int,
        batching: Batching = "rows",
        grad_clip: float | None,
        generator: torch.Generator,
    ) -> None:
        self._module = module
        self._optimizer = optimizer
        self._loss = loss
        self._train = train
        self._shift = shift
        self._scale = scale
        self._batch_size = batch_size
        self._batching = batching
        self._dates = DateBatches(train.dates, batch_size) if batching == "dates" and train.dates is not None else None
        # Of each row, on the device: a batch takes its own.
        numbers = None if self._dates is None or train.dates is None else train.dates.group_numbers()
        self._numbers = None if numbers is None else torch.from_numpy(numbers).to(train.y.device)
        self._grad_clip = grad_clip
        self._generator = generator
        self._targets = (train.y - shift) / scale
        self._scores = torch.empty_like(train.y)

    def run(self, observer: LoopObserver) -> tuple[float, bool]:
        """Train for one epoch; return its loss and whether the observer asked to stop.

        The loss is that of the scores each row got when its batch was trained on. It is NaN when scores have ceased to
        be finite; the epoch then ended there.
        """
        self._module.train()
        stop = False
        batches = self._batches()[: observer.batch_limit]
        for number, rows in enumerate(batches):
            if observer.wants_batches:
                observer.batch_begin(number)
            loss = self._step(rows)
            if loss is None:
                return math.nan, stop
            if observer.wants_batches:
                stop = observer.batch_end(number, {"loss": float(loss.detach())}) or stop
        if observer.batch_limit is not None and self._batching != "all":
            return self._measure_part(torch.cat([rows for rows in batches if isinstance(rows, Tensor)])), stop
        return self._measure(self._scores, self._train), stop

    def _batches(self) -> Sequence[Tensor | slice]:
        if self._batching == "all":
            return [slice(None)]
        device = self._targets.device
        if self._dates is not None:
            return [rows.to(device) for rows in self._dates.draw(self._generator)]
        order = torch.randperm(len(self._targets), generator=self._generator).to(device)
        return torch.split(order, self._batch_size)

    def _dates_of(self, rows: Tensor | slice) -> Tensor | GroupIndex | None:
        if self._numbers is None or isinstance(rows, slice):
            return self._train.dates
        return self._numbers[rows]

    def _step(self, rows: Tensor | slice) -> Tensor | None:
        """Train on one batch; None when its scores are not finite."""
        weight = None if self._train.weight is None else self._train.weight[rows]
        self._optimizer.zero_grad(set_to_none=True)
        scores = self._train_scores(rows)
        try:
            loss = self._loss(scores, self._targets[rows], weight, self._dates_of(rows))
        except LossError:
            if bool(torch.isfinite(scores).all()):
                raise
            return None
        loss.backward()  # type: ignore[no-untyped-call]
        if self._grad_clip is not None:
            nn.utils.clip_grad_norm_(self._module.parameters(), self._grad_clip)
        self._optimizer.step()
        self._scores[rows] = scores.detach()
        return loss

    def _train_scores(self, rows: Tensor | slice) -> Tensor:
        """Return the scores of one batch, with what their gradient needs."""
        source = self._train.source
        limit = source.step_rows
        if limit is None or (len(source) if isinstance(rows, slice) else len(rows)) <= limit:
            return _scores(self._module, source.slice(0, len(source)) if isinstance(rows, slice) else source.take(rows))
        if isinstance(rows, slice):
            rows = torch.arange(len(source), device=self._targets.device)
        # The random stream is set back when a part is computed again: dropout falls on the same units.
        parts = [checkpoint(self._part, part, use_reentrant=False) for part in torch.split(rows, limit)]
        return torch.cat(parts)

    def _part(self, rows: Tensor) -> Tensor:
        return _scores(self._module, self._train.source.take(rows))

    def validate(self, rows: Rows) -> float:
        """Return the loss on rows that are not trained on, NaN when scores are not finite."""
        return self._measure(predict_scores(self._module, rows.source), rows)

    def _measure_part(self, rows: Tensor) -> float:
        """Return the loss of the train rows that a shortened epoch has seen."""
        train = self._train
        weight = None if train.weight is None else train.weight[rows]
        scores = self._scores[rows] * self._scale + self._shift
        with torch.no_grad():
            return float(self._loss(scores, train.y[rows], weight, self._dates_of(rows)))

    def _measure(self, scores: Tensor, rows: Rows) -> float:
        scores = scores * self._scale + self._shift
        try:
            with torch.no_grad():
                return float(self._loss(scores, rows.y, rows.weight, rows.dates))
        except LossError:
            if bool(torch.isfinite(scores).all()):
                raise
            return math.nan


def predict_scores(module: nn.Module, source: BatchSource) -> Tensor:
    """Return the module's output per row, in evaluation mode and in batches, without gradients."""
    module.eval()
    n_rows, step = len(source), source.scoring_rows
    with torch.inference_mode():
        parts = [_scores(module, source.slice(at, min(at + step, n_rows))) for at in range(0, n_rows, step)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]


def _scores(module: nn.Module, X: Tensor) -> Tensor:
    out: Tensor = module(X)
    return out[:, 0] if out.ndim == 2 else out
