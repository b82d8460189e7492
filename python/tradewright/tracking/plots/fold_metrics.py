"""How far the folds of a plan agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tradewright.tracking.plots.figure import amount, new_figure, nothing_to_draw, plain, save

__all__ = ["plot_fold_metrics"]

PANELS = 8
#: What says nothing of how good a model is.
_ASIDE = ("epoch", "lr", "seconds")


def plot_fold_metrics(folds: Mapping[int, Mapping[str, float]] | Sequence[Mapping[str, float]], path: Path) -> Path:
    """Draw each metric over the folds, with its mean: one panel below the other, up to eight.

    Parameters
    ----------
    folds : mapping of fold to metrics, or sequence of metrics
        Such as ``{fold.index: result.metrics for …}``. A fold whose value is missing or not finite is marked as such and
        does not count in the mean.
    path : Path
        The PNG to write.

    Raises
    ------
    DataError
        When no fold has a finite metric.
    MissingExtraError
        Without matplotlib.
    """
    by_fold = dict(folds) if isinstance(folds, Mapping) else dict(enumerate(folds))
    names = list(dict.fromkeys(name for metrics in by_fold.values() for name in metrics if name not in _ASIDE))
    values = {name: [float(metrics.get(name, math.nan)) for metrics in by_fold.values()] for name in names}
    values = {name: column for name, column in values.items() if np.isfinite(column).any()}
    if not values:
        raise nothing_to_draw("no fold has a finite metric", "fold_metrics")
    # Validation first: it is what folds are compared by.
    ordered = sorted(values, key=lambda name: (not name.startswith("val_"), names.index(name)))
    shown, left_out = ordered[:PANELS], ordered[PANELS:]
    figure, places = new_figure(8, 0.8 + 1.9 * len(shown), len(shown), sharex=True)
    for name, axes in zip(shown, places[:, 0], strict=True):
        _draw_metric(axes, list(by_fold), values[name], plain(name))
    last = places[-1, 0]
    last.set_xlabel("fold" + (f" ({len(left_out)} further metrics left out)" if left_out else ""))
    if len(by_fold) <= 30:
        last.set_xticks(list(by_fold))
    return save(figure, path)


def _draw_metric(axes: Any, folds: list[int], values: list[float], name: str) -> None:
    column = np.asarray(values)
    known = np.isfinite(column)
    x = np.asarray(folds)
    mean, deviation = float(column[known].mean()), float(column[known].std(ddof=1)) if known.sum() > 1 else math.nan
    axes.plot(x[known], column[known], "o", markersize=5)
    axes.axhline(mean, color="0.5", linestyle="--", linewidth=1, label=f"mean {amount(mean)} ± {amount(deviation)}")
    if not known.all():
        axes.plot(x[~known], np.full((~known).sum(), mean), "x", color="C3", label=f"no value: {(~known).sum()}")
    axes.set_ylabel(name)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="best", fontsize="small")
