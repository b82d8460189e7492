"""What a feature function returned, as columns; and which of its rows are which when the future is taken away."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError, TradewrightError
from tradewright.panel.times import format_time, normalize_times
from tradewright.sanity_checks.pipeline.raw import RawData

__all__ = ["Aligned", "Alignment", "Output", "read_output"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Output:
    """The columns a feature function returned, by name.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (n,)
        Numbers, times as int64, anything else as objects.
    code : dict of str to (str, str)
        What to write before and after a row number to read one value of a column.
    n : int
        How many rows.
    index : pandas index or None
        Where the output has one.
    time, asset : ndarray or None, shape (n,)
        The times (int64) and assets (text) the output itself names, with the unit of the times.
    """

    columns: dict[str, NDArray[Any]]
    code: dict[str, tuple[str, str]]
    n: int
    index: Any = None
    time: Rows | None = None
    asset: NDArray[Any] | None = None
    unit: str = "bar"

    def text(self, column: str, row: int) -> str:
        """Return one value as people write it."""
        value = self.columns[column][row]
        return f"{value:.10g}" if isinstance(value, (float, np.floating)) else str(value)


def read_output(value: Any, raw: RawData) -> Output:
    """Bring what the function returned into columns.

    Raises
    ------
    DataError
        For what is no table: None, a number, a lazy frame, columns of different lengths.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
        return _of_pandas(value, raw)
    if polars is not None and isinstance(value, (polars.DataFrame, polars.Series)):
        return _of_polars(value, raw)
    columns: dict[str, NDArray[Any]] = {}
    code: dict[str, tuple[str, str]] = {}
    parts = value.items() if isinstance(value, Mapping) else [(None, value)]
    for key, part in parts:
        array = np.asarray(part.to_numpy() if hasattr(part, "to_numpy") else part)
        if array.ndim == 0 or array.ndim > 2:
            kind = "a lazy frame: collect it" if hasattr(part, "collect") else f"a {type(part).__name__}"
            raise DataError(
                f"f returned {kind}{'' if key is None else f' for {key!r}'}: return a frame, an array of shape (n_rows,) "
                "or (n_rows, n_features), or a dict of such arrays",
                code="sanity.pipeline_output",
            )
        before = "" if key is None else f"[{key!r}]"
        if array.ndim == 1:
            name = "output" if key is None else str(key)
            columns[name], code[name] = _comparable(array), (f"{before}[", "]")
            continue
        for j in range(array.shape[1]):
            name = f"{'output' if key is None else key}[:, {j}]"
            columns[name], code[name] = _comparable(array[:, j]), (f"{before}[", f", {j}]")
    return _checked(columns, code, None)


def _of_pandas(value: Any, raw: RawData) -> Output:
    table = value.to_frame(name=value.name if value.name is not None else "output") if value.ndim == 1 else value
    if value.ndim == 1:
        code = {str(table.columns[0]): (".iloc[", "]")}
    else:
        code = {name: (f".iloc[:, {j}].iloc[", "]") for j, name in enumerate(_texts(table.columns))}
        if not table.columns.has_duplicates:
            code = {str(name): (f"[{name!r}].iloc[", "]") for name in table.columns}
    columns = {name: _comparable(table.iloc[:, j]) for j, name in enumerate(code)}

    def key(name: Any) -> Any:
        if name is not None and str(name) in columns and value.ndim == 2:
            return table[name]
        if name is not None and name in table.index.names:
            return table.index.get_level_values(name)
        return None

    time = table.index if raw.time_is == "index" and raw.time is None and _is_time(table.index) else key(raw.time)
    return _checked(columns, code, table.index, time, key(raw.asset), raw)


def _is_time(index: Any) -> bool:
    return index.nlevels == 1 and getattr(index.dtype, "kind", "O") == "M"


def _of_polars(value: Any, raw: RawData) -> Output:
    import polars as pl

    if isinstance(value, pl.Series):
        name = value.name or "output"
        return _checked({name: _comparable(value)}, {name: ("[", "]")}, None)
    columns = {name: _comparable(value.get_column(name)) for name in value.columns}
    code = {name: (f"[{name!r}][", "]") for name in columns}
    keys = [value.get_column(name) if name in columns else None for name in (raw.time, raw.asset)]
    return _checked(columns, code, None, keys[0], keys[1], raw)


