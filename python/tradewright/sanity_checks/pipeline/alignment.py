"""Which rows of two outputs of a feature function are the same row."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError
from tradewright.panel.times import format_time
from tradewright.sanity_checks.pipeline.output import Output
from tradewright.sanity_checks.pipeline.raw import RawData

__all__ = ["Aligned", "Alignment"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Aligned:
    """Rows of two outputs that are the same row: ``full[rows]`` and ``cut[others]``, and what only one of them has."""

    rows: Rows
    others: Rows
    only_full: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    only_cut: Rows = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class Alignment:
    """How rows of the full output are found again in an output of fewer rows.

    By time and asset where the output names them, by the labels of a pandas index, by place where the function returns
    a row for each row it gets, and else from the first row on, which is right where a fixed number of rows is dropped.
    """

    raw: RawData
    full: Output
    by: Literal["keys", "index", "place", "front"]

    @classmethod
    def of(cls, raw: RawData, full: Output) -> Alignment:
        """Choose how.

        Raises
        ------
        DataError
            When rows were dropped and there is nothing to tell the rest apart by.
        """
        if full.time is not None:
            keyed = cls(raw, full, "keys")
            _, keys = keyed._sorted
            if (keys[1:] != keys[:-1]).all():
                return keyed
        kept_labels = (
            full.index is not None
            and raw.kind == "pandas"
            and full.index.is_unique
            and raw.raw.index.is_unique
            and full.index.nlevels == raw.raw.index.nlevels
            and bool(full.index.isin(raw.raw.index).all())
        )
        if kept_labels:
            return cls(raw, full, "index")
        if full.n == len(raw):
            return cls(raw, full, "place")
        if full.n > len(raw):
            raise DataError(
                f"f returned {full.n:,} rows for {len(raw):,}: return one row for each, or fewer; or the columns of time and "
                "asset with them, that tell them apart, named by time= and asset=",
                code="sanity.pipeline_rows",
            )
        if raw.ordered:
            return cls(raw, full, "front")
        raise DataError(
            f"f returned {full.n:,} rows for {len(raw):,}, which are not in time order, and nothing that tells them "
            "apart: return the columns of time and asset too, and name them by time= and asset=",
            code="sanity.pipeline_rows",
        )

    def match(self, other: Output, bar: int, *, whole: bool = False) -> Aligned:
        """Find the rows known at a bar in another output.

        Rows that an output dates after the bar are left out: it does not claim to know them.

        Parameters
        ----------
        other : Output
            Made from the rows up to the bar, or from all rows when ``whole``.
        bar : int
            The last bar whose rows are compared.
        """
        if self.by == "keys":
            return self._by_keys(other, np.less_equal, bar)
        if self.by == "index":
            return self._by_index(other, self.raw.positions(bar))
        if self.by == "place":
            positions = self.raw.positions(bar)
            if whole and other.n == self.full.n:
                return Aligned(positions, positions)
            if not whole and other.n == len(positions):
                return Aligned(positions, np.arange(other.n, dtype=np.int64))
            self._refuse_unordered(other, len(positions))
        rows = other.n
        if whole:  # a row of the output is one of raw, or one of as many later rows as were dropped
            rows = len(self.raw.positions(bar)) - (len(self.raw) - self.full.n)
        both = np.arange(max(min(rows, other.n, self.full.n), 0), dtype=np.int64)
        return Aligned(both, both)

    def match_last(self, short: Output, bar: int, bars: int) -> Aligned:
        """Find the rows of one bar in an output that was made from the last ``bars`` bars up to it."""
        if self.by == "keys":
            return self._by_keys(short, np.equal, bar)
        rows = np.flatnonzero(self.raw.bar == bar)
        if self.by == "index":
            return self._by_index(short, rows)
        if self.by == "place":
            window = np.flatnonzero((self.raw.bar <= bar) & (self.raw.bar > bar - bars))
            if short.n == len(window):
                return Aligned(rows, np.searchsorted(window, rows))
            self._refuse_unordered(short, len(window))
        # From the last row: what is dropped of a window is its beginning.
        row = int(rows[-1]) - (len(self.raw) - self.full.n)
        if short.n == 0 or not 0 <= row < self.full.n:
            return Aligned(np.empty(0, np.int64), np.empty(0, np.int64))
        return Aligned(np.array([row]), np.array([short.n - 1]))

    def _by_keys(self, other: Output, known: Any, bar: int) -> Aligned:
        full = self.full
        if other.time is None or (other.asset is None) != (full.asset is None) or other.unit != full.unit:
            raise DataError(
                "f named times and assets for all rows and not, or otherwise, for some of them: return the same columns",
                code="sanity.pipeline_rows",
            )
        claimed = np.flatnonzero(known(other.time, self._limit(other, bar)))
        order, keys = self._sorted
        wanted = self._keys(other)[claimed]
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        hit = keys[at] == wanted if len(keys) else np.zeros(len(wanted), bool)
        rows = order[at[hit]]
        missing = known(full.time, self._limit(full, bar))
        missing[rows] = False
        by_row = np.argsort(rows, kind="stable")
        return Aligned(rows[by_row], claimed[hit][by_row], np.flatnonzero(missing), claimed[~hit])

    @cached_property
    def _times(self) -> Rows:
        assert self.full.time is not None
        return np.unique(self.full.time)

    @cached_property
    def _sorted(self) -> tuple[Rows, Rows]:
        """The rows of the full output by key, and their keys."""
        keys = self._keys(self.full)
        order = np.argsort(keys, kind="stable")
        return order, keys[order]

    def _keys(self, output: Output) -> Rows:
        """One number for time and asset of each row; -1 for a time the full output has not."""
        assert output.time is not None
        times = self._times
        at = np.minimum(np.searchsorted(times, output.time), max(len(times) - 1, 0))
        known = times[at] == output.time if len(times) else np.zeros(output.n, bool)
        return np.where(known, (at << 31) | (0 if output.asset is None else output.asset), -1)

    def _by_index(self, other: Output, positions: Rows) -> Aligned:
        known = self.raw.raw.index[positions]
        rows = np.flatnonzero(self.full.index.isin(known))
        if other.index is None or not other.index.is_unique:
            raise DataError(
                "f returned a pandas index for all rows, and none, or one that repeats, for some of them: return the "
                "same index for the same rows",
                code="sanity.pipeline_rows",
            )
        at = other.index.get_indexer(self.full.index[rows]).astype(np.int64)
        extra = np.flatnonzero(~other.index.isin(self.full.index) & other.index.isin(known))
        return Aligned(rows[at >= 0], at[at >= 0], rows[at < 0], extra)

    def _refuse_unordered(self, other: Output, expected: int) -> None:
        if not self.raw.ordered:
            raise DataError(
                f"f returned {other.n:,} rows for {expected:,}, but a row for each of all {self.full.n:,}: rows cannot be "
                "told apart. Return the columns of time and asset too, and name them by time= and asset=",
                code="sanity.pipeline_rows",
            )

    def _limit(self, output: Output, bar: int) -> int:
        """The time of a bar in the unit of an output's times."""
        assert self.raw.axis is not None
        wanted, unit = self.raw.axis.values[bar], self.raw.axis.unit
        if unit == output.unit:
            return int(wanted)
        kind = {"d": "D"}
        instant = np.int64(wanted).view(f"datetime64[{kind.get(unit, unit)}]")
        return int(instant.astype(f"datetime64[{kind.get(output.unit, output.unit)}]").view(np.int64))

    def bar_of(self, row: int) -> int | None:
        """Return the bar of a row of the full output, where it is known."""
        if self.by == "keys":
            assert self.raw.axis is not None
            assert self.full.time is not None
            at = int(np.searchsorted(self.raw.axis.values, self.full.time[row])) if self._same_unit else -1
            return at if 0 <= at < self.raw.n_bars and self.raw.axis.values[at] == self.full.time[row] else None
        position = self._position(row)
        return None if position is None else int(self.raw.bar[position])

    def place_of(self, row: int) -> tuple[str | None, str | None]:
        """Return asset and time of a row of the full output, as text, where they are known."""
        full, raw = self.full, self.raw
        if self.by == "keys":
            assert full.time is not None
            return self._asset_name(row), format_time(full.time[row], full.unit)
        position = self._position(row)
        if position is None:
            return None, None
        return raw.asset_at(position), None if raw.axis is None else raw.name_of(int(raw.bar[position]))

    def _asset_name(self, row: int) -> str | None:
        if self.full.asset is None:
            return None
        code = int(self.full.asset[row])
        return next(name for name, known in self.raw.asset_codes.items() if known == code)

    @property
    def _same_unit(self) -> bool:
        return self.raw.axis is not None and self.raw.axis.unit == self.full.unit

    def _position(self, row: int) -> int | None:
        """The row of raw that a row of the full output is."""
        if self.by == "index":
            return int(self.raw.raw.index.get_loc(self.full.index[row]))
        return row if self.by == "place" else None
