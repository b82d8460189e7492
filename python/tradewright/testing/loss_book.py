"""A broker's book, date by date: the slow and obvious twin of portfolio returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.testing.losses_shared import Rows

__all__ = ["book_returns"]


def book_returns(loss: Any, rows: Rows) -> NDArray[np.float64]:
    """Return what the positions of ``rows`` earn net of costs: one return a date, or one a row where pooled."""
    assert rows.assets is not None
    held: dict[Any, float] = {}
    # Where each asset was last seen: who pays for its closing where returns are pooled.
    last: dict[Any, int] = {}
    found: list[float] = []
    for number, date in enumerate(np.unique(rows.groups)):
        here = np.flatnonzero(rows.groups == date)
        positions = _positions(loss, rows, here)
        present = set(rows.assets[here].tolist())
        closed = {asset: size for asset, size in held.items() if asset not in present} if loss.absent == "close" else {}
        for asset, size in closed.items():
            held[asset] = 0.0
            if loss._is_pooled and asset in last:
                found[last.pop(asset)] -= loss.cost * abs(size)
        earned = []
        for row, position in zip(here, positions, strict=True):
            asset = rows.assets[row].item()
            # An asset that comes later was closed before, unless absent ones are carried.
            start = loss.initial_position if number == 0 or loss.absent == "carry" else 0.0
            earned.append(position * rows.y[row] - loss.cost * abs(position - held.get(asset, start)))
            held[asset] = position
        if loss._is_pooled:
            for row, value in zip(here, earned, strict=True):
                last[rows.assets[row].item()] = len(found)
                found.append(value)
            continue
        total = sum(earned) - sum(loss.cost * abs(size) for size in closed.values())
        found.append(total if loss.position == "softmax" else total / len(here))
    return np.array(found)


def _positions(loss: Any, rows: Rows, here: NDArray[Any]) -> NDArray[np.float64]:
    s = rows.s[here].astype(np.float64)
    if loss.position == "softmax":
        e = np.exp(s - s.max())
        s = e / e.sum()
    elif loss.position == "tanh":
        s = np.tanh(s)
    elif loss.position == "clip":
        s = s.clip(-1.0, 1.0)
    leverage = 1.0 if loss._target_volatility is None else loss._target_volatility / rows.extra["volatility"][here]
    scaled: NDArray[np.float64] = s * leverage
    return scaled
