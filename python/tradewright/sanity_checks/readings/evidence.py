"""The pictures of a report, made of the data while it is at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.panel.times import OPEN, format_time
from tradewright.sanity_checks.base import CannotRun, CheckContext, Side
from tradewright.sanity_checks.checks.lag_profile import profile_of
from tradewright.sanity_checks.report.finding import Finding
from tradewright.sanity_checks.report.pictures import Lines, Matrix, Picture, Series, Span, Spans, Zone

__all__ = ["pictures_of"]

#: Rows a picture is drawn from: above this every k-th, and the caption says so. No check is sampled by this.
ROWS = 100_000
#: Points of a line over time, at most; and how many labels a point should stand for at least.
BUCKETS, LEAST = 160, 12
#: Lines of folds, and suspects, that are drawn.
LANES = 48
SUSPECTS = 12
PROFILES = 6
#: Label values up to which the mean is drawn, and not the median.
CLASSES = 10


def pictures_of(rows: CheckContext, pairs: Sequence[CheckContext], findings: Sequence[Finding]) -> tuple[Picture, ...]:
    """Draw what helps to judge the findings.

    Parameters
    ----------
    rows : CheckContext
        The rows as a whole.
    pairs : sequence of CheckContext
        Train against validation rows, one for each fold and part.
    findings : sequence of Finding
        What was found, the worst first.

    Returns
    -------
    tuple of Picture
        The target over time; the folds in time; the first rows whose labels overlap; lag profiles and correlations of
        suspects. Those there is no data for are left out.
    """
    drawn: Iterable[Picture | None] = (
        target_over_time(rows),
        folds_in_time(pairs),
        overlap(pairs, findings),
        lag_profiles(rows, suspects(findings, "leak.", "lookahead.")[:PROFILES]),
        correlation(rows, suspects(findings)),
    )
    return tuple(picture for picture in drawn if picture is not None)


def suspects(findings: Sequence[Finding], *families: str) -> tuple[str, ...]:
    """Return the features of warnings and errors, the worst first; of some families of checks alone."""
    told = [finding for finding in findings if finding.severity != "info" and finding.id.startswith(families or "")]
    return tuple(dict.fromkeys(column for finding in told for column in finding.columns))[:SUSPECTS]


# --- the target over time -----------------------------------------------------------------------------------------


def target_over_time(context: CheckContext) -> Lines | None:
    """Return median and 5–95 % band of the labels over time; the mean where they are classes."""
    sides = [side for side in (context.train, context.val) if side is not None and side.y is not None and len(side)]
    if not sides:
        return None
    timed = all(side.time is not None for side in sides)
    if not timed and len(sides) > 1:
        sides = sides[:1]  # without times nobody knows where the second set stands beside the first
    first, last, ticks = _axis([side.time for side in sides if side.time is not None], sides[0].time_unit)
    series, notes = [], []
    points = max(8, min(BUCKETS, sum(map(len, sides)) // LEAST))
    x = tuple(round((k + 0.5) / points, 5) for k in range(points))
    few = all(_is_classes(side.y) for side in sides)
    for side in sides:
        step = max(1, -(-len(side) // ROWS))
        y = _numbers(side.take(_given(side.y))[::step])
        place = (
            np.arange(len(y)) / max(len(y), 1)
            if side.time is None
            else (side.take(side.time)[::step] - first) / max(last - first, 1)
        )
        bucket = np.minimum((place * points).astype(np.int64), points - 1)
        series.append(_bucketed(side.name.replace("X_", ""), y, bucket, points, few))
        if step > 1:
            notes.append(f"one row in {step}")
    caption = "mean" if few else "median, with the band that holds 90 % of the labels"
    return Lines(
        title="Target over time",
        caption="; ".join([caption, *dict.fromkeys(notes)]),
        x=x,
        series=tuple(series),
        ticks=ticks if timed else ((0.0, "first row"), (1.0, "last row")),
        y_label="label",
    )


def _bucketed(name: str, y: NDArray[np.float64], bucket: NDArray[np.int64], points: int, few: bool) -> Series:
    """One value a bucket, None where it has no labels."""
    order = np.lexsort((y, bucket))  # NaN last in each bucket
    y, bucket = y[order], bucket[order]
    known = ~np.isnan(y)
    y, bucket = y[known], bucket[known]
    starts = np.searchsorted(bucket, np.arange(points))
    sizes = np.searchsorted(bucket, np.arange(points), side="right") - starts
    if few:
        sums = np.bincount(bucket, weights=y, minlength=points)
        return Series(name, tuple(_short(s / n) if n else None for s, n in zip(sums, sizes, strict=True)))

    def quantile(q: float) -> tuple[float | None, ...]:
        at = np.minimum(starts + (q * np.maximum(sizes - 1, 0)).astype(np.int64), max(len(y) - 1, 0))
        return tuple(_short(y[i]) if n else None for i, n in zip(at.tolist(), sizes.tolist(), strict=True))

    return Series(name, quantile(0.5), quantile(0.05), quantile(0.95))


def _is_classes(y: NDArray[Any] | None) -> bool:
    values = _given(y)
    if values.dtype.kind == "b":
        return True
    return len(np.unique(values[:1000])) <= CLASSES


# --- folds and overlap --------------------------------------------------------------------------------------------


def folds_in_time(pairs: Sequence[CheckContext]) -> Spans | None:
    """Return where train, validation and test rows of each fold stand in time."""
    timed = [
        pair for pair in pairs if pair.val is not None and pair.train.time is not None and pair.val.time is not None
    ]
    if not timed or not len(timed[0].train):
        return None
    edges = [side.time for pair in timed[:1] for side in (pair.train, _given(pair.val)) if side.time is not None]
    first, last, ticks = _axis(edges, timed[0].train.time_unit)
    lanes: dict[int | None, int] = {}
    spans: list[Span] = []
    for pair in timed:
        if pair.fold not in lanes:
            if len(lanes) == LANES:
                break
            lanes[pair.fold] = len(lanes)
            spans += _spans(pair.train, lanes[pair.fold], "train", first, last)
        spans += _spans(_given(pair.val), lanes[pair.fold], pair.against or "val", first, last)
    folds = len({pair.fold for pair in timed})
    left = f"; {folds - LANES} more folds are not shown" if folds > LANES else ""
    return Spans(
        title="Train, validation and test rows in time",
        caption=f"{'one lane for each fold' if None not in lanes else 'both sides'}; what is blank is in neither{left}",
        lanes=tuple("" if fold is None else f"fold {fold}" for fold in lanes),
        spans=tuple(spans),
        ticks=ticks,
    )


def _spans(side: Side, lane: int, role: str, first: int, last: int) -> list[Span]:
    """The stretches of time a side's rows cover, those nearer than a pixel joined."""
    time = _given(side.time)
    ranges = getattr(side.rows, "ranges", None)
    if ranges is not None:
        order = _given(side.rows).order
        ends = np.asarray(ranges) - np.array([0, 1])
        rows = ends if order is None else np.asarray(order)[ends]
        hulls = (time[rows] - first) / max(last - first, 1)
    else:
        cells = np.unique(((side.take(time) - first) / max(last - first, 1) * 512).astype(np.int64))
        breaks = np.flatnonzero(np.diff(cells) > 1)
        starts, stops = np.r_[cells[:1], cells[breaks + 1]], np.r_[cells[breaks], cells[-1:]]
        hulls = np.column_stack([starts, stops + 1]) / 513
    joined: list[list[float]] = []
    for start, stop in hulls.tolist():
        if joined and start - joined[-1][1] < 0.002:
            joined[-1][1] = max(joined[-1][1], stop)
        else:
            joined.append([start, stop])
    return [Span(lane, round(start, 5), round(stop, 5), role) for start, stop in joined]


