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
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    label: str,
    limits: Sequence[tuple[float, float] | None] = (None, None),
) -> None:
    """Values on the left, gradients on the right, a line for each loss."""
    figure = Figure(figsize=(9, 3.7), layout="constrained")
    axes = figure.subplots(1, 2)
    for (title, halves), colour, style in zip(curves.items(), COLOURS, STYLES, strict=False):
        for ax, curve in zip(axes, halves, strict=True):
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
    width: float = 2.35,
) -> None:
    """A column for each loss, its value above and its gradient below; losses whose units differ share no axis."""
    figure = Figure(figsize=(width * len(losses), 4.2), layout="constrained")
    axes = figure.subplots(2, len(losses), sharex=True)
    for (upper, lower), (title, curves) in zip(axes.T, losses.items(), strict=True):
        for (value, gradient), colour, style in zip(curves, COLOURS, STYLES, strict=False):
            upper.plot(scores, value, color=colour, linestyle=style, linewidth=1.6)
            if gradient is not None:
                lower.plot(scores, gradient, color=colour, linestyle=style, linewidth=1.6)
            else:
                lower.text(0.5, 0.5, "none:\na metric", ha="center", va="center", transform=lower.transAxes, fontsize=9)
                lower.set_yticks([])
        upper.set_title(title, loc="left", fontsize=10, y=1.0, pad=13)
        lower.set_xlabel(label, fontsize=9)
        for ax in (upper, lower):
            tidy(ax)
            ax.set_xlim(scores[0], scores[-1])
            ax.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
            ax.yaxis.get_offset_text().set_fontsize(8)
    axes[0, 0].set_ylabel("value")
    axes[1, 0].set_ylabel("gradient")
    if lines:
        figure.legend(
            axes[0, 0].lines[: len(lines)],
            lines,
            ncols=len(lines),
            loc="outside lower center",
            frameon=False,
            fontsize=9,
        )
    save(figure, name)


def classification() -> None:
    """A positive row: how much each loss asks for more once the row is right, and how much once it is wrong."""
    each: Any = {"reduction": "none"}
    scores = np.linspace(-6, 6, 481)
    side_by_side(
        "classification",
        scores,
        {
            "BinaryCrossEntropy": pointwise(tw.BinaryCrossEntropy(**each), scores, 1.0),
            "LabelSmoothingBCE(epsilon=0.2)": pointwise(tw.LabelSmoothingBCE(epsilon=0.2, **each), scores, 1.0),
            "FocalLoss(alpha=None)": pointwise(tw.FocalLoss(alpha=None, **each), scores, 1.0),
            "WeightedBCE(pos_weight=2)": pointwise(tw.WeightedBCE(pos_weight=2.0, **each), scores, 1.0),
        },
        label="logit of a row with y = 1",
        limits=((-0.3, 8), (-2.1, 0.3)),
    )


def cost_sensitive() -> None:
    """Both forms of the cost, for both labels."""
    costs: Any = {"cost_fp": 1.0, "cost_fn": 3.0, "reduction": "none"}
    log, expected = tw.CostSensitiveLoss(**costs), tw.CostSensitiveLoss(form="expected", **costs)
    scores = np.linspace(-6, 6, 481)
    side_by_side(
        "cost_sensitive",
        scores,
        {
            "log, y = 1": pointwise(log, scores, 1.0),
            "expected, y = 1": pointwise(expected, scores, 1.0),
            "log, y = 0": pointwise(log, scores, 0.0),
            "expected, y = 0": pointwise(expected, scores, 0.0),
        },
        label="logit; cost_fn=3, cost_fp=1",
        limits=((-0.3, 8), None),
    )


def regression() -> None:
    """From squares to absolute values."""
    each: Any = {"reduction": "none"}
    scores = np.linspace(-4, 4, 481)
    side_by_side(
        "regression",
        scores,
        {
            "MSELoss": pointwise(tw.MSELoss(**each), scores, 0.0),
            "MAELoss": pointwise(tw.MAELoss(**each), scores, 0.0),
            "HuberLoss(delta=1)": pointwise(tw.HuberLoss(**each), scores, 0.0),
            "PseudoHuberLoss(delta=1)": pointwise(tw.PseudoHuberLoss(**each), scores, 0.0),
        },
        label="error s − y",
        limits=((-0.2, 6), (-3, 3)),
    )


def quantile() -> None:
    """Three quantiles: how steep each side is."""
    scores = np.linspace(-2, 2, 481)
    side_by_side(
        "quantile",
        scores,
        {
            f"QuantileLoss(quantiles={level})": pointwise(
                tw.QuantileLoss(quantiles=level, reduction="none"), scores, target=0.0
            )
            for level in (0.1, 0.5, 0.9)
        },
        label="error s − y",
    )


