"""What the model reads most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tradewright.tracking.plots.figure import new_figure, nothing_to_draw, plain, save

__all__ = ["plot_importance"]

BARS = 30


def plot_importance(names: Sequence[str], importance: ArrayLike, path: Path) -> Path:
    """Draw the 30 largest importances as bars, the largest on top.

    Parameters
    ----------
    names : sequence of str
        The features.
    importance : array-like, shape (n_features,)
        Shares, not negative.
    path : Path
        The PNG to write.

    Raises
    ------
    DataError
        When there is no feature with an importance above 0.
    MissingExtraError
        Without matplotlib.
    """
    shares = np.asarray(importance, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(shares))
    if not (shares[known] > 0).any():
        raise nothing_to_draw("no feature has an importance above 0", "importance")
    order = known[np.argsort(-shares[known], kind="stable")][:BARS][::-1]
    figure, ((axes,),) = new_figure(8, 1.2 + 0.25 * len(order))
    # By position: two names that were shortened to the same text would share a bar.
    axes.barh(range(len(order)), shares[order])
    axes.set_yticks(range(len(order)), [plain(names[i]) for i in order])
    axes.set_ylim(-0.6, len(order) - 0.4)
    left_out = len(shares) - len(order)
    rest = f"; the {left_out:,} others have {1 - shares[order].sum() / shares[known].sum():.1%} together"
    axes.set_xlabel("share of the importance" + (rest if left_out else ""))
    axes.grid(visible=True, axis="x", alpha=0.3)
    return save(figure, path)
