"""Pictures drawn as SVG and HTML: text in a page, in its colours, light or dark, with no library.

matplotlib is an optional extra, and its images have one background; the few shapes a report needs are a page of code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tradewright.sanity_checks.report.pictures import Lines, Matrix, Picture, Series, Spans, Zone

__all__ = ["figure"]

WIDTH = 860
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 10, 30
HEIGHT = 220
#: The class, and so the colour, of each role on a lane.
ROLES = {"train": "s0", "val": "s1", "test": "s2", "label": "s3", "purged": "s3", "embargoed": "s4"}


def figure(picture: Picture, mark: str) -> str:
    """Return a picture as an HTML figure with its title, legend and caption; ``mark`` begins the ids in it."""
    if isinstance(picture, Matrix):
        body, legend = _table(picture), ""
    elif isinstance(picture, Spans):
        body, legend = _spans(picture, mark), _legend([(role, ROLES.get(role, "s5")) for role in _roles(picture)])
    else:
        body = _lines(picture, mark)
        names = [(series.name, f"s{k % 6}") for k, series in enumerate(picture.series)]
        legend = _legend(names) if len(names) > 1 else ""
    caption = f"<p>{escape(picture.caption)}</p>" if picture.caption else ""
    return f"<figure><figcaption><h3>{escape(picture.title)}</h3>{caption}{legend}</figcaption>{body}</figure>"


def _roles(picture: Spans) -> list[str]:
    return list(dict.fromkeys(span.role for span in picture.spans))


def _legend(names: Sequence[tuple[str, str]]) -> str:
    items = "".join(f'<li><i class="{style}"></i>{escape(name)}</li>' for name, style in names)
    return f'<ul class="legend">{items}</ul>'


def _svg(mark: str, height: float, title: str, text: str, content: str) -> str:
    """Wrap drawing commands; screen readers get the title and a sentence."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-labelledby="{mark}t {mark}d">'
        f'<title id="{mark}t">{escape(title)}</title><desc id="{mark}d">{escape(text)}</desc>{content}</svg>'
    )


# --- lines --------------------------------------------------------------------------------------------------------


