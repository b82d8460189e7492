"""The public check of a feature function."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tradewright.errors import ParameterError
from tradewright.sanity_checks.base import CannotRun
from tradewright.sanity_checks.pipeline.base import PipelineCheck
from tradewright.sanity_checks.pipeline.checks import Nondeterministic, Perturb, Truncation
from tradewright.sanity_checks.pipeline.probe import Probe
from tradewright.sanity_checks.pipeline.raw import read_raw
from tradewright.sanity_checks.pipeline.warmup import Warmup
from tradewright.sanity_checks.report import SanityReport
from tradewright.sanity_checks.report.finding import Finding, severity_rank
from tradewright.sanity_checks.suites import Ignore, choose_checks

__all__ = ["PIPELINE_CHECKS", "check_pipeline"]

#: Every check of a feature function, in the order they run: that of chance says what the others can compare.
PIPELINE_CHECKS: tuple[type[PipelineCheck], ...] = (Nondeterministic, Truncation, Perturb, Warmup)


def check_pipeline(
    f: Callable[[Any], Any],
    raw: Any,
    cuts: int = 32,
    windows: Sequence[int] = (50,),
    *,
    seed: int = 0,
    time: str | None = None,
    asset: str | None = None,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    ignore: Ignore = (),
) -> SanityReport:
    """Check that a feature function uses the past alone, by running it on parts of its data.

    The function is run twice on all rows (do they agree?), on the rows up to each of ``cuts`` random times (does a row
    change when later rows are gone?), on all rows with noise in the later ones (for a part of the cuts), and on short
    windows (is the feature settled?). Nothing is known of how it works: any Python code can be checked.

    Parameters
    ----------
    f : callable
        From raw data to features. It returns a frame, a series, an array of shape (n_rows,) or (n_rows, n_features), or
        a dict of arrays; for fewer rows than it got too. Each run gets a copy.
    raw : numpy array, pandas or polars frame or series, n rows
        What it works on: prices, say. Rows of an array are taken in time order. Of a frame the time is a DatetimeIndex,
        the only level or the only column of times, or the one named; where there is none, the order of the rows. In a
        panel the rows of all assets are cut at one time, in whatever order they stand.
    cuts : int
        How many random times to cut at: a backfill over one gap in seven is found with 99 % by 32.
    windows : sequence of int
        How many bars a live system would keep.
    seed : int
        Of the cuts and the noise. Equal seeds, equal reports.
    time, asset : str, optional
        The columns or index levels of times and assets. Where the output has them too, rows are told apart by them;
        else by a pandas index, or by their place.
    config : mapping, optional
        Thresholds by check id, such as ``{"lookahead.warmup": {"relative": 0.05}}``.
    ignore : sequence of str or (str, str)
        Checks to leave out, or findings about a feature: ``[("lookahead.warmup", "ema")]``.

    Returns
    -------
    SanityReport
        Of ``lookahead.nondeterministic``, ``lookahead.truncation``, ``lookahead.perturb`` and ``lookahead.warmup``.
        A finding names the feature, the row and both values, says how many rows ahead it looks, and carries code that
        shows it (``finding.reproducer``). Rows count in ``f(raw)``.

    Raises
    ------
    ParameterError
        For a count below 1, an unknown check or threshold, and several columns of times of which none was named.
    DataError
        For raw data and outputs that are no tables, and rows that cannot be told apart.
    Exception
        What the function raises on all rows. What it raises on parts is a finding.

    Notes
    -----
    Costs about ``1.25 * cuts + 10 * len(windows) + 2`` runs of the function, and up to 32 more when something was found.

    Examples
    --------
    >>> import numpy as np
    >>> prices = np.cumsum(np.random.default_rng(0).normal(size=500)) + 100
    >>> def features(p):
    ...     change = np.diff(p, prepend=p[0])
    ...     return {"change": change, "scaled": (change - change.mean()) / change.std()}
    >>> report = check_pipeline(features, prices)
    >>> for finding in report.at_least("error"):
    ...     print(finding.id, finding.columns, finding.count)
    lookahead.truncation ('scaled',) 490
    lookahead.perturb ('scaled',) 490
    >>> print(report.findings[0].reproducer)
    f = features  # the function that was checked; raw is its data
    full = f(raw)
    ...
    """
    counts: list[tuple[str, Any]] = [("cuts", cuts), *(("windows", window) for window in windows)]
    for name, value in counts:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ParameterError(f"{name} has {value!r}: pass whole numbers from 1 on", code="sanity.pipeline_count")
    if not callable(f):
        raise ParameterError(
            f"f is a {type(f).__name__}, not a function: pass (f, raw)", code="sanity.pipeline_function"
        )
    checks, ignored = choose_checks(PIPELINE_CHECKS, None, config or {}, ignore)
    data = read_raw(raw, time, asset)
    started = clock.perf_counter()
    probe = Probe(f, data, cuts=cuts, windows=tuple(windows), seed=seed)
    timings = {"runs on all rows": clock.perf_counter() - started}
    findings, skipped = _run(checks, probe, timings)
    order = {check.id: index for index, check in enumerate(checks)}
    kept = [finding for finding in findings if not _left_out(finding, ignored)]
    kept.sort(key=lambda finding: (-severity_rank(finding.severity), order[finding.id]))
    return SanityReport(
        findings=tuple(kept),
        checks_run=tuple(check.id for check in checks if check.id not in skipped),
        checks_skipped=skipped,
        config={
            "function": probe.name,
            "cuts": cuts,
            "windows": list(windows),
            "seed": seed,
            "rows": len(data),
            "bars": data.n_bars,
            "time": f"{data.time_is} {data.time}" if data.time is not None else data.time_is,
            "asset": None if data.asset is None else str(data.asset),
            "rows_matched_by": probe.alignment.by,
            "ignore": [item if isinstance(item, str) else list(item) for item in ignore],
            "thresholds": {check.id: check.config() for check in checks},
        },
        timings={name: round(value, 6) for name, value in timings.items()},
    )


def _run(
    checks: Sequence[PipelineCheck], probe: Probe, timings: dict[str, float]
) -> tuple[list[Finding], dict[str, str]]:
    """Run the checks one after the other; that of chance comes first and says what the others may compare."""
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    if not any(isinstance(check, Nondeterministic) for check in checks):
        Nondeterministic().run(probe)
    for check in checks:
        started = clock.perf_counter()
        try:
            findings += check.run(probe)
        except CannotRun as reason:
            skipped[check.id] = str(reason)
        timings[check.id] = clock.perf_counter() - started
    return findings, skipped


def _left_out(finding: Finding, ignored: set[tuple[str, str]]) -> bool:
    return bool(finding.columns) and all((finding.id, column) in ignored for column in finding.columns)
