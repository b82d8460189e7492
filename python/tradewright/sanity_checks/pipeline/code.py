"""Code that shows a finding about a feature function, to paste beside the function and its data."""

from __future__ import annotations

from tradewright.sanity_checks.pipeline.compare import Place
from tradewright.sanity_checks.pipeline.probe import Probe
from tradewright.sanity_checks.pipeline.raw import NOISE, RawData

__all__ = ["perturbed_code", "snippet"]


def snippet(
    probe: Probe, column: str, place: Place, *, other: str, called: str, full: str = "f(raw)", before: str = ""
) -> str:
    """Return code that prints one value as two calls of the function give it.

    ``f`` is the function and ``raw`` the data; ``full`` and ``other`` are the calls, ``called`` names the second result.
    """
    opening, closing = probe.full.code[column]
    lines = [f"f = {probe.name}  # the function that was checked; raw is its data"] if probe.name.isidentifier() else []
    lines += [before] if before else []
    lines += [
        f"full = {full}",
        f"{called} = {other}",
        f"print(full{opening}{place.row}{closing}, {called}{opening}{place.other_row}{closing})"
        f"  # {place.value}, then {place.other_value}",
    ]
    return "\n".join(lines)


def perturbed_code(raw: RawData, bar: int, seed: int) -> str:
    """Return code that makes ``changed``, what :meth:`RawData.perturbed` makes."""
    head = f"""import numpy as np
rng = np.random.default_rng({seed})
later = {raw.later_code(bar)}
def noisy(values):
    changed = np.array(values)
    part = changed[later]
    floats = part.dtype.kind == "f"
    changed[later] = part * rng.lognormal(sigma={NOISE}, size=part.shape) if floats else rng.permutation(part)
    return changed
"""
    names = raw.noisy_columns
    if raw.kind == "numpy":
        return f"{head}changed = noisy(raw)"
    if names is None:
        made = "pd.Series(noisy(raw), index=raw.index)" if raw.kind == "pandas" else "pl.Series(raw.name, noisy(raw))"
        library = "import pandas as pd\n" if raw.kind == "pandas" else "import polars as pl\n"
        return f"{library}{head}changed = {made}"
    if raw.kind == "pandas":
        return f"{head}changed = raw.copy()\nfor name in {list(names)!r}:\n    changed[name] = noisy(changed[name])"
    return (
        f"import polars as pl\n{head}"
        f"changed = raw.with_columns([pl.Series(name, noisy(raw[name])) for name in {list(names)!r}])"
    )
