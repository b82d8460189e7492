"""The gradient of one step: in one pass where its rows fit, else in parts, and on several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tradewright.errors import LossError
from tradewright.loss_functions import BaseLoss
from tradewright.loss_functions.combined import CombinedLoss
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.loss_functions.point import PointLoss
from tradewright.models.neural.batch_source import Rows
from tradewright.models.neural.precision import Precision
from tradewright.models.neural.private_random import generator_states, set_generator_states
from tradewright.models.neural.team import Team

__all__ = ["StepGradient", "take"]


class StepGradient:
    """Leaves the gradient of a step's loss in the module's weights.

    The loss is that of all rows of the step, whatever parts they are read in. A loss that is an average over rows is
    taken part by part, each with its share. One that looks across rows is taken once; its parts are computed a second
    time for their gradients, with the same dropout, so that only one is held in memory at a time.

    Parameters
    ----------
    module : nn.Module
        What is trained.
    forward : callable
        The module, or its compiled form.
    loss : BaseLoss
        The loss, reduced to one number.
    train : Rows
        The train rows.
    targets : Tensor of float32, shape (n_rows,)
        The labels as the module learns them.
    precision : Precision
        In what precision forward passes run.
    team : Team
        The processes that share the rows of each step.
    """

    def __init__(
        self,
        module: nn.Module,
        forward: Callable[[Tensor], Tensor],
        loss: BaseLoss,
        train: Rows,
        targets: Tensor,
        precision: Precision,
        team: Team,
    ) -> None:
        self._weights = list(module.parameters())
        self._forward = forward
        self._loss = loss.module(check_on_device=False)
        self._train, self._targets = train, targets
        self._precision, self._team = precision, team
        self._reduction = row_reduction(loss)
        # Of each row, on the device: a step takes its own.
        numbers = None if train.dates is None else train.dates.group_numbers()
        self._numbers = None if numbers is None else torch.from_numpy(numbers).to(targets.device)
        self.scores = torch.zeros_like(targets)

    def run(self, rows: Tensor | slice, part_rows: int | None) -> Tensor | None:
        """Compute the gradient of a step; return its loss, or None when scores are not finite.

        Parameters
        ----------
        rows : Tensor of int64, or slice
            The rows of the step.
        part_rows : int or None
            How many are read at a time; None for all.

        Notes
        -----
        The scores that the rows got are kept in :attr:`scores`.
        """
        mine = self._team.part_of(rows)
        limits = [limit for limit in (part_rows, self._train.source.step_rows) if limit is not None]
        parts = split(mine, min(limits, default=None))
        if len(parts) == 1 and self._team.size == 1:
            return self._whole(rows)
        if self._reduction is not None:
            return self._by_shares(rows, parts)
        return self._across(rows, mine, parts)

    # --- the three ways -------------------------------------------------------------------------------------------

    def _whole(self, rows: Tensor | slice) -> Tensor | None:
        scores = self._score(rows)
        loss = self._loss_of(scores, rows)
        if loss is not None:
            self._precision.backward(loss)
            self._keep(rows, scores)
        return loss

    def _by_shares(self, rows: Tensor | slice, parts: Sequence[Tensor | slice]) -> Tensor | None:
        whole = self._mass(rows)
        total = torch.zeros((), device=self._targets.device)
        for part in parts:
            if length(part) == 0:  # fewer rows than processes
                continue
            scores = self._score(part)
            loss = self._loss_of(scores, part)
            if loss is None:
                return self._spoilt()
            loss = loss * (self._mass(part) / whole)
            self._precision.backward(loss)
            self._keep(part, scores)
            total += loss.detach()
        return self._team.sum_gradients(self._weights, total)

    def _across(self, rows: Tensor | slice, mine: Tensor | slice, parts: Sequence[Tensor | slice]) -> Tensor | None:
        device = self._targets.device
        dice = generator_states(device)
        if length(mine) == 0:  # fewer rows than processes
            scores = torch.zeros(0, device=device)
        elif len(parts) == 1:
            scores = self._score(mine)
        else:
            scores = self._scores_of(parts)
        everyones = self._team.gather(scores.detach(), length(rows)).requires_grad_()
        loss = self._loss_of(everyones, rows)
        if loss is None:
            return self._spoilt()
        (slopes,) = torch.autograd.grad(loss, everyones)
        if length(mine):
            slopes = self._team.part_of_values(slopes)
            if len(parts) > 1:
                # The dice fall again as they did: dropout is of the same units.
                set_generator_states(device, dice)
            for part, slope in zip(parts, torch.split(slopes, [length(part) for part in parts]), strict=True):
                again = scores if len(parts) == 1 else self._score(part)
                self._precision.backward((again * slope).sum())
            self._keep(mine, scores)
        return self._team.sum_gradients(self._weights, loss.detach() / self._team.size)

    def _scores_of(self, parts: Sequence[Tensor | slice]) -> Tensor:
        """Return the scores of parts that are computed one at a time, as they will be for their gradients.

        They are written into one tensor: small results kept one by one lie between the large ones that come and go,
        and the memory falls to pieces that fit none of those.
        """
        scores = torch.empty(sum(map(length, parts)), device=self._targets.device)
        at = 0
        for part in parts:
            scores[at : at + length(part)] = self._score(part).detach()
            at += length(part)
        return scores

    def _spoilt(self) -> Tensor | None:
        """Give up a step whose scores are not finite; among several processes, without leaving the others waiting."""
        if self._team.size == 1:
            return None
        for weight in self._weights:
            weight.grad = torch.full_like(weight, torch.nan)
        return self._team.sum_gradients(self._weights, torch.full((), torch.nan, device=self._targets.device))

    # --- rows -----------------------------------------------------------------------------------------------------

    def _score(self, rows: Tensor | slice) -> Tensor:
        source = self._train.source
        X = source.slice(rows.start, rows.stop) if isinstance(rows, slice) else source.take(rows)
        with self._precision.forward():
            out = self._forward(X)
        return (out[:, 0] if out.ndim == 2 else out).float()

    def _loss_of(self, scores: Tensor, rows: Tensor | slice) -> Tensor | None:
        weight = None if self._train.weight is None else take(self._train.weight, rows)
        try:
            loss: Tensor = self._loss(scores, take(self._targets, rows), weight, self.dates_of(rows))
        except LossError:
            if bool(torch.isfinite(scores).all()):
                raise
            return None
        return loss

    def dates_of(self, rows: Tensor | slice) -> Tensor | GroupIndex | None:
        """Return the dates of rows: of all of them the index with its assets, which series need."""
        if self._numbers is None or (isinstance(rows, slice) and length(rows) == len(self._targets)):
            return self._train.dates
        return take(self._numbers, rows)

    def _mass(self, rows: Tensor | slice) -> Tensor | float:
        """Return what a reduction divides by: shares of it add up to 1."""
        if self._reduction == "sum":
            return 1.0
        if self._reduction == "mean" and self._train.weight is not None:
            return take(self._train.weight, rows).sum()
        return float(length(rows))

    def _keep(self, rows: Tensor | slice, scores: Tensor) -> None:
        if isinstance(rows, slice):
            self.scores[rows] = scores.detach()
        else:
            self.scores.index_copy_(0, rows, scores.detach())


def row_reduction(loss: BaseLoss) -> str | None:
    """Return how a loss of single rows is reduced; None for one that looks across rows, or mixes reductions."""
    terms = [term for _, term in loss.terms] if isinstance(loss, CombinedLoss) else [loss]
    if not all(isinstance(term, PointLoss) for term in terms):
        return None
    reductions = {term.reduction for term in terms}
    return reductions.pop() if len(reductions) == 1 else None


def take(values: Tensor, rows: Tensor | slice) -> Tensor:
    """Return the values of rows: a view for a slice."""
    return values[rows] if isinstance(rows, slice) else values.index_select(0, rows)


def length(rows: Tensor | slice) -> int:
    """Return how many rows there are."""
    return int(rows.stop - rows.start) if isinstance(rows, slice) else len(rows)


def split(rows: Tensor | slice, part_rows: int | None) -> Sequence[Tensor | slice]:
    """Cut rows into parts of ``part_rows``."""
    if part_rows is None or length(rows) <= part_rows:
        return [rows]
    if isinstance(rows, slice):
        return [slice(at, min(at + part_rows, rows.stop)) for at in range(rows.start, rows.stop, part_rows)]
    return torch.split(rows, part_rows)
