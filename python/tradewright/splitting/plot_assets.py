"""A plan asset by asset: the runs of one role that each asset has in each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ParameterError, SplitError
from tradewright.panel.assets import encode_assets

if TYPE_CHECKING:
    from tradewright.splitting.plan import SplitPlan

__all__ = ["asset_runs"]

#: A pause this many of an asset's usual steps long is a gap, if it is wide enough to be seen: this part of the axis.
_STEPS, _SEEN = 3, 0.005
#: Lines up to which every asset is named in every fold.
_NAMED = 40


@dataclass(frozen=True, slots=True)
class _Walks:
    """The rows of all assets, one asset after the other, each in time order."""

    place: NDArray[np.int64]  # in time order
    asset: NDArray[np.int64]
    time: NDArray[np.int64]
    #: Whether a row starts a stretch: the first of its asset, or behind a gap.
    starts: NDArray[np.bool_]
    #: Where a row's bar ends when the next row is not of the same stretch.
    until: NDArray[np.int64]

    @classmethod
    def of(cls, codes: NDArray[Any], times: NDArray[np.int64]) -> _Walks:
        """From codes and times in time order."""
        place = np.argsort(codes, kind="stable")
        asset, time = codes[place].astype(np.int64), times[place]
        first = np.r_[True, asset[1:] != asset[:-1]]
        steps = np.diff(time)
        inside = ~first[1:]
        usual = _usual_steps(asset, steps, inside)[asset]
        wide = _SEEN * float(times[-1] - times[0])
        gap = np.r_[False, inside & (steps > np.maximum(_STEPS * usual[1:], wide))]
        return cls(place, asset, time, first | gap, np.minimum(time + usual, times[-1]))


def asset_runs(
    plan: SplitPlan, folds: Sequence[int], assets: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], tuple[str | None, ...]]:
    """Line, role, first and last time of each run, and the names of the lines: the assets of each fold in turn."""
    codes, names, times = _coded(plan, assets)
    walks = _Walks.of(codes, times)
    lines, titles = [], []
    for number, fold in enumerate(folds):
        segments, _ = plan.table.of_fold(fold)
        roles = np.repeat(segments[:, 1], segments[:, 3] - segments[:, 2])[walks.place]
        starts = walks.starts.copy()
        starts[1:] |= roles[1:] != roles[:-1]
        at = np.flatnonzero(starts)
        # A bar ends where the next one of its stretch begins, else with its last row.
        last = np.r_[at[1:], len(roles)] - 1
        right = walks.until[last]
        meets = np.flatnonzero(~walks.starts[at[1:]])
        right[meets] = walks.time[at[meets + 1]]
        # Folds stand apart by an empty line.
        lines.append(np.column_stack([walks.asset[at] + number * (len(names) + 1), roles[at], walks.time[at], right]))
        titles += [*_titles(fold, names, len(folds)), None]
    line, role, left, right = np.concatenate(lines).T
    return line, role, left, right, tuple(titles[:-1])


def _titles(fold: int, names: Sequence[str], folds: int) -> list[str | None]:
    """What the lines of one fold are called."""
    if folds == 1:
        return list(names)
    if folds * len(names) <= _NAMED:
        return [f"fold {fold}  {names[0]}", *names[1:]]
    return [f"fold {fold}" if line == len(names) // 2 else None for line in range(len(names))]


def _usual_steps(asset: NDArray[np.int64], steps: NDArray[np.int64], inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The median step of each asset."""
    owner, own = asset[1:][inside], steps[inside]
    order = np.lexsort((own, owner))
    count = np.bincount(owner, minlength=int(asset[-1]) + 1)
    middle = np.cumsum(count) - count + count // 2
    usual = np.zeros(len(count), dtype=np.int64)
    some = count > 0
    usual[some] = own[order][middle[some]]
    return usual


def _coded(plan: SplitPlan, assets: Any) -> tuple[NDArray[Any], tuple[str, ...], NDArray[np.int64]]:
    """Codes, names and times of the plan's rows in time order."""
    if assets is True:
        assets = None if plan._panel is None else plan._panel()
        if assets is None:
            raise ParameterError(
                "assets=True: the plan's panel is not at hand; pass it, or an id per row", code="plan.assets"
            )
    is_panel = hasattr(assets, "time_unit")
    ids = assets.asset if is_panel else assets
    if ids is None:
        raise ParameterError("assets=: the panel has no assets", code="plan.assets")
    if len(ids) != plan.n_rows:
        raise SplitError(
            f"assets has {len(ids):,} rows, the plan has {plan.n_rows:,}: pass those it was made from, in the same order",
            code="split.length",
            got=len(ids),
            expected=plan.n_rows,
        )
    codes, names = (assets.asset, assets.asset_names) if is_panel else encode_assets(ids, "assets")
    times = _times(plan) if not is_panel else assets.time if plan.order is None else assets.time[plan.order]
    if times is None:
        raise SplitError(
            "a plan that was saved has no times: pass the panel as assets=, or ids to the plan itself",
            code="plan.saved",
        )
    if (times[plan.table.segments[:, 2]] != plan.table.times[:, 0]).any():
        raise SplitError(
            "assets=: the panel's times are not those of the plan: pass the one it was made from", code="plan.assets"
        )
    return codes if plan.order is None else codes[plan.order], names, times


def _times(plan: SplitPlan) -> NDArray[np.int64] | None:
    """The time of every row in time order; None for a plan that was saved."""
    if plan._timeline is None:
        return None
    times, _ = plan._timeline.at(np.arange(plan.n_rows, dtype=np.int64))
    return times
