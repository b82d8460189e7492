"""Where the rows of a fold are: what a reader of a score needs to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tradewright.panel import Panel
from tradewright.splitting.fold import ROLES

if TYPE_CHECKING:
    from tradewright.splitting import Fold, Rows

__all__ = ["fold_facts", "fold_params"]


def fold_facts(panel: Panel, fold: Fold) -> dict[str, Any]:
    """Return the geometry of a fold, as plain JSON values.

    Returns
    -------
    dict
        ``fold``, ``fold_digest``, ``plan_digest``, ``data_fingerprint`` of the data the plan was made from; ``n_rows``
        and ``time`` (first and last) of the panel; ``splitter`` (its configuration), ``closed``, ``purge_scope``,
        ``has_label_ends``; and ``roles``: for each of train, val, test, purged, embargoed and unused the number of
        ``rows``, their half-open ``ranges`` in time order, and the first and last ``time``.
    """
    plan = fold.plan
    return {
        "fold": fold.index,
        "fold_digest": fold.digest,
        "plan_digest": fold.plan_digest,
        "data_fingerprint": fold.data_fingerprint,
        "n_rows": len(panel),
        "time": _time(panel, [panel.time.argmin(), panel.time.argmax()]),
        "splitter": {} if plan is None else dict(plan.splitter),
        "closed": fold.closed,
        "purge_scope": fold.purge_scope,
        "has_label_ends": None if plan is None else plan.has_label_ends,
        "roles": {role: _role(panel, getattr(fold, role)) for role in ROLES},
    }


def fold_params(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of :func:`fold_facts` one searches and compares runs by: counts, times, the splitter's parameters."""
    params: dict[str, Any] = {}
    for role, about in facts["roles"].items():
        if role not in ("train", "val"):  # whose counts every training has
            params[f"n_{role}_rows"] = about["rows"]
        if about["time"] is not None and role in ("train", "val", "test"):
            params[f"{role}_time"] = " … ".join(about["time"])
    splitter = dict(facts["splitter"])
    name = splitter.pop("splitter", None)
    if name is not None:
        params["splitter"] = name
    return params | {f"splitter.{key}": value for key, value in splitter.items()}


def _role(panel: Panel, rows: Rows) -> dict[str, Any]:
    ranges = rows.ranges.tolist()
    if not ranges:
        return {"rows": 0, "ranges": [], "time": None}
    # Ranges are in time order: the first row of the first and the last row of the last are the edges.
    edges = [ranges[0][0], ranges[-1][1] - 1]
    places = edges if rows.order is None else rows.order[edges]
    return {"rows": len(rows), "ranges": ranges, "time": _time(panel, places)}


def _time(panel: Panel, places: Any) -> list[str]:
    return [str(time) for time in panel.times[places]]
