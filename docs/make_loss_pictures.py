"""The pictures of the losses: value and gradient over the score. ``python docs/make_loss_pictures.py`` makes them anew.

Every curve is what the loss itself returns, never a formula written down a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import tradewright as tw

PICTURES = Path(__file__).parent / "pictures" / "losses"
#: Colours that stay apart for the colour-blind (Okabe and Ito).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
STYLES = ("-", "--", "-.", ":", (0, (6, 2)))


def save(figure: Figure, name: str) -> None:
    """Write a picture; without the version of matplotlib in it the file is the same as long as the picture is."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURES / f"{name}.png", dpi=80, metadata={"Software": None})


def tidy(ax: Any) -> None:
    """A line at 0, and no more frame than needed."""
    ax.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=8)


def pointwise(loss: Any, scores: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray]:
    """Value and derivative of one row at many scores, for losses whose rows stand alone."""
    return loss.value_and_grad(np.full(len(scores), target), scores)


def side_by_side(
    name: str,
    scores: np.ndarray,
    curves: Mapping[str, tuple[Any, float]],
    *,
    label: str,
    limits: Sequence[tuple[float, float] | None] = (None, None),
) -> None:
    """Values on the left, gradients on the right, a line for each loss and target."""
    figure = Figure(figsize=(9, 3.7), layout="constrained")
    axes = figure.subplots(1, 2)
    for (title, (loss, target)), colour, style in zip(curves.items(), COLOURS, STYLES, strict=False):
        for ax, curve in zip(axes, pointwise(loss, scores, target), strict=True):
            ax.plot(scores, curve, color=colour, linestyle=style, label=title, linewidth=1.8)
    for ax, title, limit in zip(axes, ("value", "gradient"), limits, strict=True):
        ax.set_title(title, loc="left", fontsize=11)
        ax.set_xlabel(label)
        ax.set_xlim(scores[0], scores[-1])
        if limit is not None:
            ax.set_ylim(*limit)
        tidy(ax)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=len(labels), loc="outside lower center", frameon=False, fontsize=9)
    save(figure, name)


def panels(
    name: str,
    scores: np.ndarray,
    losses: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray | None]]],
    *,
    label: str,
    lines: Sequence[str] = (),
) -> None:
    """A column for each loss, its value above and its gradient below; losses whose units differ share no axis."""
    figure = Figure(figsize=(2.35 * len(losses), 4.2), layout="constrained")
    axes = figure.subplots(2, len(losses), sharex=True)
    for (upper, lower), (title, curves) in zip(axes.T, losses.items(), strict=True):
        for (value, gradient), colour, style in zip(curves, COLOURS, STYLES, strict=False):
            upper.plot(scores, value, color=colour, linestyle=style, linewidth=1.6)
            if gradient is not None:
                lower.plot(scores, gradient, color=colour, linestyle=style, linewidth=1.6)
            else:
                lower.text(0.5, 0.5, "none:\na metric", ha="center", va="center", transform=lower.transAxes, fontsize=9)
        upper.set_title(title, loc="left", fontsize=10)
        lower.set_xlabel(label, fontsize=9)
        for ax in (upper, lower):
            tidy(ax)
            ax.set_xlim(scores[0], scores[-1])
            ax.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
            ax.yaxis.get_offset_text().set_fontsize(8)
    axes[0, 0].set_ylabel("value")
    axes[1, 0].set_ylabel("gradient")
    if lines:
        figure.legend(axes[0, 0].lines, lines, ncols=len(lines), loc="outside lower center", frameon=False, fontsize=9)
    save(figure, name)


def classification() -> None:
    """A positive row: how much each loss asks for more once the row is right, and how much once it is wrong."""
    each: Any = {"reduction": "none"}
    side_by_side(
        "classification",
        np.linspace(-6, 6, 481),
        {
            "BinaryCrossEntropy": (tw.BinaryCrossEntropy(**each), 1.0),
            "LabelSmoothingBCE(epsilon=0.2)": (tw.LabelSmoothingBCE(epsilon=0.2, **each), 1.0),
            "FocalLoss(alpha=None)": (tw.FocalLoss(alpha=None, **each), 1.0),
            "WeightedBCE(pos_weight=2)": (tw.WeightedBCE(pos_weight=2.0, **each), 1.0),
        },
        label="logit of a row with y = 1",
        limits=((-0.3, 8), (-2.1, 0.3)),
    )


def cost_sensitive() -> None:
    """Both forms of the cost, for both labels."""
    costs: Any = {"cost_fp": 1.0, "cost_fn": 3.0, "reduction": "none"}
    log, expected = tw.CostSensitiveLoss(**costs), tw.CostSensitiveLoss(form="expected", **costs)
    side_by_side(
        "cost_sensitive",
        np.linspace(-6, 6, 481),
        {
            "log, y = 1": (log, 1.0),
            "expected, y = 1": (expected, 1.0),
            "log, y = 0": (log, 0.0),
            "expected, y = 0": (expected, 0.0),
        },
        label="logit; cost_fn=3, cost_fp=1",
        limits=((-0.3, 8), None),
    )


def regression() -> None:
    """From squares to absolute values."""
    each: Any = {"reduction": "none"}
    side_by_side(
        "regression",
        np.linspace(-4, 4, 481),
        {
            "MSELoss": (tw.MSELoss(**each), 0.0),
            "MAELoss": (tw.MAELoss(**each), 0.0),
            "HuberLoss(delta=1)": (tw.HuberLoss(**each), 0.0),
            "PseudoHuberLoss(delta=1)": (tw.PseudoHuberLoss(**each), 0.0),
        },
        label="error s − y",
        limits=((-0.2, 6), (-3, 3)),
    )


def quantile() -> None:
    """Three quantiles: how steep each side is."""
    side_by_side(
        "quantile",
        np.linspace(-2, 2, 481),
        {f"QuantileLoss(quantiles={level})": (tw.QuantileLoss(quantiles=level, reduction="none"), 0.0) for level in (0.1, 0.5, 0.9)},
        label="error s − y",
    )


DRAW = (classification, cost_sensitive, regression, quantile)

if __name__ == "__main__":
    for draw in DRAW:
        draw()
