"""Plots of a training, as PNG files; drawn without pyplot, whose figures belong to the user."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _optional

__all__ = ["plot_importance", "plot_learning_curve"]

BARS = 30


def plot_learning_curve(
    history: Sequence[Mapping[str, float]],
    path: Path,
    *,
    unit: str = "epoch",
    best_epoch: int | None = None,
    kept_epoch: int | None = None,
) -> Path | None:
    """Draw the losses over the turns.

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

    Returns
    -------
    Path or None
        None when there are fewer than two turns with a loss.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    curves = {
        name: [(row["epoch"], row[name]) for row in history if name in row and math.isfinite(row[name])]
        for name in ("train_loss", "val_loss")
    }
    curves = {name: points for name, points in curves.items() if len(points) > 1}
    if not curves:
        return None
    figure, axes = _figure(8, 4.5)
    for name, points in curves.items():
        axes.plot([x for x, _ in points], [y for _, y in points], label=name)
    if kept_epoch is not None:
        axes.axvline(kept_epoch, color="0.5", linestyle="--", linewidth=1, label=f"model kept: {unit} {kept_epoch}")
    if best_epoch is not None and best_epoch != kept_epoch:
        axes.axvline(best_epoch, color="0.5", linestyle=":", linewidth=1, label=f"lowest val_loss: {unit} {best_epoch}")
    axes.set_xlabel(unit)
    axes.set_ylabel("loss")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    return path


def plot_importance(names: Sequence[str], importance: NDArray[np.float64], path: Path) -> Path | None:
    """Draw the largest importances as bars, the largest on top; None when there are none.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    order = np.argsort(importance, kind="stable")[-BARS:]
    if len(order) == 0:
        return None
    figure, axes = _figure(8, 1.2 + 0.25 * len(order))
    axes.barh([names[i] for i in order], importance[order])
    left_out = len(importance) - len(order)
    axes.set_xlabel("importance" + (f" ({left_out} smaller ones left out)" if left_out else ""))
    axes.grid(visible=True, axis="x", alpha=0.3)
    figure.savefig(path, dpi=120)
    return path


def _figure(width: float, height: float) -> tuple[Any, Any]:
    figure = _optional.require("matplotlib.figure", "plots").Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
