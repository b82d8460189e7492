"""Portfolio returns in torch's own operations, for accelerators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradewright.errors import LossError
from tradewright.loss_functions.device_checks import check_values
from tradewright.loss_functions.group_device import check_weights, group_numbers
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.loss_functions.inputs import LossInputs

if TYPE_CHECKING:
    from tradewright.loss_functions.series import SeriesLoss

__all__ = ["check", "reduce", "returns"]


def _dates_and_assets(loss: SeriesLoss, torch: Any, inputs: LossInputs) -> tuple[Any, Any]:
    rows = torch.arange(len(inputs.prediction), device=inputs.prediction.device)
    if inputs.groups is None:
        if inputs.assets is not None:
            raise LossError("assets is passed without groups; pass groups= too", code="loss.groups_needed")
        return rows, torch.zeros_like(rows)
    dates = group_numbers(torch, inputs, loss)
    if isinstance(inputs.groups, GroupIndex):
        numbers = inputs.groups.asset_numbers()
        return dates, None if numbers is None else torch.as_tensor(numbers, device=rows.device)
    return dates, inputs.assets


def returns(loss: SeriesLoss, torch: Any, inputs: LossInputs) -> tuple[Any, Any]:
    """Return portfolio returns in time order, and their weights."""
    dates, assets = _dates_and_assets(loss, torch, inputs)
    s, y, w = inputs.prediction, inputs.target.to(inputs.prediction.dtype), inputs.weight
    w = torch.ones_like(s) if w is None else w.to(s.dtype)
    volatility = loss._volatility(inputs)
    leverage = (
        torch.ones_like(s) if volatility is None else loss._target_volatility / volatility.reshape(-1).to(s.dtype)
    )
    if assets is None:
        several = len(dates) != len(torch.unique(dates))
        if loss.cost > 0 and several:
            raise LossError(
                "a date has several rows; pass assets= so that each position finds its predecessor, or cost=0",
                code="loss.assets_needed",
            )
        assets = torch.arange(len(s), device=s.device) if several else torch.zeros_like(dates)
    if loss.nan_policy == "omit":
        kept = ~torch.isnan(y)
        s, y, w, leverage, dates, assets = (v[kept] for v in (s, y, w, leverage, dates, assets))
    order = torch.argsort(dates, stable=True)
    s, y, w, leverage, assets = (v[order] for v in (s, y, w, leverage, assets))
    _, date, counts = torch.unique_consecutive(dates[order], return_inverse=True, return_counts=True)
    held = _positions(loss, torch, s, date, len(counts)) * leverage
    before, closing = _neighbours(loss, torch, held, date, assets, len(counts))
    net = held * y - loss.cost * (held - before).abs()
    if loss._is_pooled:
        return net - loss.cost * torch.where(closing, held.abs(), 0), w
    share = torch.ones_like(counts, dtype=s.dtype) if loss.position == "softmax" else 1 / counts.to(s.dtype)
    total = s.new_zeros(len(counts)).index_add(0, date, net)
    if loss.cost > 0:
        total = total.index_add(0, date[closing] + 1, -loss.cost * held[closing].abs())
    return total * share, w[counts.cumsum(0) - counts]


def _positions(loss: SeriesLoss, torch: Any, s: Any, date: Any, dates: int) -> Any:
    if loss.position == "tanh":
        return torch.tanh(s)
    if loss.position == "clip":
        return s.clamp(-1, 1)
    if loss.position == "identity":
        return s
    top = s.detach().new_full((dates,), -torch.inf).scatter_reduce(0, date, s.detach(), "amax")
    e = torch.exp(s - top[date])
    return e / s.new_zeros(dates).index_add(0, date, e)[date]


def _neighbours(loss: SeriesLoss, torch: Any, held: Any, date: Any, assets: Any, dates: int) -> tuple[Any, Any]:
    """Return the position of each row's asset before it, and which rows are closed on the next date."""
    by_asset = torch.argsort(assets, stable=True)
    same = assets[by_asset][1:] == assets[by_asset][:-1]
    previous = torch.full_like(by_asset, -1)
    previous[by_asset[1:][same]] = by_asset[:-1][same]
    following = torch.full_like(by_asset, -1)
    following[by_asset[:-1][same]] = by_asset[1:][same]
    known = previous >= 0
    carry = loss.absent == "carry"
    near = known if carry else known & (date[previous] == date - 1)
    start = ~known if carry else date == 0
    # Two Python numbers would be single precision.
    initial = torch.where(start, torch.full_like(held, loss.initial_position), 0.0)
    before = torch.where(near, held[previous], initial)
    stays = (following >= 0) & (date[following] == date + 1)
    closing = torch.zeros_like(near) if carry else ~stays & (date + 1 < dates)
    return before, closing


def reduce(loss: SeriesLoss, torch: Any, r: Any, w: Any) -> Any:
    """Return the loss of returns."""
    if len(r) == 0 and loss.reduction == "sum":
        return r.sum()
    counted = int((w > 0).sum()) if loss.least > 1 else len(r)
    if counted < loss.least:
        raise LossError(
            f"{counted} returns are too few, this loss needs {loss.least}: pass more dates", code="loss.too_few_dates"
        )
    divisor = {"mean": w.sum(), "mean_n": len(r), "sum": 1.0}[loss.reduction]
    return loss._of_returns(torch, r, w, divisor)


def check(loss: SeriesLoss, torch: Any, inputs: LossInputs) -> None:
    """Raise what the core would raise for bad values; synchronises."""
    check_values(loss, torch, inputs.prediction, inputs.target, inputs.weight, targets="real")
    check_weights(loss, torch, inputs)
    volatility = loss._volatility(inputs)
    if volatility is not None and bool((bad := ~(torch.isfinite(volatility) & (volatility > 0))).any()):
        row = int(bad.reshape(-1).to(torch.uint8).argmax())
        raise LossError(
            f"row {row}: the volatility is {float(volatility.reshape(-1)[row])}; volatilities are finite and above 0. "
            "Floor them, or drop the row",
            code="loss.volatility_invalid",
            row=row,
        )
    if not loss.refuses_ruin:
        return
    with torch.no_grad():
        r, _ = returns(loss, torch, inputs)
        if len(r) and bool((r <= -1).any()):
            at = int((r <= -1).to(torch.uint8).argmax())
            raise LossError(
                f"date number {at}: the portfolio return is {float(r[at])}; at -1 or below nothing is left to compound. "
                "Bound the position, or check that returns are fractions and not percent",
                code="loss.ruin",
            )
