"""How much past a feature needs before it says what it always says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import CannotRun
from tradewright.sanity_checks.pipeline.base import PipelineCheck, examples, need_features, where
from tradewright.sanity_checks.pipeline.code import snippet
from tradewright.sanity_checks.pipeline.compare import Place, differs, typical_size
from tradewright.sanity_checks.pipeline.output import Output
from tradewright.sanity_checks.pipeline.probe import Failure, Probe
from tradewright.sanity_checks.report.finding import Finding, Severity

__all__ = ["Warmup"]


@final
@dataclass(frozen=True)
class Warmup(PipelineCheck):
    """lookahead.warmup: features that need more past than a window gives. Counts the last rows that differ.

    ``f`` of the last ``window`` bars up to ``t`` is held against ``f`` of all bars up to ``t``, in the rows of ``t``, at
    a few ``places``: a live system that keeps a window computes the former. More than ``relative`` of what the feature
    usually measures is a warning (an exponential average that has not settled); a value that is merely missing is info,
    since it can be seen.
    """

    relative: float = 0.01
    places: float = 5

    id: ClassVar[str] = "lookahead.warmup"
    severity: ClassVar[Severity] = "warning"
    taxonomy: ClassVar[str | None] = None

    def run(self, probe: Probe) -> list[Finding]:
        """See the class."""
        need_features(probe)
        bars = probe.raw.n_bars
        fitting = [window for window in probe.windows if window < bars]
        if not fitting:
            asked = ", ".join(map(str, probe.windows)) or "none"
            raise CannotRun(f"raw has {bars:,} bars, the windows are of {asked}: pass windows= shorter than the data")
        findings: list[Finding] = []
        failures: list[str] = []
        for window in fitting:
            seen = _Seen()
            tried = self._bars(probe, window)
            failed = [failure for bar in tried if (failure := self._at(probe, window, bar, seen)) is not None]
            if len(failed) == len(tried):
                failures.append(f"{failed[-1].error} (on {window} bars)")
            findings += self._unsettled(probe, window, seen) + self._missing(probe, window, seen)
        if len(failures) == len(fitting):
            raise CannotRun(f"{probe.name} raised on every window: {failures[-1]}")
        return findings

    def _bars(self, probe: Probe, window: int) -> list[int]:
        """The last bar, and some at random that have a window before them."""
        last = probe.raw.n_bars - 1
        rng = np.random.default_rng((probe.seed, window))
        return sorted({last, *rng.integers(window, last + 1, size=max(int(self.places) - 1, 0)).tolist()})

    def _at(self, probe: Probe, window: int, bar: int, seen: _Seen) -> Failure | None:
        """Compare the rows of one bar."""
        long, short = probe.until(bar), probe.on(probe.raw.window(bar, window), bar)
        for output in (short, long):
            if isinstance(output, Failure):
                return output
        assert isinstance(long, Output)
        assert isinstance(short, Output)
        ours, theirs = probe.alignment.match(long, bar), probe.alignment.match_last(short, bar, window)
        rows, i, j = np.intersect1d(ours.rows, theirs.rows, return_indices=True)
        for name in probe.columns:
            if len(rows) and name in short.columns and name in long.columns:
                size = typical_size(probe.full.columns[name])
                seen.add(name, self.relative, size, bar, (long, ours.others[i]), (short, theirs.others[j]))
        return None

    def _unsettled(self, probe: Probe, window: int, seen: _Seen) -> list[Finding]:
        raw = probe.raw
        return [
            self.finding(
                "warning",
                f"{name!r} has not settled after {window} bars: {where(probe, place.row)} is {place.value} from all rows "
                f"up to it and {place.other_value} from the last {window} bars, off by {change:.2g} of its usual size",
                columns=(name,),
                value=change,
                threshold=self.relative,
                count=seen.counts[name],
                examples=examples(probe, [place], f"f(the last {window} bars)"),
                remedy=f"keep more than {window} bars where the feature is computed live, or use one of finite length",
                reproducer=snippet(
                    probe,
                    name,
                    place,
                    full=f"f({raw.until_code(place.bar)})",
                    other=f"f({raw.window_code(place.bar, window)})",
                    called="short",
                ),
            )
            for name, (change, place) in seen.worst.items()
        ]

    def _missing(self, probe: Probe, window: int, seen: _Seen) -> list[Finding]:
        quiet = [name for name in seen.gone if name not in seen.worst]
        if not quiet:
            return []
        place = seen.gone[quiet[0]]
        subject = f"{quiet[0]!r} has" if len(quiet) == 1 else f"{quiet[0]!r} and {len(quiet) - 1} more have"
        return [
            self.finding(
                "info",
                f"{subject} no value after {window} bars and one from all rows: a longer warm-up is needed "
                f"({where(probe, place.row)})",
                columns=tuple(quiet),
                threshold=self.relative,
                count=sum(seen.counts[name] for name in quiet),
                examples=examples(probe, [place], f"f(the last {window} bars)"),
                remedy=f"keep more than {window} bars where the features are computed live",
            )
        ]


@dataclass
class _Seen:
    """Per feature: the worst change and where; where it is missing; how many rows differ."""

    worst: dict[str, tuple[float, Place]] = field(default_factory=dict)
    gone: dict[str, Place] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        name: str,
        relative: float,
        size: float,
        bar: int,
        long: tuple[Output, NDArray[np.int64]],
        short: tuple[Output, NDArray[np.int64]],
    ) -> None:
        """Compare one feature in some rows of two outputs."""
        a, b = (output.columns[name][rows] for output, rows in (long, short))
        numbers = a.dtype.kind in "fiub" and b.dtype.kind in "fiub"
        for i in np.flatnonzero(differs(a, b, relative if numbers else 0.0, size)).tolist():
            row, other = int(long[1][i]), int(short[1][i])
            place = Place(row, other, bar, long[0].text(name, row), short[0].text(name, other))
            gone = numbers and bool(np.isnan(b[i]))
            x, y = (float(a[i]), float(b[i])) if numbers else (np.inf, 0.0)
            change = abs(x - y) / max(abs(x), abs(y), size) if np.isfinite(x) and np.isfinite(y) else np.inf
            if change <= relative:
                continue  # whole numbers differ exactly, and may be large
            self.counts[name] = self.counts.get(name, 0) + 1
            if gone:
                self.gone[name] = place
                continue
            if name not in self.worst or change > self.worst[name][0]:
                self.worst[name] = (change, place)