def overlap(pairs: Sequence[CheckContext], findings: Sequence[Finding]) -> Spans | None:
    """Return the labels of the first train rows that reach into a validation block, seen from near."""
    found = next((finding for finding in findings if finding.id == "split.label_overlap"), None)
    if found is None or not found.examples:
        return None
    pair = next((pair for pair in pairs if (pair.fold, pair.against) == (found.fold, found.against)), None)
    if pair is None or pair.val is None or pair.train.time is None or pair.val.time is None:
        return None
    rows = np.array([example.row for example in found.examples])
    starts = pair.train.time[rows]
    ends = (
        starts
        if pair.train.label_end is None
        else np.where(pair.train.label_end[rows] == OPEN, starts, pair.train.label_end[rows])
    )
    val = pair.val.take(pair.val.time)
    until = val if pair.val.label_end is None else pair.val.take(pair.val.label_end)
    width = max(int(ends.max() - starts.min()), 1)
    low, high = int(starts.min()) - width, int(ends.max()) + width
    near = (val <= high) & (until >= low)
    if not near.any():
        return None
    hull = max(int(val[near].min()), low), min(int(until[near].max()), high)
    first, last, ticks = _axis([np.array([low, high])], pair.train.time_unit)
    scale = max(last - first, 1)
    names = tuple(
        f"row {row}" + (f" {e.asset}" if e.asset else "") for row, e in zip(rows, found.examples, strict=True)
    )
    role = pair.against or "val"
    return Spans(
        title="Labels that overlap, seen from near",
        caption=f"the first {len(rows)} of {found.count:,} train rows: each label from its row to its end, against the "
        f"labels of the {role} rows (shaded)" + ("" if found.fold is None else f" of fold {found.fold}"),
        lanes=names,
        spans=tuple(
            Span(lane, round((s - first) / scale, 5), round((e - first) / scale, 5), "label")
            for lane, (s, e) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True))
        ),
        ticks=ticks,
        zones=(Zone(round((hull[0] - first) / scale, 5), round((hull[1] - first) / scale, 5), f"{role} labels"),),
    )


