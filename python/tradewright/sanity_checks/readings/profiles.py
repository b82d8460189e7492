"""What the columns of a side hold, read once and shared by all checks and folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.panel.fingerprint import rows_fingerprint
from tradewright.sanity_checks.base import Check, Side

__all__ = ["MANY", "ArrayProfiles", "ColumnProfile", "Moments", "PanelProfiles"]

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]

#: From this many distinct values on they are no longer counted.
MANY = 65


@dataclass(frozen=True, eq=False)
class Moments:
    """Counts, range, mean and spread of each column over some rows; NaN and infinities are counted, and left out.

    Attributes
    ----------
    rows, nan, infinite, zeros : ndarray of int64, shape (n_columns,)
        Cells: all, missing, infinite, zero.
    min, max, mean : ndarray of float64, shape (n_columns,)
        Of the finite cells; +inf, -inf and 0 where there is none.
    squares : ndarray of float64, shape (n_columns,)
        The sum of squared distances from the mean.
    """

    rows: Counts
    nan: Counts
    infinite: Counts
    zeros: Counts
    min: Numbers
    max: Numbers
    mean: Numbers
    squares: Numbers

    @property
    def finite(self) -> Counts:
        """How many cells of each column are finite."""
        return self.rows - self.nan - self.infinite

    def std(self, ddof: int = 0) -> Numbers:
        """Return the standard deviation of each column; NaN where there are too few cells."""
        spare = self.finite - ddof
        variance: Numbers = np.full(spare.shape, np.nan)
        np.divide(self.squares, spare, out=variance, where=spare > 0)
        return np.sqrt(variance)

    @classmethod
    def merged(cls, parts: Sequence[Moments]) -> Moments:
        """Return the moments of all parts together, by the formulas of Chan, Golub & LeVeque (1979)."""
        columns = [np.stack([getattr(part, f.name) for part in parts], axis=-1) for f in fields(cls)]
        return cls(*columns).summed()

    def summed(self, chosen: NDArray[np.bool_] | None = None) -> Moments:
        """Return one set of moments from (n_columns, n_parts) of them; of the chosen parts."""
        part = self if chosen is None else Moments(*(getattr(self, f.name)[:, chosen] for f in fields(Moments)))
        finite = part.finite
        total = finite.sum(axis=1)
        mean = (finite / np.maximum(total, 1)[:, None] * part.mean).sum(axis=1)
        squares = (part.squares + finite * (part.mean - mean[:, None]) ** 2).sum(axis=1)
        return Moments(
            rows=part.rows.sum(axis=1),
            nan=part.nan.sum(axis=1),
            infinite=part.infinite.sum(axis=1),
            zeros=part.zeros.sum(axis=1),
            min=part.min.min(axis=1, initial=np.inf),
            max=part.max.max(axis=1, initial=-np.inf),
            mean=mean,
            squares=squares,
        )


@dataclass(frozen=True, eq=False)
class ColumnProfile:
    """What each column holds; arrays have an entry a column, in the order of ``names``.

    Attributes
    ----------
    names : tuple of str
        The columns.
    total, parts : Moments
        Over all rows; and by part of the rows, as arrays of shape (n_columns, n_parts).
    row_rises, row_falls, row_equal : ndarray of int64
        How often a cell is larger than, smaller than or equal to the one in the row before; NaN counts nowhere.
    own_rises, own_falls, own_equal : ndarray of int64
        The same against the same asset's row before it in time.
    distinct : ndarray of int64
        Distinct values, exact up to 64; :data:`MANY` stands for more.
    top_value, top_count : ndarray
        The most frequent value. Its count is exact where ``distinct`` is; else it may fall short.
    hash : ndarray of uint64
        Equal for columns of equal values, of whatever type.
    longest, lead : ndarray of uint32, shape (n_columns, n_assets)
        The most equal cells in a row, and the missing cells before the first value, by asset in time order.
    asset_rows : ndarray of int64, shape (n_assets,)
        How many rows each asset has.
    """

    names: tuple[str, ...]
    total: Moments
    parts: Moments
    row_rises: Counts
    row_falls: Counts
    row_equal: Counts
    own_rises: Counts
    own_falls: Counts
    own_equal: Counts
    distinct: Counts
    top_value: Numbers
    top_count: Counts
    hash: NDArray[np.uint64]
    longest: NDArray[np.uint32]
    lead: NDArray[np.uint32]
    asset_rows: Counts

    @property
    def few(self) -> NDArray[np.bool_]:
        """Whether each column takes few values, many times each: at most 64, and at most half as many as rows."""
        return (self.distinct < MANY) & (2 * self.distinct <= self.total.rows)

    @classmethod
    def of(cls, side: Side, parts: NDArray[np.uint32] | None = None, n_parts: int = 1) -> ColumnProfile:
        """Read the columns of a side once (a second time where rows lie in no order of time)."""
        columns = [side.take(values) for values in side.columns.values()]
        asset = None if side.asset is None else side.take(side.asset)
        time = None if side.time is None else side.take(side.time)
        codes = None if asset is None else np.ascontiguousarray(asset, dtype=np.int32)
        n_assets = None if codes is None else int(codes.max(initial=-1)) + 1
        order = _walk(time, codes)
        facts = _read(columns, codes, n_assets, parts, n_parts, order)
        if order is not None:
            as_they_lie = _read(columns, None, None, None, 1, None)
            facts |= {name: as_they_lie[name] for name in ("row_rises", "row_falls", "row_equal", "hash")}
        return cls.from_facts(tuple(side.columns), facts)

    @classmethod
    def from_facts(cls, names: tuple[str, ...], facts: Mapping[str, NDArray[Any]]) -> ColumnProfile:
        """Build it from what the core has read."""
        return cls(
            names=names,
            total=Moments(*(facts[f.name] for f in fields(Moments))),
            parts=Moments(*(facts[f"part_{f.name}"] for f in fields(Moments))),
            **{f.name: facts[f.name] for f in fields(cls) if f.name not in ("names", "total", "parts")},
        )


def _read(
    columns: Sequence[NDArray[Any]],
    assets: NDArray[np.int32] | None,
    n_assets: int | None,
    parts: NDArray[np.uint32] | None,
    n_parts: int,
    order: NDArray[np.uint32] | None,
) -> dict[str, NDArray[Any]]:
    profiler = _core.ColumnProfiler(n_assets, n_parts)
    profiler.update(columns, assets, parts, order)
    return profiler.finish()


def _walk(time: NDArray[np.int64] | None, codes: NDArray[np.int32] | None) -> NDArray[np.uint32] | None:
    """The order in which each asset's rows ascend in time; None where they do as they lie."""
    if time is None or (time[1:] >= time[:-1]).all():
        return None
    if codes is None:
        return np.argsort(time, kind="stable").astype(np.uint32)
    by_asset = np.argsort(codes, kind="stable")
    own, whose = time[by_asset], codes[by_asset]
    if ((own[1:] >= own[:-1]) | (whose[1:] != whose[:-1])).all():
        return None
    return np.lexsort((time, codes)).astype(np.uint32)


