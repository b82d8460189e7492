"""What a panel refuses, each with the row that breaks the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DuplicateKeyError, LabelEndError, ParameterError
from tradewright.panel.times import OPEN, format_time

if TYPE_CHECKING:
    from tradewright.panel.panel import Panel

__all__ = ["refuse_duplicate_keys", "refuse_early_label_ends", "resolve_missing_label_ends"]


def refuse_duplicate_keys(panel: Panel) -> None:
    """Raise when two rows share one (time, asset). O(n) for sorted panels, one sort of the keys otherwise."""
    keys = _single_keys(panel)
    if keys is not None:
        if bool((keys[1:] > keys[:-1]).all()):
            return
        in_order = np.sort(keys)
        if bool((in_order[1:] > in_order[:-1]).all()):
            return
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
    else:
        assert panel.asset is not None
        order = np.lexsort((panel.asset, panel.time))
        time, asset = panel.time[order], panel.asset[order]
        same = (time[1:] == time[:-1]) & (asset[1:] == asset[:-1])
        if not same.any():
            return
    second = int(order[1:][same].min())
    at = int(np.flatnonzero(order == second)[0])
    first, surplus = int(order[at - 1]), int(same.sum())
    key = format_time(panel.time[second], panel.time_unit)
    if panel.asset is not None:
        key += f", {panel.asset_names[panel.asset[second]]}"
    else:
        key += "; for a panel of many assets, pass asset="
    raise DuplicateKeyError(
        f"rows {first} and {second} share one key ({key}); {surplus} rows are surplus. "
        "Drop the duplicates, or pass allow_duplicate_keys=True",
        code="data.duplicate_key",
        row=second,
        first_row=first,
        count=surplus,
    )


def _single_keys(panel: Panel) -> NDArray[np.int64] | None:
    """One int64 per (time, asset), in key order; None where they don't fit."""
    if panel.asset is None:
        return panel.time
    assets = max(len(panel.asset_names), 1)
    time = panel.time
    steps = np.diff(time)
    if len(steps) and not (steps < 0).any():
        # Time-sorted: the number of the timestamp serves as well as the time, and is small.
        ranks = np.empty(len(time), dtype=np.int64)
        ranks[0] = 0
        np.cumsum(steps > 0, out=ranks[1:])
    else:
        low, high = int(time.min()), int(time.max())
        if (high - low + 1) * assets >= 2**63:
            return None
        ranks = time - low
    return ranks * assets + panel.asset


def resolve_missing_label_ends(panel: Panel, missing: NDArray[np.bool_] | None, policy: str) -> NDArray[np.int64]:
    """Replace missing label ends by "never", or raise with the row."""
    assert panel.label_end is not None
    if policy not in ("raise", "open"):
        raise ParameterError(f"missing_label_end={policy!r}: pass 'raise' or 'open'", code="panel.missing_label_end")
    if missing is None or not missing.any():
        return panel.label_end
    if policy == "raise":
        row, count = int(np.flatnonzero(missing)[0]), int(missing.sum())
        raise LabelEndError(
            f"row {row}: label_end is missing ({count} rows in all). Drop the rows, or pass missing_label_end='open' "
            "for labels that have not closed",
            code="data.label_end_missing",
            row=row,
            count=count,
        )
    return np.where(missing, OPEN, panel.label_end)


def refuse_early_label_ends(panel: Panel) -> None:
    """Raise when a label ends before its row."""
    assert panel.label_end is not None
    early = panel.label_end < panel.time
    if not early.any():
        return
    row, count = int(np.flatnonzero(early)[0]), int(early.sum())
    end, start = (format_time(values[row], panel.time_unit) for values in (panel.label_end, panel.time))
    raise LabelEndError(
        f"row {row}: label_end {end} is earlier than its time {start} ({count} rows in all); a label cannot end before "
        "its row exists. Check the column, or drop the rows",
        code="data.label_end_before_time",
        row=row,
        count=count,
    )
