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
order = np.arange(len(raw))
order[later] = rng.permutation(order[later])  # whole numbers change places
"""
    if raw.kind == "numpy":
        if raw.raw.dtype.kind in "iu":
            return f"{head}changed = raw[order]"
        shaped = "later" if raw.raw.ndim == 1 else f"later.reshape(-1{', 1' * (raw.raw.ndim - 1)})"
        noise = f"np.where({shaped}, rng.lognormal(sigma={NOISE}, size=raw.shape), 1.0)"
        return f"{head}changed = (raw * {noise}).astype(raw.dtype)"
    factors = f"np.where(later, rng.lognormal(sigma={NOISE}, size=len(raw)), 1.0)"
    if raw.kind == "polars":
        noisy = f"(values * {factors}).cast(values.dtype) if values.dtype.is_float() else values.gather(order)"
    else:
        noisy = f'(values * {factors}).astype(values.dtype) if values.dtype.kind == "f" else values.to_numpy()[order]'
    head += f"def noisy(values):\n    return {noisy}\n"
    names = raw.noisy_columns
    if raw.kind == "polars":
        if names is None:
            return f"{head}changed = noisy(raw)"
        return f"{head}changed = raw.with_columns([noisy(raw[name]) for name in {list(names)!r}])"
    if names is None:
        return f"{head}changed = raw.copy()\nchanged[:] = noisy(raw)"
    return f"{head}changed = raw.copy()\nfor name in {list(names)!r}:\n    changed[name] = noisy(raw[name])"
