"""From a layout of blocks to the role of every row, by the rules of one splitter."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tradewright.splitting.layout import Axis, Layout, embargo_limits, is_duration, resolve_count, validation_sizes
from tradewright.splitting.parameters import Closed, OnEmpty, PurgeScope, Size
from tradewright.splitting.table import PlanTable

__all__ = ["assign_roles"]


class Rules(Protocol):
    """What a splitter says about purging, embargo and validation."""

    @property
    def embargo(self) -> Size: ...
    @property
    def val_size(self) -> Size: ...
    @property
    def closed(self) -> Closed: ...
    @property
    def purge_scope(self) -> PurgeScope: ...
    @property
    def on_empty(self) -> OnEmpty: ...


def assign_roles(axis: Axis, layout: Layout, splitter: Rules) -> PlanTable:
    """Let the core give every row its role."""
    by_asset = splitter.purge_scope == "asset"
    count, limits = embargo_limits(axis, layout, splitter.embargo, by_asset=by_asset)
    sizes = validation_sizes(axis, layout, splitter.val_size) if layout.val_sizes is None else layout.val_sizes

    def run(window: int | None, instants: NDArray[np.int64] | None, on_empty: OnEmpty) -> PlanTable:
        columns = axis.core.plan(
            layout.tests,
            layout.pools,
            sizes,
            embargo_after=layout.embargo_side == "after",
            embargo=count,
            embargo_instants=limits,
            window=window,
            window_instants=instants,
            closed_left=splitter.closed == "left",
            on_empty=on_empty,
            by_asset=by_asset,
        )
        return PlanTable.of_core(axis.core, *columns)

    if layout.window is None:
        return run(None, None, splitter.on_empty)
    if not is_duration(layout.window):
        return run(resolve_count(layout.window, axis.count, name="train_size"), None, splitter.on_empty)
    # A window of time ends with the last row that purging leaves, so purging comes first.
    whole = run(None, None, "keep")
    train = whole.segments[whole.segments[:, 1] == 0]
    last = np.full(len(layout.pools), np.iinfo(np.int64).max, dtype=np.int64)
    ends, _ = axis.core.at(np.ascontiguousarray(train[:, 3] - 1))
    last[train[:, 0]] = ends  # ascending, so the latest segment of a fold stays
    return run(None, axis.shift(last, layout.window, sign=-1, name="train_size", whole=True), splitter.on_empty)
