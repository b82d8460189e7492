"""Group losses in torch's own operations, for accelerators: groups as the rows of a matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tradewright.errors import LossError
from tradewright.loss_functions.device_checks import nothing_to_average
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.loss_functions.inputs import LossInputs

if TYPE_CHECKING:
    from tradewright.loss_functions.base import BaseLoss
    from tradewright.loss_functions.grouped import GroupLoss

__all__ = [
    "Lists",
    "average_pairs",
    "check_weights",
    "discounts",
    "evaluate",
    "gains",
    "group_numbers",
    "pairs",
]


@dataclass(frozen=True, slots=True)
class Lists:
    """Groups side by side: matrices with a row per group, filled up with 0 where ``mask`` is False."""

    s: Any
    y: Any
    w: Any
    mask: Any

    def only(self, groups: Any) -> Lists:
        """Return some of the groups."""
        return Lists(self.s[groups], self.y[groups], self.w[groups], self.mask[groups])


def group_numbers(torch: Any, inputs: LossInputs, loss: Any) -> Any:
    """Return the ascending number of each row's group, as a tensor on the device of the predictions."""
    if isinstance(inputs.groups, GroupIndex):
        if inputs.groups.rows != len(inputs.prediction):
            raise LossError(
                f"groups is an index of {inputs.groups.rows} rows, y_pred has {len(inputs.prediction)}; pass the index "
                "of these rows",
                code="loss.shape",
                argument="groups",
            )
        return torch.as_tensor(inputs.groups.group_numbers(), device=inputs.prediction.device)
    if inputs.groups is None:
        raise LossError(
            f"{type(loss).__name__} compares the rows of a group; pass groups= with the date of each row",
            code="loss.groups_needed",
        )
    return torch.unique(inputs.groups, return_inverse=True)[1]


def evaluate(loss: GroupLoss, torch: Any, inputs: LossInputs) -> Any:
    """Return the reduced loss of tensors."""
    numbers = group_numbers(torch, inputs, loss)
    total = int(numbers.max()) + 1 if numbers.numel() else 0
    s, y, w = inputs.prediction, inputs.target.to(inputs.prediction.dtype), inputs.weight
    w = torch.ones_like(s) if w is None else w.to(s.dtype)
    if loss.nan_policy == "omit":
        kept = ~torch.isnan(y)
        s, y, w, numbers = s[kept], y[kept], w[kept], numbers[kept]
    order = torch.argsort(numbers, stable=True)
    present, place, counts = torch.unique_consecutive(numbers[order], return_inverse=True, return_counts=True)
    column = torch.arange(len(order), device=s.device) - (counts.cumsum(0) - counts)[place]
    shape = (len(counts), int(counts.max()) if len(counts) else 0)

    def spread(values: Any) -> Any:
        return values.new_zeros(shape).index_put((place, column), values[order])

    lists = Lists(spread(s), spread(y), spread(w), spread(torch.ones_like(s)) > 0)
    usable = loss._usable(torch, lists) if len(counts) else counts > 0
    used = lists.only(usable)
    if used.s.shape[0]:
        value, mass, count = loss._terms(torch, used)
    else:
        value = mass = count = s.sum() * s.new_zeros(0)
    if not loss.row_weights:
        weight = used.w[:, 0] if used.s.shape[0] else mass
        value, mass = torch.where(weight == 0, 0, weight * value), weight * mass
    if loss.reduction == "none":
        return s.new_zeros(total).index_put((present[usable],), value) + s.sum() * 0
    result = value.sum() + s.sum() * 0
    if loss.reduction == "sum" or used.s.shape[0] == 0:
        return result
    divisor = mass.sum() if loss.reduction == "mean" else count.sum()
    if bool(divisor == 0):
        raise nothing_to_average()
    return result / divisor


def check_weights(loss: BaseLoss, torch: Any, inputs: LossInputs) -> None:
    """Raise where weights differ inside a group."""
    if inputs.weight is None or inputs.groups is None or not len(inputs.prediction):
        return
    numbers = group_numbers(torch, inputs, loss)
    first = torch.full((int(numbers.max()) + 1,), len(numbers), device=numbers.device)
    rows = torch.arange(len(numbers), device=numbers.device)
    kept = ~torch.isnan(inputs.target) if loss.nan_policy == "omit" else torch.ones_like(rows, dtype=torch.bool)
    first = first.scatter_reduce(0, numbers, torch.where(kept, rows, len(numbers)), "amin")
    expected = inputs.weight[first[numbers].clamp(max=len(numbers) - 1)]
    differs = (inputs.weight != expected) & kept
    if bool(differs.any()):
        row = int(differs.to(torch.uint8).argmax())
        raise LossError(
            f"row {row}: the weight is {float(inputs.weight[row])}, other rows of its group have "
            f"{float(expected[row])}; this loss takes one weight per group (date). Give all its rows "
            "the same",
            code="loss.weight_differs",
            row=row,
        )


# --- pieces of formulas ---------------------------------------------------------------------------------------------


def pairs(lists: Lists) -> Any:
    """Return which (group, i, j) are pairs: y_i above y_j."""
    both = lists.mask[:, :, None] & lists.mask[:, None, :]
    return both & (lists.y[:, :, None] > lists.y[:, None, :])


def average_pairs(
    torch: Any, lists: Lists, each: Callable[[Any], Any], average: str, pair_weight: str | None
) -> tuple[Any, Any, Any]:
    """Return the terms of a pairwise loss; ``each`` is the loss of a difference of scores."""
    chosen = pairs(lists)
    weight = torch.where(chosen, lists.w[:, :, None] * lists.w[:, None, :], 0)
    value = weight * each(torch.where(chosen, lists.s[:, :, None] - lists.s[:, None, :], 0))
    if pair_weight == "target_gap":
        value = value * torch.where(chosen, lists.y[:, :, None] - lists.y[:, None, :], 0)
    total, mass, count = value.sum((1, 2)), weight.sum((1, 2)), chosen.sum((1, 2))
    if average == "pairs":
        return total, mass, count
    weighs = mass > 0
    return total / torch.where(weighs, mass, 1), weighs.to(total.dtype), torch.ones_like(mass)


def gains(torch: Any, lists: Lists, gain: str) -> Any:
    """Return the gain of each row, 0 where there is none."""
    if gain == "exp2":
        return torch.where(lists.mask, torch.exp2(lists.y) - 1, 0)
    least = torch.where(lists.mask, lists.y, 0).min(1, keepdim=True).values.clamp(max=0)
    return torch.where(lists.mask, lists.y - least, 0)


def discounts(torch: Any, lists: Lists, truncation: int | None = None) -> Any:
    """Return the discount of each rank, from the first."""
    ranks = torch.arange(lists.s.shape[1], device=lists.s.device, dtype=lists.s.dtype)
    kept = 1 / torch.log2(ranks + 2)
    return kept if truncation is None else torch.where(ranks < truncation, kept, 0)