@final
@dataclass(frozen=True, eq=False)
class ArrayProfiles:
    """Profiles of frames, each read when it is first asked for."""

    _known: dict[Side, ColumnProfile] = field(default_factory=dict)

    def of(self, side: Side) -> ColumnProfile:
        """See :class:`Profiles`."""
        if side not in self._known:
            self._known[side] = ColumnProfile.of(side)
        return self._known[side]

    def few(self, side: Side) -> NDArray[np.bool_]:
        """See :class:`Profiles`."""
        return self.of(side).few

    def moments(self, side: Side) -> Moments:
        """See :class:`Profiles`."""
        return self.of(side).total

    def missing(self, side: Side) -> Counts:
        """See :class:`Profiles`."""
        return self.of(side).total.nan

    def pooled(self, train: Side, val: Side) -> Moments:
        """See :class:`Profiles`."""
        return Moments.merged([self.moments(train), self.moments(val)])

    def fingerprint(self, side: Side) -> str:
        """Return the content hash of a side."""
        return rows_fingerprint(
            side.columns,
            side.y,
            time=side.time,
            time_unit=side.time_unit,
            label_end=side.label_end,
            asset=side.asset,
            asset_names=side.asset_names,
        )

    def unable(self, checks: Sequence[Check]) -> dict[str, str]:
        """Return the checks that cannot run on what is profiled, and why: none, of frames."""
        return {}


@final
@dataclass(frozen=True, eq=False)
class PanelProfiles:
    """The profile of one panel, read once by the blocks of a plan; each role of each fold is a sum of blocks.

    Parameters
    ----------
    whole : Side
        All rows of the panel.
    """

    whole: Side

    @cached_property
    def _profile(self) -> ColumnProfile:
        assert self.whole.blocks is not None
        return ColumnProfile.of(self.whole, self.whole.blocks.numbers, max(len(self.whole.blocks), 1))

    def of(self, side: Side) -> ColumnProfile:
        """See :class:`Profiles`."""
        return self._profile if side.rows is None else ColumnProfile.of(side)

    def few(self, side: Side) -> NDArray[np.bool_]:
        """See :class:`Profiles`; over all rows of the panel."""
        return self._profile.few

    def moments(self, side: Side) -> Moments:
        """See :class:`Profiles`."""
        return self._profile.total if side.rows is None else self._profile.parts.summed(side.in_blocks)

    def missing(self, side: Side) -> Counts:
        """See :class:`Profiles`."""
        return self._profile.total.nan if side.rows is None else self._profile.parts.nan @ side.in_blocks

    def pooled(self, train: Side, val: Side) -> Moments:
        """See :class:`Profiles`; all rows of the panel, purged ones included: a scaler would have seen them."""
        return self._profile.total
