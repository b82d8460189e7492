"""drift.multivariate: whether a model can tell train rows from validation rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.report import Finding

__all__ = ["AdversarialDrift"]

#: The most rows a model is fitted on.
SAMPLE_ROWS = 50_000
#: Contiguous blocks of time, of each side, that are judged by a model of the others.
BLOCKS = 4
#: Fewer rows a side than these say nothing.
LEAST_ROWS = 200
#: Features listed as those that tell the sides apart.
LISTED = 5


@final
@dataclass(frozen=True)
class AdversarialDrift(Check):
    """drift.multivariate: a classifier that tells validation from train rows. Counts sampled rows. Not run by default.

    Gradient-boosted trees are fitted to tell the sides apart, and judged on blocks of time they have not seen: shuffled
    folds read 0.60 to 0.68 on fair data, since neighbouring rows resemble each other. What time alone does is measured
    by the same procedure at a cut within train, and a warning needs an area under the curve above that by ``above``.
    At most 50,000 rows, seeded; never an error. Name it to run it: ``suite=["drift.multivariate"]``. Seconds.
    """

    above: float = 0.1
    seed: float = 0

    id: ClassVar[str] = "drift.multivariate"
    severity: ClassVar[Literal["info", "warning", "error"]] = "warning"
    taxonomy: ClassVar[str | None] = "L3.3"
    suites: ClassVar[tuple[str, ...]] = ()
    scope: ClassVar[Literal["rows", "pair"]] = "pair"
    by_default: ClassVar[bool] = False

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        val, train = context.needs_val(), context.train
        if not train.columns or not val.columns:
            raise CannotRun("there are no features on one side")
        if min(len(train), len(val)) < LEAST_ROWS:
            raise CannotRun(f"one side has fewer than {LEAST_ROWS} rows")
        before, after = (_in_time(side) for side in (train, val))
        share = len(after) / (len(before) + len(after))
        half = SAMPLE_ROWS // 2
        names = list(train.columns)
        auc, strengths = self._separation(
            _matrix(train, before[_spread(len(before), half)]), _matrix(val, after[_spread(len(after), half)])
        )
        cut = min(max(int(len(before) * (1 - share)), LEAST_ROWS // 2), len(before) - LEAST_ROWS // 2)
        early, late = before[:cut], before[cut:]
        null, _ = self._separation(
            _matrix(train, early[_spread(len(early), half)]), _matrix(train, late[_spread(len(late), half)])
        )
        if auc <= null + self.above:
            return []
        top = np.argsort(-strengths)[:LISTED].tolist()
        rows = min(len(before), half) + min(len(after), half)
        listed = ", ".join(repr(names[j]) for j in top)
        return [
            context.finding(
                self,
                "warning",
                columns=tuple(names[j] for j in top),
                message=f"a classifier tells validation from train rows at an area under the curve of {auc:.2f}, where a "
                f"cut within train gives {null:.2f}; most by {listed}; on {rows:,} seeded rows",
                value=auc,
                threshold=null + self.above,
                count=rows,
                remedy="look at the features that are listed; scale them by what is known at the time, or drop them",
            )
        ]

    def _separation(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
        """The area under the curve over blocks of time not fitted on; and how far each column alone tells the sides."""
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
        except ImportError as error:
            raise CannotRun("scikit-learn is not installed: pip install scikit-learn") from error
        X, y = np.vstack([first, second]), np.repeat([0, 1], [len(first), len(second)])
        block = np.concatenate([np.arange(len(part)) * BLOCKS // len(part) for part in (first, second)])
        score = np.empty(len(y))
        for number in range(BLOCKS):
            held = block == number
            model = HistGradientBoostingClassifier(
                max_iter=50, max_depth=4, early_stopping=False, random_state=int(self.seed)
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                score[held] = model.fit(X[~held], y[~held]).predict_proba(X[held])[:, 1]
        ranks = _core.ranks([score])[0]
        count = len(second)
        auc = (ranks[y == 1].sum(dtype=np.float64) - count * (count + 1) / 2) / (count * len(first))
        distances = _core.drifts(list(first.T), list(second.T))[:, 0]
        return float(auc), np.nan_to_num(distances)

    def samples(self, context: CheckContext) -> bool:
        """See the base class."""
        return max(len(context.train), 0 if context.val is None else len(context.val)) > SAMPLE_ROWS // 2


def _in_time(side: Side) -> NDArray[np.int64]:
    """The source's rows of a side in time order."""
    rows = side.positions()
    return rows if side.time is None else rows[np.argsort(side.take(side.time), kind="stable")]


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of so many rows, evenly spread, so that they stay in time order."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def _matrix(side: Side, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    columns = [np.asarray(values[rows], dtype=np.float32) for values in side.columns.values()]
    matrix = np.column_stack(columns)
    return np.where(np.isfinite(matrix), matrix, np.nan).astype(np.float32)