def pairs() -> None:
    """Two rows of which the first should rank higher, over how far apart they are."""
    gaps = np.linspace(-4, 4, 481)
    groups = np.repeat(np.arange(len(gaps)), 2)
    target, scores = np.tile([1.0, 0.0], len(gaps)), np.ravel(np.column_stack([gaps, np.zeros(len(gaps))]))
    losses = {
        "PairwiseLogisticLoss": tw.PairwiseLogisticLoss(reduction="none"),
        "PairwiseLogisticLoss(sharpness=2)": tw.PairwiseLogisticLoss(sharpness=2.0, reduction="none"),
        "PairwiseHingeLoss": tw.PairwiseHingeLoss(reduction="none"),
    }

    def curve(loss: Any) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = loss.value_and_grad(target, scores, groups=groups)
        return value, gradient[::2]

    side_by_side(
        "pairs", gaps, {title: curve(loss) for title, loss in losses.items()}, label="gap s_i − s_j, y_i > y_j"
    )


def lists() -> None:
    """A date of ten rows: the score of the best one moves through those of the others, all else stays."""
    moved = np.linspace(-3, 3, 601)
    others = np.linspace(-1.2, 1.2, 9)  # in the order of their targets
    scores = np.tile(np.append(others, 0.0), (len(moved), 1))
    scores[:, -1] = moved
    target = np.tile(np.arange(10.0) / 3, len(moved))
    groups = np.repeat(np.arange(len(moved)), 10)
    each: Any = {"reduction": "none"}
    losses = {
        "LambdaRankLoss": tw.LambdaRankLoss(gain="linear", **each),
        "ListNetLoss": tw.ListNetLoss(**each),
        "ListMLELoss": tw.ListMLELoss(**each),
        "ApproxNDCGLoss": tw.ApproxNDCGLoss(gain="linear", **each),
        "ICLoss": tw.ICLoss(**each),
        "SoftSpearmanLoss": tw.SoftSpearmanLoss(**each),
    }

    def curve(loss: Any) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = loss.value_and_grad(target, scores.ravel(), groups=groups)
        return value, gradient[9::10]

    panels("lists", moved, {title: [curve(loss)] for title, loss in losses.items()}, label="score of the best row")


def direction() -> None:
    """A row that went up by two percent: three ways to ask for its sign."""
    scores = np.linspace(-0.4, 0.4, 800)  # without 0, where MADL takes no position
    gmadl = tw.DirectionalLoss(kind="gmadl", reduction="none")
    logistic = tw.DirectionalLoss(sharpness=10.0, reduction="none")
    madl = tw.MADL(reduction="none")(np.full(len(scores), 0.02), scores)
    curves: Any = {
        "logistic, sharpness=10": [pointwise(logistic, scores, 0.02)],
        "gmadl, a=1000, b=2": [pointwise(gmadl, scores, 0.02)],
        "MADL": [(madl, None)],
    }
    panels("direction", scores, curves, label="forecast, y = 0.02", width=3.0)


#: Sixty daily returns of one asset with a fall in the middle, which day 30 is part of.
DAYS, DAY = 60, 30


def series() -> None:
    """The score of one day of sixty moves; what it held on the days around it makes the kinks of turnover costs."""
    noise = np.random.default_rng(3)
    earned = noise.normal(0.004, 0.01, DAYS)
    earned[27:33] -= 0.015
    scores = noise.normal(0.4, 0.3, DAYS)
    earned[DAY], scores[DAY - 1], scores[DAY + 1] = -0.03, 0.2, 1.0
    moved = np.linspace(-2, 3, 401)
    losses = (
        tw.ProfitBasedLoss,
        tw.SharpeLoss,
        tw.SortinoLoss,
        tw.DifferentialSharpeLoss,
        tw.MaxDrawdownLoss,
        tw.CalmarLoss,
        tw.CRRALoss,
        tw.CVaRLoss,
    )

    def curve(loss: Any) -> tuple[np.ndarray, np.ndarray]:
        found = []
        for score in moved:
            scores[DAY] = score
            value, gradient = loss.value_and_grad(earned, scores)
            found.append((value, gradient[DAY]))
        value, gradient = np.array(found).T
        return value, gradient

    costs = (0.0, 0.003)
    drawn = {loss.__name__: [curve(loss(cost=cost)) for cost in costs] for loss in losses}
    for name, part in (("series_return", losses[:4]), ("series_risk", losses[4:])):
        chosen = {loss.__name__: drawn[loss.__name__] for loss in part}
        lines = [f"cost={cost:g}" for cost in costs]
        panels(name, moved, chosen, label="score of a day, y = −0.03", lines=lines, width=2.8)


DRAW = (classification, cost_sensitive, regression, quantile, pairs, lists, direction, series)

if __name__ == "__main__":
    for draw in DRAW:
        draw()
