"""leak.feature_is_future_value: a feature that holds, bit for bit, what is known only later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import MAX_EXAMPLES, CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.readings.series import SideSeries, horizon_bars, known_labels, series_of
from tradewright.sanity_checks.report import Finding

__all__ = ["FutureValue"]

#: How far beyond the horizon is looked, in rows of the same asset.
REACH = 10
#: Rows in which the later value must be new for a verdict.
LEAST_NEWS = 20
#: Rows that are looked at first.
LOOK = 1024


@final
@dataclass(frozen=True)
class FutureValue(Check):
    """leak.feature_is_future_value: a feature that equals labels, or raw columns, of its own future. Counts rows.

    A feature x leaks when x[t] is y[t+j] in ``error`` of the rows, for a j at which that label is not known at t: more
    than −h, for a horizon of h rows; x[t] = y[t−h] is legal. Columns named in ``raw=`` are held against likewise, from
    one row later on: among other features nobody can tell the leading from the lagging. Rows in which the later value
    repeats what was known are left out of one of the two shares that must be reached. All rows, after a look at 1,024.

    Among several assets, x leaks too when its values are labels of whichever asset, at whatever distance, that are not
    known at t: a join that took the wrong ticker, or a shift of rows over the border between two assets. Labels that
    occur once are looked up by value.
    """

    error: float = 0.99

    id: ClassVar[str] = "leak.feature_is_future_value"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L2"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        side, y = context.train, known_labels(context)
        if not side.columns:
            raise CannotRun("there are no features")
        series = series_of(side)
        if series.mixed:
            raise CannotRun("rows share a time, and nothing says whose they are: pass asset_train")
        allowed = {*context.declared.nowcasting}
        names = [name for name in side.columns if name not in allowed]
        bars = horizon_bars(context)[0]
        labels = side.y if side.y is not None and side.y.dtype == np.float32 else y
        found = self._found(side, series, names, ["the label"], [labels], range(min(1 - bars, 0), REACH + 1))
        raw = list(context.declared.raw)
        others = [name for name in names if name not in raw]
        found |= self._found(side, series, others, raw, [side.columns[name] for name in raw], range(1, REACH + 1))
        anyones = self._of_anyone(context, [name for name in names if name not in found], labels, bars)
        return [
            self._finding(context, series, name, *found[name]) if name in found else anyones[name]
            for name in names
            if name in found or name in anyones
        ]

    def _of_anyone(
        self, context: CheckContext, names: list[str], labels: NDArray[np.generic], bars: int
    ) -> dict[str, Finding]:
        """Features whose values are labels of any asset that are not known at the row."""
        side = context.train
        if side.asset is None or side.time is None or not names:
            return {}
        ranked = np.sort(side.take(labels))
        suspects = []
        for name in names:
            column = side.take(side.columns[name])
            look = column[:: max(1, len(column) // LOOK)]
            look = look[np.isfinite(look)] if column.dtype.kind == "f" else look[:0]
            if len(look) and _among(ranked, look)[0].mean() >= self.error:
                suspects.append(name)
        return self._looked_up(context, suspects, labels, bars) if suspects else {}

    def _looked_up(
        self, context: CheckContext, names: list[str], labels: NDArray[np.generic], bars: int
    ) -> dict[str, Finding]:
        """Hold every value of some features against the labels that occur once."""
        side = context.train
        assert side.asset is not None
        assert side.time is not None
        y = side.take(labels)
        order = np.argsort(y, kind="stable")
        ranked = y[order]
        differs = ranked[1:] != ranked[:-1]
        once = np.concatenate([[True], differs]) & np.concatenate([differs, [True]]) & ~np.isnan(ranked)
        if once.sum() < self.error * len(y) / 2:
            return {}  # classes, or rounded: equal values say nothing
        ranked, order = ranked[once], order[once]
        date = np.unique(side.take(side.time), return_inverse=True)[1]
        found = {}
        for name in names:
            column = side.take(side.columns[name])
            known = np.flatnonzero(np.isfinite(column))
            equal, places = _among(ranked, column[known])
            ahead = date[order[places]] + bars - date[known]
            leaks = equal & (ahead > 0)
            if leaks.sum() < max(self.error * len(known), LEAST_NEWS) or len(np.unique(places[leaks])) < LEAST_NEWS:
                continue
            rows, whose = known[leaks], order[places[leaks]]
            own = bool((side.take(side.asset)[rows] == side.take(side.asset)[whose]).all())
            positions = side.positions()
            found[name] = context.finding(
                self,
                "error",
                columns=(name,),
                message=f"{name!r} equals labels {'of its asset' if own else 'of other assets'} that are not known yet in "
                f"{len(rows):,} of {len(known):,} rows; row {positions[rows[0]]} has that of row {positions[whose[0]]}",
                value=len(rows) / len(known),
                threshold=self.error,
                count=len(rows),
                examples=tuple(
                    side.example(int(positions[row]), other_source=side.name, other_row=int(positions[other]))
                    for row, other in zip(rows[:MAX_EXAMPLES], whose[:MAX_EXAMPLES], strict=True)
                ),
                remedy="look for a join on the wrong key, or a shift across the rows of several assets; shift within each",
            )
        return found

    def _found(
        self,
        side: Side,
        series: SideSeries,
        names: list[str],
        sources: list[str],
        arrays: list[NDArray[np.generic]],
        lags: range,
    ) -> dict[str, tuple[str, NDArray[np.generic], int, int, int]]:
        """The source, its values, lag, equal and known rows of each feature that leaks."""
        if not names or not sources:
            return {}
        columns = [side.columns[name] for name in names]
        table = _core.future_values(columns, arrays, series.order, series.starts, np.array(lags, dtype=np.int64))
        best: dict[str, tuple[str, NDArray[np.generic], int, int, int]] = {}
        for column, source, lag, known, equal, news, equal_news in table.tolist():
            enough = equal >= self.error * known and news >= LEAST_NEWS and equal_news >= self.error * news
            if enough and equal > best.get(names[column], ("", arrays[0], 0, 0, 0))[3]:
                best[names[column]] = (sources[source], arrays[source], lag, equal, known)
        return best

    def _finding(
        self,
        context: CheckContext,
        series: SideSeries,
        name: str,
        source: str,
        values: NDArray[np.generic],
        lag: int,
        equal: int,
        known: int,
    ) -> Finding:
        what = source if source == "the label" else repr(source)
        when = (
            "of the same row"
            if lag == 0
            else f"of {abs(lag)} row{'s' if abs(lag) > 1 else ''} {'later' if lag > 0 else 'before'}"
        )
        open_yet = ", which is not known yet" if lag < 0 else ""
        walked, later = series.walk(context.train.columns[name]), series.walk(values)
        n = len(walked)
        here = slice(max(0, -lag), n - max(0, lag))
        there = slice(max(0, lag), n - max(0, -lag))
        places = np.flatnonzero(walked[here] == later[there])[:10] + max(0, -lag)
        rows = places if series.order is None else series.order[places]
        return context.finding(
            self,
            "error",
            columns=(name,),
            message=f"{name!r} equals {what} {when}{open_yet} in {equal:,} of {known:,} rows",
            value=equal / known,
            threshold=self.error,
            count=equal,
            examples=context.train.examples(rows.tolist()),
            remedy="shift it so that a row holds only what was known at its time, or drop the column",
        )


def _among(ranked: NDArray[np.generic], values: NDArray[np.generic]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Whether each value is one of some ascending ones, and its place there."""
    places = np.minimum(np.searchsorted(ranked, values), len(ranked) - 1)
    return np.asarray(ranked[places] == values), places.astype(np.int64)