# --- suspects -----------------------------------------------------------------------------------------------------


def lag_profiles(context: CheckContext, names: Sequence[str]) -> Lines | None:
    """Return how suspects go with the labels of earlier and later rows; None where that cannot be told."""
    known = tuple(name for name in names if name in context.train.columns)
    if not known or context.train.y is None:
        return None
    try:
        profile = profile_of(context, known)
    except CannotRun:
        return None
    first, last = int(profile.lags[0]), int(profile.lags[-1])
    return Lines(
        title="Lag profiles of suspects",
        caption="correlation with the label of rows before and after; an honest feature does not peak at labels that are "
        "not known yet (shaded)",
        x=tuple(float(lag) for lag in profile.lags),
        series=tuple(
            Series(name + (", by its changes" if walks else ""), tuple(_short(value) for value in row))
            for name, row, walks in zip(known, profile.correlations, profile.differenced, strict=True)
        ),
        ticks=tuple((float(lag), str(lag)) for lag in dict.fromkeys((first, -profile.horizon, 0, last))),
        zones=(Zone(-profile.horizon + 0.5, float(last), "not known yet"),),
        x_label="rows from the feature to the label",
        y_label="correlation",
        columns=known,
    )


def correlation(context: CheckContext, names: Sequence[str]) -> Matrix | None:
    """Return the correlations of suspects with the target and with each other."""
    side = context.train
    known = [name for name in names if name in side.columns]
    if not known or len(side) < 3 or (len(known) < 2 and side.y is None):
        return None
    step = max(1, -(-len(side) // ROWS))
    values = [_numbers(side.take(side.columns[name])[::step]) for name in known]
    labels = list(known)
    if side.y is not None:
        values, labels = [_numbers(side.take(side.y)[::step]), *values], ["target", *labels]
    table = tuple(tuple(_pearson(a, b) for b in values) for a in values)
    return Matrix(
        title="Correlation of suspects",
        caption="Pearson, of the features that are named in warnings and errors"
        + (f"; one row in {step}" if step > 1 else ""),
        rows=tuple(labels),
        columns=tuple(labels),
        values=table,
    )


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    both = np.isfinite(a) & np.isfinite(b)
    x, y = a[both], b[both]
    if len(x) < 3:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = x - x.mean(), y - y.mean()
        size = float(np.sqrt((x @ x) * (y @ y)))
        if not np.isfinite(size) or size == 0.0:
            return None
        return round(float(np.clip((x @ y) / size, -1.0, 1.0)), 3)


# --- shared -------------------------------------------------------------------------------------------------------


def _axis(times: Sequence[NDArray[np.int64]], unit: str) -> tuple[int, int, tuple[tuple[float, str], ...]]:
    """First and last time, and five labels between them."""
    if not times:
        return 0, 1, ()
    first, last = min(int(t.min()) for t in times), max(int(t.max()) for t in times)
    if first == last:
        return first, last, ((0.5, format_time(first, unit)),)
    places = [(k / 4, first + (last - first) * k // 4) for k in range(5)]
    texts = [format_time(value, unit) for _, value in places]
    if unit != "bar" and all("T" in text for text in texts[1:]):
        # Days are enough where the axis is long; the clock where it is not.
        days = [text[:10] for text in texts]
        texts = days if len(set(days)) == len(days) else [text[:16].replace("T", " ") for text in texts]
    return first, last, tuple((place, text) for (place, _), text in zip(places, texts, strict=True))


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.astype(np.float64)


def _given(value: Any) -> Any:
    assert value is not None
    return value


def _short(value: Any) -> float | None:
    """Four digits are enough for a picture."""
    number = float(value)
    return float(f"{number:.4g}") if np.isfinite(number) else None
