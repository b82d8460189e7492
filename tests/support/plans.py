"""Plans of any roles over panels in any order, as no splitter would make them: cut inside of dates, with holes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tradewright.splitting import SplitPlan
from tradewright.splitting.fold import ROLES
from tradewright.splitting.table import PlanTable

__all__ = ["odd_plans", "plan_of"]


def plan_of(time: Any, folds: list[list[tuple[int, str]]]) -> SplitPlan:
    """A plan over rows of these times; each fold is cut into (rows, role) in time order."""
    time = np.asarray(time)
    order = None if (time[1:] >= time[:-1]).all() else np.argsort(time, kind="stable")
    segments = []
    for number, parts in enumerate(folds):
        start = 0
        for rows, role in parts:
            segments.append([number, ROLES.index(role), start, start + rows])
            start += rows
        assert start == len(time), "a fold covers all rows"
    table = np.array(segments, dtype=np.int64)
    times = (time if order is None else time[order])[np.column_stack([table[:, 2], table[:, 3] - 1])]
    hulls = np.empty((0, 6), dtype=np.int64)
    return SplitPlan(PlanTable(table, times, hulls, np.arange(len(folds))), len(time), order)


@st.composite
def odd_plans(draw: st.DrawFn, most: int = 60) -> tuple[np.ndarray, np.ndarray, SplitPlan]:
    """Times and asset codes of rows in any order, no asset twice at a time, and a plan over them."""
    cells = draw(st.lists(st.integers(0, 4 * 20 - 1), min_size=4, max_size=most, unique=True))
    if draw(st.booleans()):
        cells = sorted(cells)
    time, asset = np.divmod(np.array(cells), 4)
    n = len(time)
    folds = []
    for _ in range(draw(st.integers(1, 3))):
        cuts = sorted(draw(st.sets(st.integers(1, n - 1), min_size=1, max_size=8)))
        sizes = np.diff([0, *cuts, n]).tolist()
        roles = [draw(st.sampled_from(["train", "train", "val", "test", "purged", "unused"])) for _ in sizes]
        folds.append(list(zip(sizes, roles, strict=True)))
    return time, asset, plan_of(time, folds)
