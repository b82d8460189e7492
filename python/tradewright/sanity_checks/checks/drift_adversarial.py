"""drift.multivariate: whether a model can tell train rows from validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.readings.series import SIGMAS, series_of, worth_of
from tradewright.sanity_checks.report import Finding

__all__ = ["AdversarialDrift"]

#: The most rows a model is fitted on.
SAMPLE_ROWS = 50_000
#: Contiguous blocks of time, of each side, that are judged by a model of the others.
BLOCKS = 4
#: Fewer rows a side than these say nothing.
LEAST_ROWS = 200
#: Features listed as those that tell the sides apart; what each is worth is measured on so many rows.
LISTED, PROBED = 5, 8_000
#: What part of the largest loss the others listed have at least.
MATTERS = 0.1


@final
@dataclass(frozen=True)
class AdversarialDrift(Check):
    """drift.multivariate: a classifier that tells validation from train rows. Counts sampled rows. Not run by default.

    Gradient-boosted trees are fitted to tell the sides apart, and judged on blocks of time they have not seen: shuffled
    folds read 0.60 to 0.68 on fair data, since neighbouring rows resemble each other. What time alone does is measured
    by the same procedure at a cut within train, and a warning needs an area under the curve above that by ``above`` and
    four standard errors, over as many independent dates as the features that tell the sides apart are worth.
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
        sides = self._separation(
            _matrix(train, before[_spread(len(before), half)]), _matrix(val, after[_spread(len(after), half)])
        )
        cut = min(max(int(len(before) * (1 - share)), LEAST_ROWS // 2), len(before) - LEAST_ROWS // 2)
        early, late = before[:cut], before[cut:]
        null = self._separation(
            _matrix(train, early[_spread(len(early), half)]), _matrix(train, late[_spread(len(late), half)])
        ).auc
        if sides.auc <= null + self.above:
            return []
        losses = sides.losses(int(self.seed))
        top = [j for j in np.argsort(-losses, kind="stable")[:LISTED].tolist() if losses[j] > MATTERS * losses.max()]
        limit = null + self.above + SIGMAS * _error(train, val, [train.columns[names[j]] for j in top])
        if sides.auc <= limit:
            return []
        rows = min(len(before), half) + min(len(after), half)
        listed = f"; most by {', '.join(repr(names[j]) for j in top)}" if top else ""
        note = f", on a sample of {rows:,} rows" if self.samples(context) else ""
        return [
            context.finding(
                self,
                "warning",
                columns=tuple(names[j] for j in top),
                message=f"a classifier tells validation from train rows at an area under the curve of {sides.auc:.2f}, "
                f"where a cut within train gives {null:.2f}{listed}{note}",
                value=sides.auc,
                threshold=limit,
                count=rows,
                remedy="look at the features that are listed, alone and together; scale them by what is known at the time, "
                "or drop them",
            )
        ]

    def _separation(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> _Separation:
        """Classifiers of two sets of rows in time order, each to be judged on a block of time it was not fitted on."""
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
        except ImportError as error:
            raise CannotRun("scikit-learn is not installed: pip install scikit-learn") from error
        X, y = np.vstack([first, second]), np.repeat([0, 1], [len(first), len(second)])
        block = np.concatenate([np.arange(len(part)) * BLOCKS // len(part) for part in (first, second)])
        models = []
        for number in range(BLOCKS):
            fitted = block != number
            model = HistGradientBoostingClassifier(
                max_iter=50, max_depth=4, early_stopping=False, random_state=int(self.seed)
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                models.append(model.fit(X[fitted], y[fitted]))
        return _Separation(X, y, block, models)

    def samples(self, context: CheckContext) -> bool:
        """See the base class."""
        return max(len(context.train), 0 if context.val is None else len(context.val)) > SAMPLE_ROWS // 2


@dataclass(frozen=True, eq=False)
class _Separation:
    """How well two sets of rows are told apart.

    Parameters
    ----------
    X : ndarray of float32, shape (n_rows, n_columns)
        The rows of both sets.
    y, block : ndarray of int64, shape (n_rows,)
        The set of each row, 0 or 1, and its block of time.
    models : sequence
        For each block, a classifier that has not seen it.
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    block: NDArray[np.int64]
    models: Sequence[Any]

    @cached_property
    def auc(self) -> float:
        """The area under the curve over all rows."""
        return _area(self._scores(self.X, self.block), self.y)

    def losses(self, seed: int) -> NDArray[np.float64]:
        """Return what the area loses by shuffling each column; on some rows."""
        rows = _spread(len(self.y), PROBED)
        X, y, block = self.X[rows], self.y[rows], self.block[rows]
        whole, rng = _area(self._scores(X, block), y), np.random.default_rng(seed)
        losses = np.zeros(X.shape[1])
        for j in range(X.shape[1]):
            kept = X[:, j].copy()
            X[:, j] = rng.permutation(kept)
            losses[j] = whole - _area(self._scores(X, block), y)
            X[:, j] = kept
        return losses

    def _scores(self, X: NDArray[np.float32], block: NDArray[np.int64]) -> NDArray[np.float64]:
        """By the classifier that has not seen the block of a row, how likely it is of the second set."""
        scores = np.empty(len(X))
        for number, model in enumerate(self.models):
            held = block == number
            if held.any():
                scores[held] = model.predict_proba(X[held])[:, 1]
        return scores


def _error(train: Side, val: Side, columns: Sequence[NDArray[Any]]) -> float:
    """The standard error of an area under the curve of what follows itself as the most persistent of some columns does."""
    rho = float(series_of(train).lag_one(columns).max(initial=0.0))
    return sqrt(sum(1 / worth_of(side, len(side), rho) for side in (train, val)) / 12)


def _area(scores: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """The area under the ROC curve."""
    ranks, positives = _core.ranks([scores])[0], int(y.sum())
    least = positives * (positives + 1) / 2
    return float((ranks[y == 1].sum(dtype=np.float64) - least) / (positives * (len(y) - positives)))


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
