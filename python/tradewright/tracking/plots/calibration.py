"""Whether what is given a probability of 60 % happens in 60 % of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.tracking.plots.figure import amount, bins_of, new_figure, nothing_to_draw, plain, save

__all__ = ["plot_calibration"]

BINS = 10
CLASSES = 6


def plot_calibration(
    codes: ArrayLike, probabilities: ArrayLike, classes: Sequence[Any], path: Path, *, rows: str = "rows"
) -> Path:
    """Draw how often a class occurs against how probable it was said to be, and how often which probability was given.

    Of two classes the second one; of more than two each against the rest, the six most frequent ones. Rows are put into
    ten bins that hold as many of them each; the bars, of a single class, are two standard errors of a bin's share, as if
    its rows were independent, which rows with overlapping labels are not.

    Parameters
    ----------
    codes : array-like of int, shape (n_rows,)
        The class of each row, as a position in ``classes``.
    probabilities : array-like, shape (n_rows, n_classes)
        What the model said. Rows with NaN are left out.
    classes : sequence
        The classes, in the order of the columns.
    path : Path
        The PNG to write.
    rows : str
        What the title calls the rows: ``"validation rows"``.

    Raises
    ------
    DataError
        When there is no row with probabilities, or only one class to tell apart.
    MissingExtraError
        Without matplotlib.
    """
    said = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(codes, dtype=np.int64)
    known: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(said), axis=1)
    said, labels = said[known], labels[known]
    if len(classes) < 2:
        raise nothing_to_draw("one class is not to be told apart from any other", "calibration")
    if len(labels) == 0:
        raise nothing_to_draw(f"none of the {rows} has finite probabilities", "calibration")
    share = np.bincount(labels, minlength=len(classes)) / len(labels)
    shown = [1] if len(classes) == 2 else np.argsort(-share, kind="stable")[:CLASSES].tolist()
    limits = _limits(said[:, shown])
    figure, ((upper,), (lower,)) = new_figure(6.5, 6.5, 2, sharex=True, height_ratios=[3, 1])
    for color, column in enumerate(shown):
        # The bars of several classes would hide each other.
        bars = len(shown) == 1
        _draw_class(upper, said[:, column], labels == column, plain(classes[column]), f"C{color}", bars=bars)
        lower.hist(said[:, column], bins=50, range=limits, histtype="step", color=f"C{color}")
    _finish(upper, lower, limits)
    brier = float(np.mean(np.sum((said - np.eye(len(classes))[labels]) ** 2, axis=1)))
    base = float(1.0 - np.sum(share**2))
    if len(classes) == 2:  # as everybody gives it for two: of one of them
        brier, base = brier / 2, base / 2
    dropped = int(len(known) - known.sum())
    without = f" ({dropped:,} without a prediction left out)" if dropped else ""
    upper.set_title(
        f"{len(labels):,} {rows}{without}\nBrier score {amount(brier)};"
        f" always saying the shares of the classes: {amount(base)}",
        fontsize="medium",
    )
    left_out = len(classes) - len(shown) if len(classes) > 2 else 0
    of = plain(classes[1]) if len(classes) == 2 else "each class"
    upper.set_ylabel(f"observed share of {of}" + (f"\n({left_out} rarer classes left out)" if left_out else ""))
    return save(figure, path)


def _draw_class(
    axes: Any, said: NDArray[np.float64], is_class: NDArray[np.bool_], name: str, color: str, *, bars: bool
) -> None:
    bins = bins_of(said, BINS)
    count = np.bincount(bins)
    mean = np.bincount(bins, weights=said) / count
    share = np.bincount(bins, weights=is_class) / count
    # Of the share with one row of each kind added: a bin without any is not certain of it.
    smoothed = (share * count + 1) / (count + 2)
    error = 2 * np.sqrt(smoothed * (1 - smoothed) / (count + 2))
    style: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1, "capsize": 2, "color": color}
    axes.errorbar(mean, share, yerr=error if bars else None, label=name, **style)


def _limits(said: NDArray[np.float64]) -> tuple[float, float]:
    """Return what the axis of probabilities shows: those of a market model lie close together."""
    low, high = float(said.min()), float(said.max())
    margin = max(0.02, 0.05 * (high - low))
    return max(0.0, low - margin), min(1.0, high + margin)


def _finish(upper: Any, lower: Any, limits: tuple[float, float]) -> None:
    upper.plot(limits, limits, color="0.5", linestyle="--", linewidth=1, label="perfectly calibrated")
    upper.set_xlim(*limits)
    upper.legend()
    lower.set_xlabel("predicted probability")
    lower.set_ylabel("rows")
    for axes in (upper, lower):
        axes.grid(visible=True, alpha=0.3)
