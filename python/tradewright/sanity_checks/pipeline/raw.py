"""The raw data of a feature function: its rows in time, and how to take the future away from them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ColumnNotFoundError, DataError, EmptyDataError, ParameterError
from tradewright.panel.times import TimeAxis, format_time, normalize_times

__all__ = ["RawData", "read_raw"]

#: The spread of the noise that rows of the future are multiplied by: a quarter up or down, never through zero.
NOISE = 0.25

Kind = Literal["numpy", "pandas", "polars"]


@dataclass(frozen=True, eq=False)
class RawData:
    """What a feature function is given, with the place of every row in time.

    A *bar* is one time: a row where nothing is known of times, all rows of one time where it is.

    Parameters
    ----------
    raw : ndarray, pandas or polars object
        As the user passed it; never handed to the function itself, which may write to what it gets.
    kind : {"numpy", "pandas", "polars"}
        What it is.
    bar : ndarray of int64, shape (n,)
        The bar of each row, counted from 0 in time.
    n_bars : int
        How many bars there are.
    ordered : bool
        Whether rows come in time order, so that what is known at a bar is the first rows.
    time, asset : str or None
        Names of the column or the index level of times and of assets; ``time_is`` tells which of the two.
    axis : TimeAxis or None
        The time of each bar.
    asset_codes : dict of str to int
        A number for each asset met in the outputs so far: they are compared by it.
    """

    raw: Any
    kind: Kind
    bar: NDArray[np.int64]
    n_bars: int
    ordered: bool
    time: Any = None
    time_is: Literal["rows", "column", "index", "level"] = "rows"
    asset: Any = None
    axis: TimeAxis | None = None
    asset_codes: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.bar)

    # --- parts --------------------------------------------------------------------------------------------------

    def whole(self) -> Any:
        """Return all rows, as a copy the function may write to."""
        return self._rows(slice(None))

    def until(self, bar: int) -> Any:
        """Return the rows of this bar and of those before it."""
        return self._rows(self._known(bar))

    def window(self, bar: int, bars: int) -> Any:
        """Return the rows of the last ``bars`` bars up to this one."""
        if self.ordered:
            known = self._known(bar)
            return self._rows(slice(int(np.searchsorted(self.bar, bar - bars, side="right")), known.stop))
        return self._rows(np.flatnonzero((self.bar <= bar) & (self.bar > bar - bars)))

    def perturbed(self, bar: int, seed: int) -> Any:
        """Return all rows, floats of those after this bar multiplied by noise; their whole numbers change places.

        :func:`tradewright.sanity_checks.pipeline.code.perturbed_code` writes the same down for people, step by step.
        """
        rng = np.random.default_rng(seed)
        later = self.bar > bar
        order = np.arange(len(self))
        order[later] = rng.permutation(order[later])

        def factors() -> NDArray[np.float64]:
            return np.where(later, rng.lognormal(sigma=NOISE, size=len(self)), 1.0)

        if self.kind == "numpy":
            if self.raw.dtype.kind in "iu":
                return self.raw[order]
            if self.raw.dtype.kind != "f":
                return self.raw.copy()
            shaped = later.reshape(-1, *[1] * (self.raw.ndim - 1))
            noise = np.where(shaped, rng.lognormal(sigma=NOISE, size=self.raw.shape), 1.0)
            return (self.raw * noise).astype(self.raw.dtype)
        if self.kind == "pandas":
            return self._perturbed_pandas(order, factors)

        def noisy(series: Any) -> Any:
            return (series * factors()).cast(series.dtype) if series.dtype.is_float() else series.gather(order)

        names = self.noisy_columns
        return noisy(self.raw) if names is None else self.raw.with_columns([noisy(self.raw[name]) for name in names])

    def _perturbed_pandas(self, order: NDArray[np.int64], factors: Callable[[], NDArray[np.float64]]) -> Any:
        def noisy(series: Any) -> Any:
            return (series * factors()).astype(series.dtype) if series.dtype.kind == "f" else series.to_numpy()[order]

        names = self.noisy_columns
        changed = self.raw.copy()
        if names is None:
            changed[:] = noisy(changed)
            return changed
        for name in names:
            changed[name] = noisy(changed[name])
        return changed

    @cached_property
    def noisy_columns(self) -> tuple[Any, ...] | None:
        """The columns of numbers that noise can be put into, but for the keys; None for a series."""
        if not hasattr(self.raw, "columns"):
            return None
        return tuple(
            name
            for place, name in enumerate(self.raw.columns)
            if name not in (self.time, self.asset) and self._is_plain_numbers(place, name)
        )

    def _is_plain_numbers(self, place: int, name: Any) -> bool:
        if self.kind == "polars":
            dtype = self.raw.schema[name]
            return bool(dtype.is_float() or dtype.is_integer())
        repeated = self.raw.columns.get_indexer_for([name]).size > 1
        return (
            not repeated
            and isinstance(self.raw.dtypes.iloc[place], np.dtype)
            and self.raw.dtypes.iloc[place].kind in "fiu"
        )

    def _known(self, bar: int) -> Any:
        if self.ordered:
            return slice(0, int(np.searchsorted(self.bar, bar, side="right")))
        return np.flatnonzero(self.bar <= bar)

    def _rows(self, rows: Any) -> Any:
        if self.kind == "numpy":
            return self.raw[rows].copy()
        if self.kind == "pandas":
            return self.raw.iloc[rows].copy()
        return self.raw[rows]  # polars: nothing writes to it

    def positions(self, bar: int) -> NDArray[np.int64]:
        """Return the row numbers of :meth:`until`."""
        known = self._known(bar)
        return np.arange(known.stop, dtype=np.int64) if isinstance(known, slice) else known

    def asset_at(self, row: int) -> str | None:
        """Return whose row it is, where that is known."""
        if self.asset is None:
            return None
        if self.kind == "polars":
            return str(self.raw[self.asset][row])
        if self.raw.ndim == 2 and self.asset in self.raw.columns:
            return str(self.raw[self.asset].iloc[row])
        return str(self.raw.index.get_level_values(self.asset)[row])

    # --- words --------------------------------------------------------------------------------------------------

    def name_of(self, bar: int) -> str:
        """Return a bar as people write it: its time, or its row number."""
        if self.axis is None:
            return f"row {bar}"
        return format_time(self.axis.values[bar], self.axis.unit)

    def until_code(self, bar: int) -> str:
        """Return the expression for :meth:`until`, with the data called ``raw``."""
        if self.ordered:
            stop = self._known(bar).stop
            return {"numpy": f"raw[:{stop}]", "pandas": f"raw.iloc[:{stop}]", "polars": f"raw.head({stop})"}[self.kind]
        return self._masked_code(f"{self._time_code()} <= {self._time_at_code(bar)}")

    def window_code(self, bar: int, bars: int) -> str:
        """Return the expression for :meth:`window`."""
        first = max(bar - bars + 1, 0)
        if self.ordered:
            start, stop = int(np.searchsorted(self.bar, first, side="left")), self._known(bar).stop
            polars = f"raw.slice({start}, {stop - start})"
            return {"numpy": f"raw[{start}:{stop}]", "pandas": f"raw.iloc[{start}:{stop}]", "polars": polars}[self.kind]
        low, high = self._time_at_code(first), self._time_at_code(bar)
        return self._masked_code(f"({self._time_code()} >= {low}) & ({self._time_code()} <= {high})")

    def later_code(self, bar: int) -> str:
        """Return the expression for the mask of the rows after a bar."""
        if self.ordered:
            return f"np.arange(len(raw)) >= {self._known(bar).stop}"
        return f"np.asarray({self._time_code()} > {self._time_at_code(bar)})"

    def _masked_code(self, mask: str) -> str:
        return f"raw.filter({mask})" if self.kind == "polars" else f"raw[{mask}]"

    def _time_code(self) -> str:
        if self.time_is == "column":
            return f"raw[{self.time!r}]"
        return "raw.index" if self.time_is == "index" else f"raw.index.get_level_values({self.time!r})"

    def _time_at_code(self, bar: int) -> str:
        row = int(np.flatnonzero(self.bar == bar)[0])
        at = f".iloc[{row}]" if self.kind == "pandas" and self.time_is == "column" else f"[{row}]"
        return self._time_code() + at


def read_raw(raw: Any, time: str | None, asset: str | None) -> RawData:
    """Find out what the data is and where its rows stand in time.

    Raises
    ------
    DataError, EmptyDataError, ColumnNotFoundError
        For what is neither a numpy array nor a pandas or polars frame or series, for no rows, and for names that are
        not there.
    ParameterError
        When several columns hold times and none was named.
    """
    kind = _kind_of(raw)
    if len(raw) == 0:
        raise EmptyDataError("raw has no rows: pass the data your feature function is run on", code="data.empty")
    if kind == "numpy":
        if time is not None or asset is not None:
            raise ParameterError(
                "time= and asset= name columns, and an array has none: its rows are taken in time order. Pass a frame",
                code="sanity.pipeline_time",
            )
        return _by_rows(raw, kind)
    name, place, asset = (_find_pandas if kind == "pandas" else _find_polars)(raw, time, asset)
    if place == "rows":
        return _by_rows(raw, kind, asset)
    values = {
        "column": lambda: raw[name],
        "index": lambda: raw.index,
        "level": lambda: raw.index.get_level_values(name),
    }
    axis = normalize_times(values[place](), name=str(name))
    unique, bar = np.unique(axis.values, return_inverse=True)
    bars = bar.reshape(-1).astype(np.int64)
    ordered = bool((np.diff(bars) >= 0).all())
    return RawData(raw, kind, bars, len(unique), ordered, name, place, asset, TimeAxis(unique, axis.unit, axis.zone))


def _by_rows(raw: Any, kind: Kind, asset: Any = None) -> RawData:
    return RawData(raw, kind, np.arange(len(raw), dtype=np.int64), len(raw), ordered=True, asset=asset)


def _kind_of(raw: Any) -> Kind:
    """The library of the data, asked of those that are loaded."""
    if isinstance(raw, np.ndarray):
        if raw.ndim == 0:
            raise DataError("raw is a single number: pass rows over time", code="data.shape")
        return "numpy"
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(raw, (pandas.DataFrame, pandas.Series)):
        return "pandas"
    if polars is not None and isinstance(raw, (polars.DataFrame, polars.Series)):
        return "polars"
    hint = (
        "collect it first" if hasattr(raw, "collect") else "pass a numpy array, or a pandas or polars frame or series"
    )
    raise DataError(f"raw is a {type(raw).__module__}.{type(raw).__name__}: {hint}", code="data.kind")


def _find_polars(raw: Any, time: Any, asset: Any) -> tuple[Any, Any, Any]:
    import polars as pl

    if isinstance(raw, pl.Series):
        _refuse_names((), time, asset)
        return None, "rows", None
    _refuse_names(raw.columns, time, asset)
    times = [name for name, dtype in raw.schema.items() if dtype in (pl.Date, pl.Datetime)]
    name = _the_one(times) if time is None else time
    return name, "rows" if name is None else "column", asset


def _find_pandas(raw: Any, time: Any, asset: Any) -> tuple[Any, Any, Any]:
    columns = list(raw.columns) if raw.ndim == 2 else []
    levels = list(raw.index.names)
    _refuse_names([*columns, *(level for level in levels if level is not None)], time, asset)
    if time is not None:
        if time in columns:
            return time, "column", asset
        return time, "level" if raw.index.nlevels > 1 else "index", asset
    if raw.index.nlevels > 1:
        stamped = [n for n, dtype in zip(levels, raw.index.dtypes, strict=True) if _numpy_kind(dtype) == "M"]
        if len(stamped) == 1 and stamped[0] is not None:
            others = [name for name in levels if name != stamped[0]]
            return stamped[0], "level", others[0] if asset is None and len(others) == 1 else asset
    elif _numpy_kind(raw.index.dtype) == "M":
        return raw.index.name, "index", asset
    kinds = [] if raw.ndim == 1 else [_numpy_kind(dtype) for dtype in raw.dtypes]
    name = _the_one([name for name, kind in zip(columns, kinds, strict=True) if kind == "M"])
    return name, "rows" if name is None else "column", asset


def _the_one(names: list[Any]) -> Any:
    """The only column of times; None where there is none."""
    if len(names) > 1:
        raise ParameterError(
            f"raw has {len(names)} columns of times ({', '.join(map(repr, names[:5]))}): name the one that says when a "
            "row is known by time=",
            code="sanity.pipeline_time",
        )
    return names[0] if names else None


def _refuse_names(there: Any, *names: Any) -> None:
    for name in names:
        if name is not None and name not in there:
            known = ", ".join(map(repr, list(there)[:10])) or "no columns"
            raise ColumnNotFoundError(f"raw has no {name!r}; it has {known}", code="data.column_not_found", column=name)


def _numpy_kind(dtype: Any) -> str:
    """The letter of a pandas dtype, as numpy has them; dates of other back ends count as dates."""
    kind = getattr(dtype, "kind", "O")
    return kind if isinstance(kind, str) else "O"
