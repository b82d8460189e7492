"""A picture of a plan: its folds over calendar time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _optional
from tradewright.errors import ParameterError
from tradewright.panel.times import as_datetimes
from tradewright.splitting.fold import ROLES

if TYPE_CHECKING:
    from tradewright.splitting.plan import SplitPlan

__all__ = ["ROLE_COLOURS", "plot_plan"]

#: Colours that stay apart in grey and for colour-blind eyes; what is left out is brighter than what is used.
ROLE_COLOURS = {
    "train": "#4c72b0",
    "val": "#8cbf7a",
    "test": "#222222",
    "purged": "#d1495b",
    "embargoed": "#edae49",
    "unused": "#e9e9e9",
}

#: A range narrower than this part of the axis is drawn this wide: five purged days in ten years must be seen.
_LEAST = 0.0025


#: No picture is higher than this, in inches; lines get thinner instead, and none is left out.
_HIGHEST = 24.0


@dataclass(frozen=True, slots=True)
class _Bars:
    """Ranges to draw, line by line and in time order on each."""

    line: NDArray[np.int64]
    role: NDArray[np.int64]
    left: NDArray[Any]
    right: NDArray[Any]
    #: What each line is called; None for lines that have no name of their own.
    names: tuple[str | None, ...]

    @classmethod
    def of_folds(cls, plan: SplitPlan, folds: Sequence[int]) -> _Bars:
        """One line per fold: neighbours meet where the later one begins."""
        fold, role = plan.table.segments[:, :2].T
        chosen = np.isin(fold, folds)
        fold, role, times = fold[chosen], role[chosen], plan.table.times[chosen]
        right = times[:, 1].copy()
        follows = np.flatnonzero(fold[:-1] == fold[1:])
        right[follows] = times[follows + 1, 0]
        line = np.searchsorted(folds, fold)
        return cls(line, role, times[:, 0], right, tuple(str(number) for number in folds))


def plot_plan(plan: SplitPlan, ax: Any = None, *, fold: int | None = None, assets: Any = None) -> Any:
    """Draw the folds of a plan over calendar time, one line per fold, coloured by role.

    Ranges of purged and embargoed rows too narrow to be seen are widened; other roles are drawn to scale.

    Parameters
    ----------
    plan : SplitPlan
        Needs no times of its own: the table knows those of its ranges, so a saved plan can be drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure whose height fits the number of lines.
    fold : int, optional
        The fold to draw; by default all of them.
    assets : Panel, array-like of ids of shape (n_rows,), or True, optional
        Draw a line per asset in each fold, so that listings, gaps and ``purge_scope="asset"`` show. The ids are those
        of the plan's rows in the caller's order; True stands for the panel the plan was made from, while it is alive.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    ParameterError
        For a fold that does not exist; for ``assets=True`` without a panel at hand.
    SplitError
        For a panel other than the plan's; for ids on a plan that was saved, which has no times (pass the panel).

    Notes
    -----
    Without ``assets`` the cost is that of the plan's table. With it all rows are looked at once per fold, and sorted by
    asset.
    """
    figures = _optional.require("matplotlib.figure", "SplitPlan.plot")
    if fold is not None and not 0 <= fold < len(plan):
        raise ParameterError(f"fold {fold} is not one of the {len(plan)} folds", code="plan.fold", fold=fold)
    folds = range(len(plan)) if fold is None else [fold]
    if assets is None:
        bars = _Bars.of_folds(plan, folds)
    else:
        from tradewright.splitting.plot_assets import asset_runs

        bars = _Bars(*asset_runs(plan, folds, assets))
    if ax is None:
        # Not through pyplot: a figure made here is nobody's current figure and dies with its last reference.
        lines = len(bars.names)
        height = min(1.6 + 0.34 * lines, 1.6 + 0.16 * max(lines, 22), _HIGHEST)
        ax = figures.Figure(figsize=(10, height), layout="constrained").subplots()
    if len(bars.names):
        _draw(ax, bars, _edges(bars, plan.time_unit))
        _label_lines(ax, bars.names)
    _dress(ax, plan, bars, fold, by_asset=assets is not None)
    return ax


def _dress(ax: Any, plan: SplitPlan, bars: _Bars, fold: int | None, *, by_asset: bool) -> None:
    """Axes, title and legend."""
    if plan.time_unit != "bar":
        ax.xaxis_date()
        dates = _optional.require("matplotlib.dates", "SplitPlan.plot")
        locator = dates.AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    else:
        ax.set_xlabel("bar")
    if not by_asset or fold is not None:  # else the lines say which fold they are of
        ax.set_ylabel("asset" if by_asset else "fold")
    what = f"{len(plan)} folds" if fold is None else f"fold {fold}"
    name = plan.splitter.get("splitter", "plan")
    ax.set_title(f"{name}: {what} over {plan.n_rows:,} rows{' by asset' if by_asset else ''}", loc="left")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    present = [role for number, role in enumerate(ROLES) if (bars.role == number).any()]
    patches = _optional.require("matplotlib.patches", "SplitPlan.plot")
    handles = [patches.Patch(color=ROLE_COLOURS[role], label=role) for role in present]
    inches = ax.figure.get_figheight() * ax.get_position().height
    ax.legend(
        handles=handles,
        ncols=len(ROLES),
        loc="upper center",
        # Below the labels of the axis, however high the axes are.
        bbox_to_anchor=(0.5, -(0.55 if plan.time_unit == "bar" else 0.3) / inches),
        frameon=False,
    )


def _edges(bars: _Bars, unit: str) -> Any:
    """Left and right edge of each range on the axis."""
    if unit == "bar":
        return np.column_stack([bars.left, bars.right]).astype(float)
    dates = _optional.require("matplotlib.dates", "SplitPlan.plot")
    sides = [as_datetimes(np.ascontiguousarray(side), unit) for side in (bars.left, bars.right)]
    return np.column_stack([dates.date2num(side.astype("datetime64[us]")) for side in sides])


def _draw(ax: Any, bars: _Bars, edges: Any) -> None:
    """Draw each role in one go; what is left out lies on top, so that it shows."""
    span = float(edges.max() - edges.min()) or 1.0
    edges = _widened(bars, edges, _LEAST * span)
    for layer, role in enumerate(("unused", "train", "val", "test", "embargoed", "purged")):
        chosen = bars.role == ROLES.index(role)
        if chosen.any():
            left, right = edges[chosen].T
            style = {"height": 0.78, "color": ROLE_COLOURS[role], "linewidth": 0, "zorder": layer + 1}
            ax.barh(bars.line[chosen], right - left, left=left, **style)
    margin = 0.005 * span
    ax.set_xlim(edges.min() - margin, edges.max() + margin)


def _widened(bars: _Bars, edges: Any, least: float) -> Any:
    """Give purged and embargoed ranges a width that shows; neighbours move aside together and hide none of them."""
    edges = edges.copy()
    left_out = np.isin(bars.role, [ROLES.index("purged"), ROLES.index("embargoed")])
    meets = (bars.line[1:] == bars.line[:-1]) & (edges[1:, 0] <= edges[:-1, 1])
    starts_run = left_out & ~np.r_[False, left_out[:-1] & meets]
    for first in np.flatnonzero(starts_run).tolist():
        stop = first + 1
        while stop < len(edges) and left_out[stop] and meets[stop - 1]:
            stop += 1
        widths = np.maximum(edges[first:stop, 1] - edges[first:stop, 0], least)
        centre = (edges[first, 0] + edges[stop - 1, 1]) / 2
        cuts = centre - widths.sum() / 2 + np.r_[0.0, np.cumsum(widths)]
        edges[first:stop, 0], edges[first:stop, 1] = cuts[:-1], cuts[1:]
    return edges


def _label_lines(ax: Any, names: tuple[str | None, ...]) -> None:
    """Name the lines, the first one on top; not every one where there are many."""
    named = [line for line, name in enumerate(names) if name is not None]
    every = 1 if len(named) <= 25 else 5 if len(named) <= 250 else 50
    ax.set_yticks(named[::every], [names[line] for line in named[::every]])
    ax.set_ylim(len(names) - 0.4, -0.6)
