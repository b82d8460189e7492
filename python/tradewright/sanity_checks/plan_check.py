"""Checks of a panel under a split plan, fold by fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from tradewright.errors import DataError, ParameterError
from tradewright.panel import Panel
from tradewright.sanity_checks.base import CheckContext, Side
from tradewright.sanity_checks.declared import declare, interleaves
from tradewright.sanity_checks.inputs import feature_columns
from tradewright.sanity_checks.readings.fold_blocks import FoldBlocks
from tradewright.sanity_checks.readings.profiles import PanelProfiles
from tradewright.sanity_checks.readings.twins import PanelTwins
from tradewright.sanity_checks.report import SanityReport
from tradewright.sanity_checks.runner import run_checks
from tradewright.sanity_checks.suites import Ignore, build_checks
from tradewright.splitting import Fold, SplitPlan

__all__ = ["check"]

Rules = tuple[Literal["both", "left"], Literal["all", "asset"]]


def check(
    panel: Panel,
    plan: SplitPlan,
    *,
    suite: str | Sequence[str] = "all",
    ignore: Ignore = (),
    folds: Sequence[int] | None = None,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    profile: Literal["generic", "returns"] = "generic",
    nowcasting: Sequence[str] = (),
    raw: Sequence[str] = (),
    lookback: int | str | None = None,
) -> SanityReport:
    """Check a panel and the folds of a plan over it.

    Columns and labels are checked once, on all rows; train against validation and train against test rows of every
    fold. Rows are hashed and columns profiled once, however many folds there are.

    Parameters
    ----------
    panel : Panel
        The data.
    plan : SplitPlan
        A plan over the rows of this panel.
    suite : str or sequence of str
        ``"leakage"``, ``"split"``, ``"quality"``, ``"drift"`` or ``"all"``; or check ids.
    ignore : sequence of str or (str, str)
        Checks to leave out, or findings about a column.
    folds : sequence of int, optional
        The folds to look at; by default all.
    config : mapping, optional
        Thresholds by check id.
    profile, nowcasting, raw, lookback
        What is declared of the data, as for :meth:`ModelSanityChecker.run`.

    Returns
    -------
    SanityReport
        Findings carry the fold and the part ("val", "test") train was held against; rows are positions in the panel.

    Raises
    ------
    ParameterError
        For what is no panel or no plan, a plan over another number of rows, a fold that is not there, an unknown suite,
        check or threshold, and a threshold that is no number.
    DataError
        For a plan that was made from other data: its ``data_fingerprint`` is known and is not the panel's.

    Examples
    --------
    >>> from tradewright import PurgedKFold, datasets
    >>> panel = datasets.sp500_panel(horizon=5)
    >>> report = check(panel, PurgedKFold(n_splits=5, embargo=5).plan(panel))
    >>> report.passed("warning")
    True
    """
    _refuse_kinds(panel, plan)
    checks, ignored = build_checks(suite, config or {}, ignore)
    chosen = _chosen(plan, folds)
    _refuse_foreign(panel, plan)
    rules = _rules(plan)
    columns = feature_columns(panel, "panel")
    whole = Side(
        name="panel",
        columns=columns,
        y=panel.y,
        time=panel.time,
        label_end=panel.label_end,
        asset=panel.asset,
        time_unit=panel.time_unit,
        asset_names=tuple(panel.asset_names),
        returns=panel.returns,
        blocks=FoldBlocks.of(plan),
    )
    interleaved = interleaves(plan.splitter, purged=panel.label_end is not None)
    rows_of = CheckContext(
        train=whole,
        val=None,
        twins=PanelTwins(tuple(columns.values())),
        profiles=PanelProfiles(whole),
        closed=rules[0],
        purge_scope=rules[1],
        declared=declare(
            columns, profile=profile, nowcasting=nowcasting, raw=raw, lookback=lookback, interleaved=interleaved
        ),
    )
    return run_checks(
        checks,
        rows=rows_of,
        pairs=_pairs(plan, chosen, rows_of),
        ignored=ignored,
        settings={
            "suite": suite if isinstance(suite, str) else list(suite),
            "ignore": [item if isinstance(item, str) else list(item) for item in ignore],
            "folds": list(chosen),
            "closed": rules[0],
            "purge_scope": rules[1],
            **rows_of.declared.settings(),
        },
        data_fingerprint=panel.fingerprint,
        plan_digest=plan.digest,
    )


def _refuse_kinds(panel: Any, plan: Any) -> None:
    """Raise for what is no panel, and what is no plan."""
    if not isinstance(panel, Panel):
        raise ParameterError(
            f"check takes a Panel, not a {type(panel).__name__}: make one by Panel.from_frame, or hand arrays and frames to "
            "ModelSanityChecker().run",
            code="sanity.panel",
        )
    if not isinstance(plan, SplitPlan):
        hint = "pass splitter.plan(panel)" if hasattr(plan, "plan") else "pass a SplitPlan"
        if isinstance(plan, Fold):
            hint = "pass its plan, and folds=[number]"
        raise ParameterError(f"plan is a {type(plan).__name__}: {hint}", code="sanity.plan")


def _rules(plan: SplitPlan) -> Rules:
    """By which rules the plan was purged."""
    closed: Literal["both", "left"] = "left" if plan.splitter.get("closed") == "left" else "both"
    return closed, "asset" if plan.splitter.get("purge_scope") == "asset" else "all"


def _chosen(plan: SplitPlan, folds: Sequence[int] | None) -> list[int]:
    count = len(plan)
    chosen = list(range(count)) if folds is None else [int(fold) for fold in folds]
    for fold in chosen:
        if not 0 <= fold < count:
            raise ParameterError(f"fold {fold}: the plan has folds 0 to {count - 1}", code="sanity.fold", fold=fold)
    return chosen


def _refuse_foreign(panel: Panel, plan: SplitPlan) -> None:
    """Raise for a plan of other rows, as far as the plan knows what it was made from."""
    if plan.n_rows != len(panel):
        raise ParameterError(
            f"the plan is over {plan.n_rows:,} rows, the panel has {len(panel):,}: plan this panel anew",
            code="sanity.plan_rows",
        )
    if plan.data_fingerprint is not None and plan.data_fingerprint != panel.fingerprint:
        raise DataError(
            f"the plan was made from other data: from a panel with fingerprint {plan.data_fingerprint}, this one has "
            f"{panel.fingerprint}. Pass the panel it was made from, or plan this panel anew",
            code="sanity.plan_data",
            expected=plan.data_fingerprint,
            got=panel.fingerprint,
        )


def _pairs(plan: SplitPlan, chosen: Sequence[int], rows_of: CheckContext) -> Iterator[CheckContext]:
    """Train against val and train against test of each fold, made one at a time."""
    whole = rows_of.train
    for number in chosen:
        fold = plan[number]
        train = replace(whole, rows=fold.train)
        for part in ("val", "test"):
            rows = getattr(fold, part)
            if len(rows):
                yield replace(rows_of, train=train, val=replace(whole, rows=rows), fold=number, against=part)