def _texts(names: Any) -> list[str]:
    """Names as text, repeated ones numbered."""
    seen: dict[str, int] = {}
    texts = []
    for name in map(str, names):
        seen[name] = seen.get(name, 0) + 1
        texts.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return texts


def _comparable(values: Any) -> NDArray[Any]:
    """A column as numbers, times as int64, or objects."""
    if isinstance(values, np.ndarray):
        array = values
    else:
        dtype = getattr(values, "dtype", None)
        if str(dtype) in ("Categorical", "Enum") or str(dtype).startswith(("Categorical(", "Enum(")):
            import polars as pl

            values = values.cast(pl.String)
        array = values.to_numpy()
        if array.dtype == object and getattr(dtype, "kind", "O") in "fiub" and not isinstance(array, list):
            # pandas' own numbers, where a missing one is no NaN
            array = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if array.dtype.kind in "mM":
        return array.view(np.int64)
    if array.dtype.kind in "fiubc":
        return array
    return array.astype(object)


def _checked(
    columns: dict[str, NDArray[Any]],
    code: dict[str, tuple[str, str]],
    index: Any,
    time: Any = None,
    asset: Any = None,
    raw: RawData | None = None,
) -> Output:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"f returned columns of different lengths: {', '.join(f'{k!r} {v:,}' for k, v in list(lengths.items())[:5])}",
            code="sanity.pipeline_output",
        )
    n = next(iter(lengths.values()), 0 if index is None else len(index))
    unit = "bar"
    if time is not None:
        assert raw is not None
        try:
            axis = normalize_times(time, name=str(raw.time))
        except TradewrightError:  # a column of that name that holds no times any more: rows are told apart otherwise
            time = None
        else:
            time, unit = axis.values, axis.unit
    assets = None
    if asset is not None:
        listed = asset.to_list() if hasattr(asset, "to_list") else asset
        assets = np.array([str(item) for item in listed], dtype=str)
    keys = set() if raw is None else {str(raw.time), str(raw.asset)}
    kept = {name: values for name, values in columns.items() if name not in keys}
    return Output(kept, code, n, index, time, assets, unit)


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
        if full.time is not None and _unique(_keys(full)):
            return cls(raw, full, "keys")
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
        claims = np.zeros(other.n, bool) if other.time is None else known(other.time, self._limit(other, bar))
        return _matched(_keys(full), _keys(other), known(full.time, self._limit(full, bar)), claims)

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
            return None if full.asset is None else str(full.asset[row]), format_time(full.time[row], full.unit)
        position = self._position(row)
        if position is None:
            return None, None
        return raw.asset_at(position), None if raw.axis is None else raw.name_of(int(raw.bar[position]))

    @property
    def _same_unit(self) -> bool:
        return self.raw.axis is not None and self.raw.axis.unit == self.full.unit

    def _position(self, row: int) -> int | None:
        """The row of raw that a row of the full output is."""
        if self.by == "index":
            return int(self.raw.raw.index.get_loc(self.full.index[row]))
        return row if self.by == "place" else None


def _keys(output: Output) -> NDArray[Any]:
    """Time, and asset where there is one, of each row as one value."""
    if output.time is None:
        return np.empty(0, np.int64)
    if output.asset is None:
        return output.time
    keys = np.empty(output.n, dtype=[("time", np.int64), ("asset", output.asset.dtype)])
    keys["time"], keys["asset"] = output.time, output.asset
    return keys


def _unique(keys: NDArray[Any]) -> bool:
    return len(np.unique(keys)) == len(keys)


def _matched(full: NDArray[Any], cut: NDArray[Any], known: NDArray[np.bool_], claimed: Any) -> Aligned:
    """Match by key: rows known at the bar in both, and those that only one has."""
    rows, others = np.flatnonzero(known), np.flatnonzero(claimed)
    if full.dtype != cut.dtype and full.dtype.names and cut.dtype.names:
        width = max(full.dtype["asset"].itemsize, cut.dtype["asset"].itemsize) // 4
        dtype = [("time", np.int64), ("asset", f"U{width}")]
        full, cut = full.astype(dtype), cut.astype(dtype)
    _, i, j = np.intersect1d(full[rows], cut[others], return_indices=True)
    order = np.argsort(i)
    i, j = i[order], j[order]
    return Aligned(rows[i], others[j], np.delete(rows, i), np.delete(others, j))
