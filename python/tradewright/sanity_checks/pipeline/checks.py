"""The checks of a feature function: what it says of a row may not change with the rows that come after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from tradewright.sanity_checks.base import CannotRun
from tradewright.sanity_checks.pipeline.alignment import Aligned
from tradewright.sanity_checks.pipeline.base import PipelineCheck, example, examples, need_features, where
from tradewright.sanity_checks.pipeline.code import perturbed_code, snippet
from tradewright.sanity_checks.pipeline.compare import Differences
from tradewright.sanity_checks.pipeline.probe import Failure, Probe
from tradewright.sanity_checks.pipeline.reach import how_far_ahead
from tradewright.sanity_checks.report.finding import Example, Finding, Severity

__all__ = ["Nondeterministic", "Perturb", "Truncation"]


@final
@dataclass(frozen=True)
class Nondeterministic(PipelineCheck):
    """lookahead.nondeterministic: features that differ between two runs on the same data. Counts rows.

    A random generator without a seed, the clock, or something the function remembers. Such features are not looked at
    by the other checks, which could not tell chance from the future.
    """

    rtol: float = 1e-9

    id: ClassVar[str] = "lookahead.nondeterministic"
    severity: ClassVar[Severity] = "warning"
    taxonomy: ClassVar[str | None] = None

    def run(self, probe: Probe) -> list[Finding]:
        """See the class."""
        remedy = "give random generators a seed, and let the function remember nothing between calls"
        full, again = probe.full, probe.again
        if full.n != again.n or set(full.columns) != set(again.columns):
            probe.columns = []
            return [
                self.finding(
                    "warning",
                    f"two runs on the same data returned {full.n:,} rows of {len(full.columns)} features and {again.n:,} "
                    f"of {len(again.columns)}; nothing can be compared",
                    count=abs(full.n - again.n),
                    threshold=self.rtol,
                    remedy=remedy,
                )
            ]
        differences = Differences(full, probe.columns, self.rtol)
        rows = np.arange(full.n, dtype=np.int64)
        differences.add(again, Aligned(rows, rows), probe.raw.n_bars - 1)
        probe.columns = [name for name in probe.columns if name not in differences.found]
        findings = []
        for name, difference in differences.found.items():
            place = difference.places[-1]
            count = int(difference.rows.sum())
            findings.append(
                self.finding(
                    "warning",
                    f"{name!r} differs between two runs on the same data in {count:,} of {full.n:,} rows: "
                    f"{where(probe, place.row)} is {place.value}, then {place.other_value}; it is not compared further",
                    columns=(name,),
                    value=difference.worst,
                    threshold=self.rtol,
                    count=count,
                    examples=examples(probe, [place], "f(raw), again"),
                    remedy=remedy,
                    reproducer=snippet(probe, name, place, other="f(raw)", called="again"),
                )
            )
        return findings


@final
@dataclass(frozen=True)
class Truncation(PipelineCheck):
    """lookahead.truncation: rows whose features change when later rows are taken away. Counts rows.

    ``f(raw up to t)`` must equal ``f(raw)`` up to ``t``, at every one of many random ``t``: relative to ``rtol`` times
    what the feature usually measures, missing equal to missing. A backfill over one gap in seven shows only at a cut
    inside a gap: 32 cuts find it with 99 %, 3 mostly miss it. For the first features found it is also told how many
    later rows they look at.
    """

    rtol: float = 1e-9

    id: ClassVar[str] = "lookahead.truncation"
    severity: ClassVar[Severity] = "error"

    def run(self, probe: Probe) -> list[Finding]:
        """See the class."""
        need_features(probe)
        differences = Differences(probe.full, probe.columns, self.rtol)
        failures, extra = [], 0
        absent: list[tuple[int, NDArray[np.int64], NDArray[np.int64]]] = []
        cuts = list(probe.cuts)
        rng = np.random.default_rng((probe.seed, 1))
        while cuts:
            bar = cuts.pop()
            output = probe.until(bar)
            if isinstance(output, Failure):
                failures.append(output)
                if extra < len(probe.cuts) and bar + 1 < probe.raw.n_bars - 1:
                    # Look somewhere later instead, so that short inputs do not cost the check its strength.
                    cuts.append(int(rng.integers(bar + 1, probe.raw.n_bars - 1)))
                    extra += 1
                continue
            aligned = probe.alignment.match(output, bar)
            differences.add(output, aligned, bar)
            if len(aligned.only_full) or len(aligned.only_cut):
                absent.append((bar, aligned.only_full, aligned.only_cut))
        runs = len(probe.cuts) + extra - len(failures)
        if not runs:
            raise CannotRun(f"{probe.name} raised on every part of raw: {failures[-1].error}")
        findings = _changed(self, probe, differences, runs)
        if absent:
            findings.append(_rows_absent(self, probe, absent, runs))
        findings += _columns_absent(self, probe, differences)
        findings += _failed(self, probe, failures, runs)
        dropped = len(probe.raw) - probe.full.n
        if probe.alignment.by == "front" and dropped:
            findings.append(
                self.finding(
                    "info",
                    f"{probe.name} returned {dropped:,} rows fewer than it got and nothing to tell them by: rows were "
                    "counted from the first one. If it drops the last rows, a look ahead by as many cannot be seen",
                    count=dropped,
                    remedy="return a pandas index or a column of times with the features, or as many rows as it gets",
                )
            )
        return findings


@final
@dataclass(frozen=True)
class Perturb(PipelineCheck):
    """lookahead.perturb: rows whose features change when later rows are multiplied by noise. Counts rows.

    Finds what taking rows away does not: code that does something else on short data. Floats are multiplied by a
    lognormal, whole numbers change places among later rows, everything else stays. Looks at a ``share`` of the cuts.
    """

    rtol: float = 1e-9
    share: float = 0.25

    id: ClassVar[str] = "lookahead.perturb"
    severity: ClassVar[Severity] = "error"

    def run(self, probe: Probe) -> list[Finding]:
        """See the class."""
        need_features(probe)
        step = max(1, round(1 / max(self.share, 1e-9)))
        bars = probe.cuts[::-1][::step]
        differences = Differences(probe.full, probe.columns, self.rtol)
        failures = []
        for number, bar in enumerate(bars):
            output = probe.on_noise(bar, probe.seed + number)
            if isinstance(output, Failure):
                failures.append(output)
                continue
            differences.add(output, probe.alignment.match(output, bar, whole=True), bar)
        if len(failures) == len(bars):
            raise CannotRun(f"{probe.name} raised on all rows with noise in the later ones: {failures[-1].error}")
        seeds = {bar: probe.seed + number for number, bar in enumerate(bars)}
        findings = []
        for name, difference in differences.found.items():
            place = difference.places[-1]
            count = int(difference.rows.sum())
            findings.append(
                self.finding(
                    "error",
                    f"{name!r} changes in {difference.runs} of {len(bars) - len(failures)} runs when later rows are "
                    f"multiplied by noise: {where(probe, place.row)} is {place.value}, and {place.other_value} with "
                    f"other rows after {probe.raw.name_of(place.bar)}",
                    columns=(name,),
                    value=difference.worst,
                    threshold=self.rtol,
                    count=count,
                    examples=examples(probe, difference.places, "f(raw with noise)"),
                    remedy=_REMEDY,
                    reproducer=snippet(
                        probe,
                        name,
                        place,
                        other="f(changed)",
                        called="after",
                        before=perturbed_code(probe.raw, place.bar, seeds[place.bar]),
                    ),
                )
            )
        return findings


_REMEDY = (
    "compute the feature from rows up to its own alone: no shift(-k), centred window, bfill or interpolation, and no "
    "mean, rank or scaling over all rows"
)


def _changed(check: Truncation, probe: Probe, differences: Differences, runs: int) -> list[Finding]:
    findings = []
    reach = how_far_ahead(probe, differences)
    for name, difference in differences.found.items():
        place = difference.places[-1]
        count = int(difference.rows.sum())
        findings.append(
            check.finding(
                "error",
                f"{name!r} changes in {difference.runs} of {runs} cuts when later rows are taken away: "
                f"{where(probe, place.row)} is {place.value} with all rows, and {place.other_value} with those up to "
                f"{probe.raw.name_of(place.bar)}{reach.get(name, '')}",
                columns=(name,),
                value=difference.worst,
                threshold=check.rtol,
                count=count,
                examples=examples(probe, difference.places, "f(raw, cut)"),
                remedy=_REMEDY,
                reproducer=snippet(probe, name, place, other=f"f({probe.raw.until_code(place.bar)})", called="cut"),
            )
        )
    return findings


def _rows_absent(
    check: Truncation, probe: Probe, absent: list[tuple[int, NDArray[np.int64], NDArray[np.int64]]], runs: int
) -> Finding:
    """Rows that are there or not depending on what comes later."""
    bar, only_full, only_cut = absent[0]
    rows = np.unique(np.concatenate([missing for _, missing, _ in absent]))
    late = sum(len(extra) for _, _, extra in absent)
    shown: tuple[Example, ...] = ()
    if len(only_full):
        told = f"{where(probe, int(only_full[-1]))} is returned only when rows after {probe.raw.name_of(bar)} are there"
        shown = tuple(example(probe, int(row)) for row in rows[::-1][:10])
    else:
        told = f"{len(only_cut):,} rows are returned from the rows up to {probe.raw.name_of(bar)} and not from all rows"
    return check.finding(
        "error",
        f"which rows {probe.name} returns depends on later rows in {len(absent)} of {runs} cuts: {told}. Such a row "
        "could not be known in its own time",
        count=len(rows) + late,
        value=(len(rows) + late) / max(probe.full.n, 1),
        threshold=0.0,
        examples=shown,
        remedy="drop rows by what is known at the row: dropna() after a shift(-k) or a label removes the newest rows",
        reproducer=f"full = f(raw)\ncut = f({probe.raw.until_code(bar)})\nprint(len(full), len(cut))",
    )


def _columns_absent(check: Truncation, probe: Probe, differences: Differences) -> list[Finding]:
    if not differences.missing:
        return []
    names = tuple(differences.missing)
    bar = differences.missing[names[0]]
    return [
        check.finding(
            "warning",
            f"{len(names)} of {len(probe.columns)} features are not returned from the rows up to "
            f"{probe.raw.name_of(bar)}: {', '.join(map(repr, names[:5]))}{' …' if len(names) > 5 else ''}",
            columns=names,
            count=len(names),
            remedy="name the columns from what is known beforehand; with one-hot columns, list the categories",
        )
    ]


def _failed(check: Truncation, probe: Probe, failures: list[Failure], runs: int) -> list[Finding]:
    """Say on which inputs the function raised; that it cannot work on short ones is no leak."""
    if not failures:
        return []
    longest, worked = max(f.rows for f in failures), [b for b in probe.cuts if b not in {f.bar for f in failures}]
    shortest = min((len(probe.raw.positions(bar)) for bar in worked), default=len(probe.raw))
    short = longest < shortest
    severity: Severity = "info" if short else "warning"
    told = f"all of at most {longest:,} rows" if short else f"also on {longest:,} rows, while it worked on {shortest:,}"
    return [
        check.finding(
            severity,
            f"{probe.name} raised on {len(failures)} of {runs + len(failures)} cuts, {told}: {failures[-1].error}",
            count=len(failures),
            remedy="return missing values where there is not enough past, so that short histories can be used too",
        )
    ]
