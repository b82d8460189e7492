"""A picture of a plan: its folds over calendar time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tradewright import _optional
from tradewright.panel.times import as_datetimes
from tradewright.splitting.fold import ROLES

if TYPE_CHECKING:
    from tradewright.splitting.plan import SplitPlan

__all__ = ["plot_plan"]

#: Colours that stay apart in grey and for colour-blind eyes; what is left out is brighter than what is used.
_COLOURS = {
    "train": "#4c72b0",
    "val": "#8cbf7a",
    "test": "#222222",
    "purged": "#d1495b",
    "embargoed": "#edae49",
    "unused": "#e9e9e9",
}

#: A range narrower than this part of the axis is drawn this wide: five purged days in ten years must be seen.
_LEAST = 0.0025


def plot_plan(plan: SplitPlan, ax: Any = None) -> Any:
    """Draw the folds of a plan over calendar time, one line per fold, coloured by role.

    Ranges of purged and embargoed rows too narrow to be seen are widened; other roles are drawn to scale.

    Parameters
    ----------
    plan : SplitPlan
        Needs no times of its own: the table knows those of its ranges, so a saved plan can be drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure whose height fits the number of folds.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    figures = _optional.require("matplotlib.figure", "SplitPlan.plot")
    folds = len(plan)
    if ax is None:
        # Not through pyplot: a figure made here is nobody's current figure and dies with its last reference.
        figure = figures.Figure(
            figsize=(10, min(1.6 + 0.34 * folds, 1.6 + 0.16 * max(folds, 22))), layout="constrained"
        )
        ax = figure.subplots()
    segments, times = plan.table.segments, plan.table.times
    if folds:
        _draw(ax, segments, _edges(plan), times)
        _label_lines(ax, folds)
    if plan.time_unit != "bar":
        ax.xaxis_date()
        dates = _optional.require("matplotlib.dates", "SplitPlan.plot")
        locator = dates.AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    else:
        ax.set_xlabel("bar")
    ax.set_ylabel("fold")
    ax.set_title(f"{plan.splitter.get('splitter', 'plan')}: {folds} folds over {plan.n_rows:,} rows", loc="left")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    present = [role for number, role in enumerate(ROLES) if (segments[:, 1] == number).any()]
    patches = _optional.require("matplotlib.patches", "SplitPlan.plot")
    handles = [patches.Patch(color=_COLOURS[role], label=role) for role in present]
    ax.legend(
        handles=handles,
        ncols=len(ROLES),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.08 - 0.4 / max(folds, 4)),
        frameon=False,
    )
    return ax


def _edges(plan: SplitPlan) -> Any:
    """Left and right edge of each segment on the axis: neighbours meet where the later one begins."""
    first, last = plan.table.times.T
    if plan.time_unit == "bar":
        left, right = first.astype(float), last.astype(float)
    else:
        dates = _optional.require("matplotlib.dates", "SplitPlan.plot")
        left, right = (
            np.asarray(
                dates.date2num(as_datetimes(np.ascontiguousarray(times), plan.time_unit).astype("datetime64[us]"))
            )
            for times in (first, last)
        )
    fold = plan.table.segments[:, 0]
    right = right.copy()
    follows = np.flatnonzero(fold[:-1] == fold[1:])
    right[follows] = left[follows + 1]
    return np.column_stack([left, right])


def _draw(ax: Any, segments: Any, edges: Any, times: Any) -> None:
    """Draw each role in one go; what is left out lies on top, so that it shows."""
    span = float(edges.max() - edges.min()) or 1.0
    for layer, role in enumerate(("unused", "train", "val", "test", "embargoed", "purged")):
        chosen = segments[:, 1] == ROLES.index(role)
        if not chosen.any():
            continue
        left, right = edges[chosen].T
        width = right - left
        if role in ("purged", "embargoed"):
            wide = np.maximum(width, _LEAST * span)
            left, width = left - (wide - width) / 2, wide
        ax.barh(segments[chosen, 0], width, left=left, height=0.78, color=_COLOURS[role], linewidth=0, zorder=layer + 1)
    margin = 0.005 * span
    ax.set_xlim(edges.min() - margin, edges.max() + margin)


def _label_lines(ax: Any, folds: int) -> None:
    """Number the lines, the first fold on top; not every one where there are many."""
    every = 1 if folds <= 25 else 5
    ax.set_yticks(range(0, folds, every))
    ax.set_ylim(folds - 0.4, -0.6)