def _lines(picture: Lines, mark: str) -> str:
    known = [v for s in picture.series for part in (s.y, s.low, s.high) for v in part if v is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    pad = 0.05 * (high - low)
    low, high = low - pad, high + pad
    first, last = (min(picture.x), max(picture.x)) if picture.x else (0.0, 1.0)
    if not picture.ticks or {0.0, 1.0} & {place for place, _ in picture.ticks}:
        first, last = (min(first, 0.0), max(last, 1.0)) if picture.ticks and last <= 1.0 else (first, last)

    def across(x: float) -> float:
        return LEFT + (x - first) / ((last - first) or 1.0) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = _zones(picture.zones, across, HEIGHT - BOTTOM)
    for value in _round_values(low, high):
        style = "zero" if value == 0 else "grid"
        parts.append(f'<path class="{style}" d="M{LEFT} {up(value):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    for k, series in enumerate(picture.series):
        points = [(across(x), None if y is None else up(y)) for x, y in zip(picture.x, series.y, strict=False)]
        parts.append(_band(series, picture.x, across, up, f"b{k % 6}"))
        parts.append(f'<path class="line l{k % 6}" d="{_path(points)}"/>')
    parts += _ticks(picture.ticks or [(x, f"{x:g}") for x in _round_values(first, last)], across, HEIGHT - BOTTOM)
    if picture.y_label:
        middle = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(
            f'<text transform="translate(12 {middle:g}) rotate(-90)" text-anchor="middle">{escape(picture.y_label)}</text>'
        )
    height = float(HEIGHT)
    if picture.x_label:
        height += 16.0
        parts.append(
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{height - 4}" text-anchor="middle">{escape(picture.x_label)}</text>'
        )
    told = f"{picture.caption}. " + "; ".join(_range(series) for series in picture.series)
    return _svg(mark, height, picture.title, told, "".join(parts))


def _range(series: Series) -> str:
    known = [value for value in series.y if value is not None]
    return f"{series.name}: {min(known):g} to {max(known):g}" if known else f"{series.name}: no values"


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    """Commands for a line that is lifted where a value is missing; a lone value is a dot."""
    commands = []
    for place, (x, y) in enumerate(points):
        if y is None:
            continue
        alone = (place == 0 or points[place - 1][1] is None) and (
            place + 1 == len(points) or points[place + 1][1] is None
        )
        drawn = place > 0 and points[place - 1][1] is not None
        commands.append(f"{'L' if drawn else 'M'}{x:.1f} {y:.1f}" + ("h.1" if alone else ""))
    return "".join(commands)


def _band(series: Series, xs: Sequence[float], across: object, up: object, style: str) -> str:
    if not series.low or not callable(across) or not callable(up):
        return ""
    runs: list[list[tuple[float, float, float]]] = [[]]
    for x, low, high in zip(xs, series.low, series.high, strict=False):
        if low is None or high is None:
            runs.append([])
        else:
            runs[-1].append((across(x), up(low), up(high)))
    shapes = []
    for run in runs:
        if len(run) > 1:
            top = "L".join(f"{x:.1f} {high:.1f}" for x, _, high in run)
            bottom = "L".join(f"{x:.1f} {low:.1f}" for x, low, _ in reversed(run))
            shapes.append(f"M{top}L{bottom}Z")
    return f'<path class="band {style}" d="{"".join(shapes)}"/>' if shapes else ""


def _round_values(low: float, high: float) -> list[float]:
    """Four or so round numbers between two."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(f for f in (1, 2, 5, 10) if (high - low) / (f * step) <= 5)
    start = math.ceil(low / step)
    return [round(k * step, 12) for k in range(start, math.floor(high / step) + 1)][:12]


# --- spans --------------------------------------------------------------------------------------------------------


def _spans(picture: Spans, mark: str) -> str:
    lane = 20 if len(picture.lanes) <= 16 else 11
    left = max(LEFT, 12 + 7 * min(max((len(name) for name in picture.lanes), default=0), 20))
    height = TOP + lane * max(len(picture.lanes), 1)

    def across(x: float) -> float:
        return left + x * (WIDTH - left - RIGHT)

    parts = _zones(picture.zones, across, height)
    for k, name in enumerate(picture.lanes):
        if name and (lane >= 20 or k % 2 == 0):
            text = name if len(name) <= 20 else name[:19] + "…"
            parts.append(
                f'<text x="{left - 6}" y="{TOP + (k + 0.5) * lane + 4:.1f}" text-anchor="end">{escape(text)}</text>'
            )
    for span in picture.spans:
        start, stop = across(span.start), across(span.stop)
        parts.append(
            f'<rect class="{ROLES.get(span.role, "s5")}" x="{start:.1f}" y="{TOP + span.lane * lane + lane * 0.2:.1f}" '
            f'width="{max(stop - start, 1.5):.1f}" height="{lane * 0.6:.1f}"/>'
        )
    parts += _ticks(picture.ticks, across, height)
    told = f"{picture.caption}. {len(picture.lanes)} lanes, {', '.join(_roles(picture))}"
    return _svg(mark, height + BOTTOM, picture.title, told, "".join(parts))


def _zones(zones: Sequence[Zone], across: object, bottom: float) -> list[str]:
    assert callable(across)
    parts = []
    for zone in zones:
        start, stop = across(zone.start), across(zone.stop)
        parts.append(
            f'<rect class="zone" x="{start:.1f}" y="{TOP}" width="{max(stop - start, 1.5):.1f}" height="{bottom - TOP:.1f}"/>'
        )
        parts.append(f'<text class="zone" x="{start + 4:.1f}" y="{TOP + 12}">{escape(zone.name)}</text>')
    return parts


def _ticks(ticks: Sequence[tuple[float, str]], across: object, bottom: float) -> list[str]:
    assert callable(across)
    parts = []
    for place, text in ticks:
        x = across(place)
        anchor = "end" if x > WIDTH - RIGHT - 30 else "start" if len(text) > 3 and place == 0 else "middle"
        parts.append(f'<path class="tick" d="M{x:.1f} {bottom:.1f}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 17:.1f}" text-anchor="{anchor}">{escape(text)}</text>')
    return parts


# --- matrix -------------------------------------------------------------------------------------------------------


def _table(picture: Matrix) -> str:
    """A table of numbers on their colours: read by eyes and by screen readers alike."""
    head = "".join(f'<th scope="col" title="{escape(name)}">{k}</th>' for k, name in enumerate(picture.columns, 1))
    body = []
    for k, (name, row) in enumerate(zip(picture.rows, picture.values, strict=True), 1):
        cells = "".join(
            "<td>–</td>"
            if value is None
            else f'<td class="{"neg" if value < 0 else "pos"}" style="--v:{abs(value):.0%}">{value:.2f}</td>'
            for value in row
        )
        body.append(f'<tr><th scope="row">{k}&ensp;{escape(name)}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table class="matrix"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
