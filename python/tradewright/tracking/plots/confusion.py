"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.tracking.plots.figure import amount, new_figure, nothing_to_draw, plain, save

__all__ = ["plot_confusion"]

CLASSES = 20


def plot_confusion(
    actual: ArrayLike, predicted: ArrayLike, classes: Sequence[Any], path: Path, *, rows: str = "rows"
) -> Path:
    """Draw how many rows of each class were taken for which; the shade is the share of the row's class.

    Parameters
    ----------
    actual, predicted : array-like of int, shape (n_rows,)
        Positions in ``classes``; a negative one is a row without a prediction, which is left out.
    classes : sequence
        The classes.
    path : Path
        The PNG to write.
    rows : str
        What the title calls the rows: ``"validation rows"``.

    Raises
    ------
    DataError
        When there is no row, or more than 20 classes.
    MissingExtraError
        Without matplotlib.
    """
    truth, guess = np.asarray(actual, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    known = (truth >= 0) & (guess >= 0)
    truth, guess = truth[known], guess[known]
    n = len(classes)
    if n > CLASSES:
        raise nothing_to_draw(f"{n} classes are too many for a confusion matrix: at most {CLASSES}", "confusion")
    if len(truth) == 0:
        raise nothing_to_draw(f"none of the {rows} has a prediction", "confusion")
    counts = np.bincount(truth * n + guess, minlength=n * n).reshape(n, n)
    # A class that does not occur has no shares.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.9 * n
    figure, ((axes,),) = new_figure(side + 1.0, side)
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    _write_cells(axes, counts, shares)
    names = [plain(name, 16) for name in classes]
    axes.set_xticks(range(n), names, **({} if n <= 4 else {"rotation": 45, "ha": "right"}))
    axes.set_yticks(range(n), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the actual class")
    hits = shares.diagonal()[counts.sum(axis=1) > 0]
    dropped = int(len(known) - known.sum())
    without = f"\n({dropped:,} without a prediction left out)" if dropped else ""
    scores = f"accuracy {amount(counts.trace() / len(truth))}, balanced {amount(float(hits.mean()))}"
    axes.set_title(f"{len(truth):,} {rows}{without}\n{scores}", fontsize="medium")
    return save(figure, path)


def _write_cells(axes: Any, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for i, j in np.ndindex(counts.shape):
        color = "white" if shares[i, j] > 0.6 else "black"
        axes.text(
            j, i, f"{counts[i, j]:,}\n{shares[i, j]:.0%}", ha="center", va="center", color=color, fontsize="small"
        )
