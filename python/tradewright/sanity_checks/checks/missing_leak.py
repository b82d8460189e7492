"""leak.missingness: gaps that know the labels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import Check, CheckContext
from tradewright.sanity_checks.readings.series import SIGMAS, effective, known_labels, series_of
from tradewright.sanity_checks.report import Finding

__all__ = ["MissingnessLeak"]

#: Labels of more distinct values are cut into as many parts of equal size.
PARTS = 5
#: The class of rows without a label.
NO_LABEL = 255


@final
@dataclass(frozen=True)
class MissingnessLeak(Check):
    r"""leak.missingness: a feature that is missing where the labels are of one kind. Counts missing cells.

    Of each class of labels (of quantities: of each fifth) the share of rows in which the feature is missing is held
    against that of all other rows. Their difference is \\|2 AUC − 1\\| of the gaps as a score of the class. Of quantities,
    gaps that differ between fifths are also held against the ranks of all labels: gaps wherever a label is above its
    median tell no fifth from the others, and yet its sign. Limits stand above the thresholds by the errors of these
    differences over independent dates, so that a warm-up, which is one long gap, proves nothing. Gaps are counted as
    bits, all rows and all features in one pass.
    """

    warning: float = 0.3
    error: float = 0.8

    id: ClassVar[str] = "leak.missingness"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L2"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        side, y = context.train, known_labels(context)
        allowed = set(context.declared.nowcasting)
        names = [name for name, values in side.columns.items() if values.dtype.kind == "f" and name not in allowed]
        classes, kinds = _classes(side.take(y))
        if not names or len(kinds) < 2:
            return []
        missing = _core.missing_by_class([side.take(side.columns[name]) for name in names], classes, len(kinds))
        sizes = np.bincount(classes, minlength=256)[: len(kinds)]
        gaps, total = missing.sum(axis=1, keepdims=True), int(sizes.sum())
        within = missing / sizes
        outside = (gaps - missing) / np.maximum(total - sizes, 1)
        differences = within - outside
        ranked = _Ranked(side.take(y), quantities=len(kinds) == PARTS and len(np.unique(side.take(y)[:1000])) > PARTS)
        findings = []
        for j in np.flatnonzero(np.abs(differences).max(axis=1) >= self.warning).tolist():
            kind = int(np.abs(differences[j]).argmax())
            gap, member = int(gaps[j, 0]) / total, int(sizes[kind]) / total
            error = self._error(context, names[j], y, classes, kind, sqrt(gap * (1 - gap) / (member * (1 - member))))
            told = (
                f"{names[j]!r} is missing in {within[j, kind]:.1%} of the rows whose label is {kinds[kind]} and in "
                f"{outside[j, kind]:.1%} of the others"
            )
            judged = [(float(abs(differences[j, kind])), error, told)]
            missed = np.isnan(side.take(side.columns[names[j]]))
            order = ranked.score(missed)
            if order is not None:
                higher = "high" if order > 0 else "low"
                judged.append(
                    (
                        abs(order),
                        self._error_of_ranks(context, names[j], y, gap),
                        f"{names[j]!r} is missing where labels are {higher}: the label tells gaps from values at "
                        f"|2 AUC − 1| = {abs(order):.2f}",
                    )
                )
            verdict = max(
                (self._verdict(*one) for one in judged), key=lambda v: (v[0] is not None, v[0] == "error", v[1])
            )
            severity, value, limit, message = verdict
            if severity is None:
                continue
            rows = np.flatnonzero(missed & (classes == kind))
            findings.append(
                context.finding(
                    self,
                    severity,
                    columns=(names[j],),
                    message=message,
                    value=value,
                    threshold=limit,
                    count=int(gaps[j, 0]),
                    examples=side.examples(side.positions()[rows]),
                    remedy="find out why it is missing there: a gap that is known only once the label is gives it away. "
                    "Fill it from what was known, or drop the column",
                )
            )
        return findings

    def _verdict(
        self, value: float, error: float, told: str
    ) -> tuple[Literal["error", "warning"] | None, float, float, str]:
        """How bad a difference with some error is, and the limit it passed."""
        severe, mild = (t + SIGMAS * error * (1 - t) for t in (self.error, self.warning))
        if value >= severe:
            return "error", value, severe, told
        return ("warning" if value >= mild else None), value, mild, told

    @staticmethod
    def _error_of_ranks(context: CheckContext, name: str, y: NDArray[np.float64], gap: float) -> float:
        """The standard error of |2 AUC − 1| where gaps do not depend on labels, over independent dates."""
        side, series = context.train, series_of(context.train)
        gap_rho, label_rho = series.lag_one([np.isnan(side.columns[name]).view(np.uint8), y]).tolist()
        return 1.0 / sqrt(3 * gap * (1 - gap) * max(float(effective(series.dates, gap_rho, label_rho)), 1.0))

    @staticmethod
    def _error(
        context: CheckContext, name: str, y: NDArray[np.float64], classes: NDArray[np.uint8], kind: int, scale: float
    ) -> float:
        """The standard error of the difference of two shares of gaps, over independent dates."""
        side, series = context.train, series_of(context.train)
        member = np.zeros(len(y), dtype=np.uint8)
        member[side.positions()] = classes == kind
        gap_rho, class_rho = series.lag_one([np.isnan(side.columns[name]).view(np.uint8), member]).tolist()
        return scale / sqrt(max(float(effective(series.dates, gap_rho, class_rho)), 1.0))


class _Ranked:
    """The labels by rank, taken when first asked for; of classes, which have no order, nothing."""

    def __init__(self, y: NDArray[np.float64], *, quantities: bool) -> None:
        self._y = y if quantities else None
        self._ranks: NDArray[np.float32] | None = None

    def score(self, missed: NDArray[np.bool_]) -> float | None:
        """Return 2 AUC − 1 of the labels as a score of the gaps, over the rows that have a label."""
        if self._y is None:
            return None
        if self._ranks is None:
            self._ranks = _core.ranks([np.ascontiguousarray(self._y)])[0]
        known = ~np.isnan(self._y)
        gone = missed & known
        m, n = int(gone.sum()), int(known.sum())
        if not 0 < m < n:
            return None
        # Ranks count from the middle of ties; their mean over all rows is (n + 1) / 2 whatever they count from.
        ranks = self._ranks.astype(np.float64)
        return float(2 * (ranks[gone].mean() - ranks[known].mean()) / (n - m))


def _classes(y: NDArray[np.float64]) -> tuple[NDArray[np.uint8], list[str]]:
    """The class of each label, and what the classes are called."""
    known = ~np.isnan(y)
    if not known.any():
        return np.full(len(y), NO_LABEL, dtype=np.uint8), []
    few = np.unique(y[known][:: max(1, int(known.sum()) // 1000)])
    if len(few) <= PARTS:
        few = np.unique(y[known])
    if len(few) <= PARTS:
        codes, kinds = np.searchsorted(few, y), [f"{value:g}" for value in few]
    else:
        edges = np.unique(np.quantile(y[known], np.arange(1, PARTS) / PARTS))
        codes = np.searchsorted(edges, y, side="right")
        bounds = [f"{edge:.3g}" for edge in edges]
        kinds = [f"below {bounds[0]}", *(f"from {a} to {b}" for a, b in itertools.pairwise(bounds))]
        kinds.append(f"from {bounds[-1]} on")
    classes = np.where(known, codes, NO_LABEL).astype(np.uint8)
    present = np.bincount(classes, minlength=256)[: len(kinds)] > 0
    renumber = np.full(256, NO_LABEL, dtype=np.uint8)
    renumber[np.flatnonzero(present)] = np.arange(int(present.sum()))
    return renumber[classes], [kind for kind, is_there in zip(kinds, present.tolist(), strict=True) if is_there]
