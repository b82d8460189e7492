"""Runs of a feature function on parts of its data."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradewright.errors import TradewrightError
from tradewright.sanity_checks.pipeline.alignment import Alignment
from tradewright.sanity_checks.pipeline.output import Output, read_output
from tradewright.sanity_checks.pipeline.raw import RawData

__all__ = ["Failure", "Probe"]

#: Outputs kept for another look.
KEPT = 24


@dataclass(frozen=True)
class Failure:
    """A run in which the function raised."""

    bar: int
    rows: int
    error: str


class Probe:
    """A feature function, its data, and what it returned on all of it.

    The function gets a copy of the rows in every run, so that one that writes to its input spoils no other run.

    Parameters
    ----------
    f : callable
        The feature function.
    raw : RawData
        Its data.
    cuts : int
        How many places in time to look at.
    windows : tuple of int
        How many bars the warm-up is tried with.
    seed : int
        Of the places and of the noise.
    """

    def __init__(
        self, f: Callable[[Any], Any], raw: RawData, *, cuts: int, windows: tuple[int, ...], seed: int
    ) -> None:
        self.f = f
        self.name = getattr(f, "__name__", type(f).__name__)
        self.raw = raw
        self.windows = windows
        self.seed = seed
        self.full = self._on_all_rows()
        self.again = self._on_all_rows()
        self.alignment = Alignment.of(raw, self.full)
        # Inputs shorter than what is dropped of them are no fair trial: numpy's "valid" convolution turns around there.
        dropped = len(raw) - self.full.n if self.alignment.by == "front" else 0
        self.cuts = draw_cuts(raw.n_bars, cuts, seed, first=min(2 * dropped, raw.n_bars))
        #: What is compared: the columns that are the same in every run on the same data.
        self.columns = list(self.full.columns)
        self._outputs: dict[int, Output | Failure] = {}

    def _on_all_rows(self) -> Output:
        try:
            value = self.f(self.raw.whole())
        except Exception as error:
            error.add_note(f"raised by {self.name} on all {len(self.raw):,} rows of raw, before anything was checked")
            raise
        return read_output(_kept(value), self.raw)

    def until(self, bar: int) -> Output | Failure:
        """Return what the function makes of the rows up to a bar; kept for a while."""
        if bar not in self._outputs:
            while len(self._outputs) >= KEPT:
                self._outputs.pop(next(iter(self._outputs)))
            self._outputs[bar] = self.on(self.raw.until(bar), bar)
        return self._outputs[bar]

    def on(self, data: Any, bar: int) -> Output | Failure:
        """Return what the function makes of some rows, or how it failed."""
        rows = len(data)
        try:
            value = self.f(data)
        except Exception as error:  # noqa: BLE001  it is the user's function: whatever it raises is reported
            text = str(error).strip().split("\n")[0]
            return Failure(bar, rows, f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__)
        try:
            return read_output(_kept(value), self.raw)
        except TradewrightError as error:
            return Failure(bar, rows, str(error))

    def on_noise(self, bar: int, seed: int) -> Output | Failure:
        """Return what the function makes of all rows, with noise in those after a bar."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # the noise is ours: what it makes the function complain of is no news
            return self.on(self.raw.perturbed(bar, seed), bar)


def _kept(value: Any) -> Any:
    """An output that a later run cannot change: a function may return a buffer of its own."""
    return copy.deepcopy(value) if isinstance(value, (np.ndarray, dict)) else value


def draw_cuts(n_bars: int, cuts: int, seed: int, first: int = 0) -> list[int]:
    """Return the bars to cut after, ascending: one at random in each of equal stretches of the time from ``first`` on.

    At least one bar is cut away. Where there are fewer bars than cuts, all of them.
    """
    last = n_bars - 1
    if last - first <= cuts:
        return list(range(first, last))
    edges = np.linspace(first, last, cuts + 1)
    rng = np.random.default_rng(seed)
    return sorted({int(rng.uniform(low, high)) for low, high in itertools.pairwise(edges)})
