"""The pictures of the documentation, drawn from plans: ``python docs/make_pictures.py`` makes them anew.

Folds are drawn by ``SplitPlan.plot``; the pictures of single labels colour each row by its role in a plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

import tradewright as tw
from tradewright.splitting.fold import ROLES
from tradewright.splitting.plots import ROLE_COLOURS

PICTURES = Path(__file__).parent / "pictures"
DAY = np.timedelta64(1, "D")


def save(figure: Figure, name: str) -> None:
    """Write a picture; without the version of matplotlib in it the file is the same as long as the picture is."""
    figure.savefig(PICTURES / f"{name}.png", dpi=80, metadata={"Software": None})


def draw_labels(ax: Any, time: np.ndarray, end: np.ndarray, fold: tw.Fold, title: str, *, hull: bool = True) -> None:
    """Each row a line from its time to where its label ends, coloured by its role."""
    first, days = time[0], (time - time[0]).astype(int)
    until = (end - first).astype(int)
    if hull:
        test = fold.test.indices()
        last = (end[test].max() - first).astype(int)
        ax.axvspan(days[test[0]], last, color="#dddddd", zorder=0, linewidth=0)
    for role in ROLES:
        rows = getattr(fold, role).indices()
        style = {"color": ROLE_COLOURS[role], "linewidth": 3, "zorder": 2}
        ax.hlines(rows, days[rows], until[rows], **style)
        ax.plot(days[rows], rows, "o", color=ROLE_COLOURS[role], markersize=4, zorder=3)
    ax.set_title(title, loc="left", fontsize=11)
    ax.set_ylim(len(time), -1)
    ax.set_xlabel("day")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def legend(figure: Figure, roles: tuple[str, ...]) -> None:
    """What the colours mean, below both halves of a picture."""
    handles = [Patch(color=ROLE_COLOURS[role], label=role) for role in roles]
    figure.legend(handles=handles, ncols=len(roles), loc="outside lower center", frameon=False)


def leak() -> None:
    """The same fold without and with purging: what touches the grey hull knows the test."""
    time = np.datetime64("2024-01-01") + np.arange(24) * DAY
    end = time + 4 * DAY
    figure = Figure(figsize=(9, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    naive = tw.PurgedKFold(3).plan(time)  # no label ends: plain k-fold
    purged = tw.PurgedKFold(3).plan(time, label_end=end)
    draw_labels(left, time, end, naive[1], "plain k-fold")
    draw_labels(right, time, end, purged[1], "purged k-fold")
    left.set_ylabel("row")
    legend(figure, ("train", "test", "purged"))
    save(figure, "leak")


def hull() -> None:
    """The latest label end of the block counts, not that of its last row."""
    time = np.datetime64("2024-01-01") + np.arange(24) * DAY
    end = time + 2 * DAY
    end[3] = time[3] + 7 * DAY
    end[10] = time[10] + 9 * DAY
    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    ax = figure.subplots()
    draw_labels(ax, time, end, tw.PurgedKFold(3).plan(time, label_end=end)[1], "labels of any length")
    ax.set_ylabel("row")
    legend(figure, ("train", "test", "purged"))
    save(figure, "hull")


def embargo() -> None:
    """After a test block the embargo begins where its labels end; before a test, where the test begins."""
    time = np.datetime64("2024-01-01") + np.arange(24) * DAY
    end = time + 2 * DAY
    figure = Figure(figsize=(9, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    after = tw.PurgedKFold(3, embargo=3).plan(time, label_end=end)
    before = tw.WalkForward(1, test_size=8, embargo=3).plan(time, label_end=end)
    draw_labels(left, time, end, after[1], "k-fold: embargo=3 after the labels of the test")
    draw_labels(right, time, end, before[0], "walk-forward: embargo=3 before the test")
    left.set_ylabel("row")
    legend(figure, ("train", "test", "purged", "embargoed"))
    save(figure, "embargo")


def business_days(start: str, stop: str) -> np.ndarray:
    """Mondays to Fridays."""
    days = np.arange(start, stop, dtype="datetime64[D]")
    return days[np.is_busday(days)]


def folds() -> None:
    """Ten years of business days, labels of four weeks."""
    time = business_days("2014-01-01", "2024-01-01")
    end = time + 28 * DAY
    save(tw.PurgedKFold(5, embargo="20b").plan(time, label_end=end).plot().figure, "kfold")
    rolling = tw.WalkForward(8, test_size="6mo", train_size="3y", val_size="3mo", embargo="5b")
    save(rolling.plan(time, label_end=end).plot().figure, "walk_forward")
    combined = tw.CombinatorialPurgedCV(6, 2, embargo="20b")
    save(combined.plan(time, label_end=end).plot().figure, "combinatorial")


def assets() -> None:
    """A ragged panel whose assets have labels of different lengths, purged across assets and within them."""
    days = business_days("2020-01-01", "2024-01-01")
    spans = {
        "AAA": (0, 1043, 20),
        "BBB": (0, 1043, 20),
        "CCC": (300, 1043, 60),
        "DDD": (0, 520, 5),
        "EEE": (100, 900, 20),
    }
    rows = {name: np.arange(start, stop) for name, (start, stop, _) in spans.items()}
    rows["BBB"] = np.delete(rows["BBB"], np.s_[430:470])  # a suspension
    time = np.concatenate([days[own] for own in rows.values()])
    lengths = np.repeat([length for *_, length in spans.values()], [len(own) for own in rows.values()])
    end = np.busday_offset(time, lengths)
    ids = np.repeat(list(rows), [len(own) for own in rows.values()])
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    for ax, scope in zip(figure.subplots(2, 1, sharex=True), ("all", "asset"), strict=True):
        plan = tw.PurgedKFold(4, embargo=20, purge_scope=scope).plan(time, label_end=end, asset=ids)
        plan.plot(ax, fold=1, assets=ids)
        ax.set_title(f'purge_scope="{scope}"', loc="left", fontsize=11)
        if scope == "all":
            ax.get_legend().remove()
    save(figure, "assets")


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for draw in (leak, hull, embargo, folds, assets):
        draw()
