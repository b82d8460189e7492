"""How many later rows a feature looks at: what tells a shift by one from a mean over everything."""

from __future__ import annotations

import numpy as np

from tradewright.sanity_checks.pipeline.compare import Differences, Place, differs
from tradewright.sanity_checks.pipeline.probe import Failure, Probe

__all__ = ["how_far_ahead"]

#: Runs of the function spent on it, and features it is told of.
RUNS = 32
FEATURES = 8


def how_far_ahead(probe: Probe, differences: Differences) -> dict[str, str]:
    """Return, for the first features that changed, the end of a sentence: ``"; it looks 5 rows ahead"``.

    Later bars are given back in steps of 1, 2, 4 … until the value is the final one, then the step is halved. A feature
    that comes right only with the last bars depends on all of them.
    """
    budget = _Budget(probe)
    told = {}
    for name, difference in list(differences.found.items())[:FEATURES]:
        ahead = _ahead(budget, differences, name, difference.places[-1])
        if ahead is not None:
            unit = "row" if probe.raw.axis is None else "bar"
            place = difference.places[-1]
            bar = probe.alignment.bar_of(place.row)
            rest = probe.raw.n_bars - 1 - (place.bar if bar is None else bar)
            if ahead >= rest > 1:
                told[name] = f"; it looks to the very end of the data, {rest:,} {unit}s ahead"
            else:
                told[name] = f"; it looks {ahead:,} {unit}{'s' if ahead != 1 else ''} ahead"
    return told


class _Budget:
    """Runs of the function that are left; the same cut is run once."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.seen: set[int] = set()

    def allows(self, bar: int) -> bool:
        if bar not in self.seen and len(self.seen) >= RUNS:
            return False
        self.seen.add(bar)
        return True


def _ahead(budget: _Budget, differences: Differences, name: str, place: Place) -> int | None:
    """The fewest later bars with which a value is final; None when the runs are spent."""
    rest = budget.probe.raw.n_bars - 1 - place.bar
    wrong, step = 0, 1
    while step < rest:
        right = _is_final(budget, differences, name, place, step)
        if right is None:
            return None
        if right:
            break
        wrong, step = step, step * 2
    right_at = min(step, rest)
    while right_at - wrong > 1:
        middle = (wrong + right_at) // 2
        right = _is_final(budget, differences, name, place, middle)
        if right is None:
            return None
        wrong, right_at = (wrong, middle) if right else (middle, right_at)
    # The row may lie some bars before the place where the data was cut.
    bar = budget.probe.alignment.bar_of(place.row)
    return right_at + (0 if bar is None else place.bar - bar)


def _is_final(budget: _Budget, differences: Differences, name: str, place: Place, later: int) -> bool | None:
    probe, bar = budget.probe, place.bar + later
    if not budget.allows(bar):
        return None
    output = probe.until(bar)
    if isinstance(output, Failure) or name not in output.columns:
        return False
    aligned = probe.alignment.match(output, bar)
    at = np.flatnonzero(aligned.rows == place.row)
    if not len(at):
        return False
    theirs = output.columns[name][aligned.others[at]]
    ours = probe.full.columns[name][[place.row]]
    return not bool(differs(ours, theirs, differences.rtol, differences.size[name])[0])
