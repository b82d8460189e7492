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
from tradewright.sanity_checks.report import Finding
from tradewright.sanity_checks.series import SIGMAS, effective, known_labels, series_of

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
    against that of all other rows. Their difference is \\|2 AUC − 1\\| of the gaps as a score. Limits stand above the
    thresholds by the error of that difference over independent dates, so that a warm-up, which is one long gap, proves
    nothing. Gaps are counted as bits, all rows and all features in one pass.
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
        findings = []
        for j in np.flatnonzero(np.abs(differences).max(axis=1) >= self.warning).tolist():
            kind = int(np.abs(differences[j]).argmax())
            value = float(abs(differences[j, kind]))
            gap, member = int(gaps[j, 0]) / total, int(sizes[kind]) / total
            error = self._error(context, names[j], y, classes, kind, sqrt(gap * (1 - gap) / (member * (1 - member))))
            limits = {s: t + SIGMAS * error * (1 - t) for s, t in (("error", self.error), ("warning", self.warning))}
            severity: Literal["error", "warning"] = "error" if value >= limits["error"] else "warning"
            if value < limits[severity]:
                continue
            rows = np.flatnonzero(np.isnan(side.take(side.columns[names[j]])) & (classes == kind))
            findings.append(
                context.finding(
                    self,
                    severity,
                    columns=(names[j],),
                    message=f"{names[j]!r} is missing in {within[j, kind]:.1%} of the rows whose label is {kinds[kind]} "
                    f"and in {outside[j, kind]:.1%} of the others",
                    value=value,
                    threshold=limits[severity],
                    count=int(gaps[j, 0]),
                    examples=side.examples(side.positions()[rows]),
                    remedy="find out why it is missing there: a gap that is known only once the label is gives it away. "
                    "Fill it from what was known, or drop the column",
                )
            )
        return findings

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
