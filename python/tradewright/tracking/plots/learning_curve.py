"""The losses over the turns of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tradewright.tracking.plots.figure import new_figure, nothing_to_draw, save

__all__ = ["plot_learning_curve"]


def plot_learning_curve(
    history: Sequence[Mapping[str, float]],
    path: Path,
    *,
    unit: str = "epoch",
    best_epoch: int | None = None,
    kept_epoch: int | None = None,
) -> Path:
    """Draw the losses over the turns; one below the other where they are so far apart that each would look flat.

    Parameters
    ----------
    history : sequence of mappings
        One per turn, with ``epoch`` and the logs.
    path : Path
        The PNG to write.
    unit : str
        What a turn is called.
    best_epoch : int, optional
        The turn with the lowest validation loss, marked where it is not the one that was kept.
    kept_epoch : int, optional
        The turn the model is at, marked.

    Raises
    ------
    DataError
        When there are fewer than two turns with a finite loss.
    MissingExtraError
        Without matplotlib.
    """
    curves = {
        name: [(row["epoch"], row[name]) for row in history if name in row and math.isfinite(row[name])]
        for name in ("train_loss", "val_loss")
    }
    curves = {name: points for name, points in curves.items() if len(points) > 1}
    if not curves:
        raise nothing_to_draw(f"fewer than two {unit}s with a finite loss are no curve", "learning_curve")
    groups = [[name] for name in curves] if _far_apart(list(curves.values())) else [list(curves)]
    figure, column = new_figure(8, 4.5, len(groups), sharex=True)
    places = column[:, 0]
    colors = dict(zip(curves, ("C0", "C1"), strict=False))
    for names, axes in zip(groups, places, strict=True):
        for name in names:
            axes.plot([x for x, _ in curves[name]], [y for _, y in curves[name]], label=name, color=colors[name])
        if kept_epoch is not None:
            axes.axvline(kept_epoch, color="0.5", linestyle="--", linewidth=1, label=f"model kept: {unit} {kept_epoch}")
        if best_epoch is not None and best_epoch != kept_epoch:
            label = f"lowest val_loss: {unit} {best_epoch}"
            axes.axvline(best_epoch, color="0.5", linestyle=":", linewidth=1, label=label)
        axes.set_ylabel("loss")
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    places[-1].set_xlabel(unit)
    places[-1].xaxis.get_major_locator().set_params(integer=True)
    return save(figure, path)


def _far_apart(curves: Sequence[Sequence[tuple[float, float]]]) -> bool:
    """Whether the gap between two curves is wider than either of them is high."""
    if len(curves) < 2:
        return False
    low, high = sorted((min(y for _, y in points), max(y for _, y in points)) for points in curves)
    return high[0] - low[1] > max(low[1] - low[0], high[1] - high[0])
