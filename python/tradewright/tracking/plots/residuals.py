"""What a regression gets wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.tracking.plots.figure import amount, bins_of, new_figure, nothing_to_draw, plain, save

__all__ = ["plot_residuals"]

BINS = 10


def plot_residuals(
    labels: ArrayLike, predictions: ArrayLike, path: Path, *, rows: str = "rows", target: str = "label"
) -> Path:
    """Draw the mean label by decile of the prediction, and how the residuals are distributed.

    Single labels of a market drown any forecast; their means by decile show whether larger forecasts come with larger
    labels. The bars are two standard errors, as if rows were independent, which rows with overlapping labels are not.

    Parameters
    ----------
    labels, predictions : array-like, shape (n_rows,)
        Numbers. Rows where either is not finite are left out.
    path : Path
        The PNG to write.
    rows : str
        What the title calls the rows: ``"validation rows"``.
    target : str
        What the axes call the labels.

    Raises
    ------
    DataError
        When no row has both.
    MissingExtraError
        Without matplotlib.
    """
    actual, said = np.asarray(labels, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    known = np.isfinite(actual) & np.isfinite(said)
    actual, said = actual[known], said[known]
    if len(actual) == 0:
        raise nothing_to_draw(f"none of the {rows} has a finite prediction and label", "residuals")
    figure, ((left, right),) = new_figure(10, 4.6, 1, 2)
    name = plain(target)
    with np.errstate(all="ignore"):  # squares of huge numbers: their deviation is shown as "–"
        _draw_deciles(left, actual, said, name)
        _draw_distribution(right, actual - said, name)
        quality = f"R² {amount(_determination(actual, said))}, correlation {amount(_correlation(actual, said))}"
    dropped = int(len(known) - known.sum())
    left_out = f" ({dropped:,} without a prediction left out)" if dropped else ""
    figure.suptitle(f"{len(actual):,} {rows}{left_out}; {quality}", fontsize="medium")
    return save(figure, path)


def _draw_deciles(axes: Any, actual: NDArray[np.float64], said: NDArray[np.float64], target: str) -> None:
    bins = bins_of(said, BINS)
    count = np.bincount(bins)
    x, y = (np.bincount(bins, weights=values) / count for values in (said, actual))
    spread = np.sqrt(np.bincount(bins, weights=(actual - y[bins]) ** 2) / np.maximum(count - 1, 1))
    axes.errorbar(x, y, yerr=2 * spread / np.sqrt(count), marker="o", markersize=4, linewidth=1, capsize=2, zorder=3)
    # A line through the middle keeps the axes to the data, however far the forecasts are off.
    axes.axline(
        (float(x.mean()), float(x.mean())),
        slope=1,
        color="0.5",
        linestyle="--",
        linewidth=1,
        label="label = prediction",
    )
    parts = "one bin: all predictions are equal" if len(count) == 1 else f"{len(count)} bins of as many rows each"
    axes.set_xlabel(f"mean prediction ({parts})")
    axes.set_ylabel(f"mean {target}, ± 2 standard errors")
    axes.legend()
    axes.grid(visible=True, alpha=0.3)


def _draw_distribution(axes: Any, residuals: NDArray[np.float64], target: str) -> None:
    low, high = np.quantile(residuals, [0.001, 0.999], method="nearest")
    within = residuals[(residuals >= low) & (residuals <= high)]
    axes.hist(within, bins=int(np.clip(np.sqrt(len(within)), 10, 60)), color="0.7")
    mean, deviation = float(residuals.mean()), float(residuals.std())
    axes.axvline(mean, color="C0", linewidth=1, label=f"mean {amount(mean)}, deviation {amount(deviation)}")
    outside = len(residuals) - len(within)
    beyond = f"\n{outside:,} rows beyond the edges, from {amount(residuals.min())} to {amount(residuals.max())}"
    axes.set_xlabel(f"residual: {target} − prediction{beyond if outside else ''}")
    axes.set_ylabel("rows")
    axes.legend()
    axes.grid(visible=True, alpha=0.3)


def _determination(actual: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    total = float(np.sum((actual - actual.mean()) ** 2))
    return float("nan") if total == 0.0 else 1.0 - float(np.sum((actual - said) ** 2)) / total


def _correlation(actual: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    if len(actual) < 2 or np.ptp(actual) == 0.0 or np.ptp(said) == 0.0:
        return float("nan")
    return float(np.corrcoef(actual, said)[0, 1])
