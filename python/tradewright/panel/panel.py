"""The panel: columns over time, checked once, never copied needlessly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.errors import ColumnNotFoundError, DataError, ParameterError
from tradewright.panel.columns import matrix_of
from tradewright.panel.times import OPEN, as_datetimes, format_time

if TYPE_CHECKING:
    import polars as pl

    from tradewright.panel.scan import PanelScan

__all__ = ["Panel"]

IntTimes = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Panel:
    """Features and labels over time, for one or many assets.

    Built by :meth:`from_frame` or :meth:`from_arrays`, which check it; frozen from then on. Rows keep the caller's
    order. The columns are views of the caller's data wherever a view can be had.

    Attributes
    ----------
    columns : mapping of str to ndarray, shape (n_rows,)
        The features by name.
    y : ndarray or None, shape (n_rows,)
        The labels, and ``target``, their name. None for rows that are only to be predicted.
    time : ndarray of int64, shape (n_rows,)
        The time of each row in ``time_unit`` (``"ns"``, ``"us"``, ``"ms"``, ``"s"`` or ``"d"`` since 1970-01-01 UTC,
        or ``"bar"``: plain integers); ``time_zone`` is the zone the caller's times were in.
    label_end : ndarray of int64 or None
        When each label is known for certain, in the unit of ``time``.
    asset : ndarray of int32 or None
        A code per row, into ``asset_names``.
    weight, returns : ndarray of float64 or None
        Sample weights; returns earned by a position taken at the row.
    dropped : int
        Rows left out because their label had not closed when the frame ended (``horizon=``).
    source : mapping
        The arguments of :meth:`from_frame` that made the panel, so that it can be made again from the same file; empty
        for panels of arrays and for parts of a panel.

    Examples
    --------
    >>> import polars as pl, datetime as dt
    >>> frame = pl.DataFrame({
    ...     "date": [dt.date(2024, 1, day) for day in range(1, 7)],
    ...     "momentum": [0.1, -0.2, 0.3, 0.0, 0.2, -0.1],
    ...     "ret_2d": [0.01, 0.02, -0.01, 0.00, 0.03, 0.01],
    ... })
    >>> panel = Panel.from_frame(frame, target="ret_2d", time="date", horizon=2)
    >>> panel
    Panel: 4 rows × 1 feature, 2024-01-01 … 2024-01-04
      target    ret_2d, labels end 2024-01-03 … 2024-01-06
      features  momentum
      dropped   2 rows whose label had not closed
    >>> panel.matrix("float32").shape
    (4, 1)
    """

    columns: Mapping[str, NDArray[Any]]
    y: NDArray[Any] | None
    target: str
    time: IntTimes
    time_unit: str
    time_zone: str | None = None
    label_end: IntTimes | None = None
    asset: NDArray[np.int32] | None = None
    asset_names: tuple[str, ...] = ()
    weight: NDArray[np.float64] | None = None
    returns: NDArray[np.float64] | None = None
    dropped: int = 0
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        object.__setattr__(self, "source", MappingProxyType(dict(self.source)))

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        target: str | None,
        time: str,
        asset: str | None = None,
        label_end: str | None = None,
        horizon: int | str | timedelta | None = None,
        weight: str | None = None,
        returns: str | None = None,
        features: Sequence[str] | None = None,
        unresolved: Literal["drop", "raise"] = "drop",
        missing_label_end: Literal["raise", "open"] = "raise",
        allow_duplicate_keys: bool = False,
    ) -> Self:
        """Build a panel from a polars or pandas frame, or any table narwhals understands.

        Parameters
        ----------
        frame : polars.DataFrame, pandas.DataFrame, pyarrow.Table or alike
            One row per (time, asset). Rows in any order; the order is kept.
        target : str or None
            The label column; None for rows that are only to be predicted.
        time : str
            The column of dates, datetimes (any unit; with a zone: converted to UTC) or integers (bar numbers).
        asset : str, optional
            The column of asset ids; text or integers.
        label_end : str, optional
            The column that says when each label is known for certain.
        horizon : int, str or timedelta, optional
            Instead of ``label_end``: an int counts bars of the same asset, ``"5d"`` calendar time.
        weight, returns : str, optional
            Columns of sample weights, and of returns earned by a position taken at the row.
        features : sequence of str, optional
            The feature columns; by default every other numeric or boolean column.
        unresolved : {"drop", "raise"}
            What to do with rows whose label, by ``horizon``, had not closed when the frame ended.
        missing_label_end : {"raise", "open"}
            Whether a missing ``label_end`` is an error, or means that the label never closes in this data.
        allow_duplicate_keys : bool
            Accept several rows of one (time, asset).

        Returns
        -------
        Panel
            Its columns are views of the frame's memory where the frame is one chunk without nulls; integer and boolean
            columns with nulls become float64 copies. Rows that ``horizon`` drops from the middle make copies of all
            columns; from the end of sorted rows they do not.

        Raises
        ------
        ColumnNotFoundError, EmptyDataError, DataError
            A column that is not there (with the nearest names), no rows, a feature that is not numeric.
        MissingTimeError, LabelEndError, DuplicateKeyError
            With the row: no time; a label that ends before its row, or whose end is missing; a repeated key.
        """
        from tradewright.panel.ingest import panel_parts_from_frame

        parts = panel_parts_from_frame(
            frame,
            target=target,
            time=time,
            asset=asset,
            label_end=label_end,
            weight=weight,
            returns=returns,
            features=features,
        )
        panel = cls._assemble(parts, horizon, unresolved, missing_label_end, allow_duplicate_keys)
        return replace(
            panel,
            source={
                "target": target,
                "time": time,
                "asset": asset,
                "label_end": label_end,
                "horizon": _plain_horizon(horizon),
                "weight": weight,
                "returns": returns,
                "features": None if features is None else tuple(features),
                "missing_label_end": missing_label_end,
                "allow_duplicate_keys": allow_duplicate_keys,
            },
        )

    @classmethod
    def from_arrays(
        cls,
        X: ArrayLike,
        y: ArrayLike | None,
        *,
        time: Any,
        asset: Any = None,
        label_end: Any = None,
        horizon: int | str | timedelta | None = None,
        weight: ArrayLike | None = None,
        returns: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        unresolved: Literal["drop", "raise"] = "drop",
        missing_label_end: Literal["raise", "open"] = "raise",
        allow_duplicate_keys: bool = False,
    ) -> Self:
        """Build a panel from numpy arrays.

        Parameters
        ----------
        X : array-like, shape (n_rows, n_features)
            The features. The panel's columns are views of it.
        y : array-like or None, shape (n_rows,)
            The labels.
        time, asset, label_end, weight, returns : array-like, shape (n_rows,)
            As in :meth:`from_frame`, as arrays: datetime64 or integers for times, text or integers for assets.
        feature_names : sequence of str, optional
            A name per column of ``X``; by default ``x0``, ``x1``, …
        horizon, unresolved, missing_label_end, allow_duplicate_keys
            As in :meth:`from_frame`.
        """
        from tradewright.panel.ingest import panel_parts_from_arrays

        parts = panel_parts_from_arrays(
            X, y, time=time, asset=asset, label_end=label_end, weight=weight, returns=returns, names=feature_names
        )
        return cls._assemble(parts, horizon, unresolved, missing_label_end, allow_duplicate_keys)

    @classmethod
    def scan_parquet(
        cls, path: Any, *, target: str | None, time: str, batch_rows: int = 262_144, **roles: Any
    ) -> PanelScan:
        """Describe a panel in parquet files that need not fit into memory: :meth:`ModelSanityChecker.run` reads it in batches.

        ``path`` may be a directory or a pattern; ``roles`` are the other arguments of :meth:`from_frame`. ``batch_rows``
        rows of the files are read at once. Labels, times and assets are read now, features when a check asks for them.
        Raises what :meth:`from_frame` does, and DataError for files that cannot be read.
        """
        from tradewright.panel.scan import PanelScan

        return PanelScan.open(path, target=target, time=time, batch_rows=batch_rows, **roles)

    @classmethod
    def _assemble(
        cls,
        parts: dict[str, Any],
        horizon: int | str | timedelta | None,
        unresolved: str,
        missing_label_end: str,
        allow_duplicate_keys: bool,
    ) -> Self:
        from tradewright.panel import checks

        missing = parts.pop("label_end_missing")
        panel = cls(**parts)
        if not allow_duplicate_keys:
            checks.refuse_duplicate_keys(panel)
        if horizon is not None:
            if panel.label_end is not None:
                raise ParameterError(
                    "pass label_end or horizon, not both: each says when labels end", code="panel.horizon"
                )
            return cls._close_labels(panel, horizon, unresolved)
        if panel.label_end is not None:
            ends = checks.resolve_missing_label_ends(panel, missing, missing_label_end)
            panel = replace(panel, label_end=ends)
            checks.refuse_early_label_ends(panel)
        return panel

    @classmethod
    def _close_labels(cls, panel: Self, horizon: int | str | timedelta, unresolved: str) -> Self:
        from tradewright.panel import horizon as horizons

        if unresolved not in ("drop", "raise"):
            raise ParameterError(f"unresolved={unresolved!r}: pass 'drop' or 'raise'", code="panel.unresolved")
        ends, closed = horizons.label_ends(panel, horizon)
        panel = replace(panel, label_end=ends)
        if closed.all():
            return panel
        if unresolved == "raise":
            horizons.refuse_unresolved(panel, closed, horizon)
        kept = panel.take(horizons.kept_rows(panel, closed, horizon))
        return replace(kept, dropped=int(len(closed) - closed.sum()))

    # --- shape and names ------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.time)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features, in the order of the caller's columns."""
        return tuple(self.columns)

    def feature_dtypes(self, names: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return the dtypes of the features, as numpy names them."""
        return tuple(str(self._column(name).dtype) for name in names or self.feature_names)

    @property
    def times(self) -> NDArray[Any]:
        """The times as datetime64 (UTC), or the bar numbers; a view."""
        return as_datetimes(self.time, self.time_unit)

    @property
    def label_ends(self) -> NDArray[Any] | None:
        """The label ends as datetime64 (UTC), or as bar numbers; a view."""
        return None if self.label_end is None else as_datetimes(self.label_end, self.time_unit)

    # --- values ---------------------------------------------------------------------------------------------------

    def matrix(
        self,
        dtype: Literal["float32", "float64"] | None = None,
        *,
        features: Sequence[str] | None = None,
        rows: Any = None,
    ) -> NDArray[Any]:
        """Return the features as one row-major matrix: always a copy, the only one of that size.

        Parameters
        ----------
        dtype : {"float32", "float64"}, optional
            By default float32 when every column is float32, else float64.
        features : sequence of str, optional
            The columns, in this order; by default all.
        rows : Rows or index array, optional
            The rows; by default all.

        Returns
        -------
        ndarray, shape (n_rows, n_features)

        Raises
        ------
        ColumnNotFoundError
            When a feature is not there.
        """
        names = self.feature_names if features is None else tuple(features)
        columns = [self._column(name) for name in names]
        taken = [column if rows is None else _take(column, rows) for column in columns]
        return matrix_of(taken, len(taken[0]) if taken else len(self), dtype)

    def take(self, rows: Any) -> Self:
        """Return the panel of some rows.

        Parameters
        ----------
        rows : Rows, index array or boolean mask
            A view where the rows are one range of a time-sorted panel, else a copy of the rows of every column.
        """

        def per_row(values: Any) -> Any:
            return None if values is None else _take(values, rows)

        return replace(
            self,
            columns={name: _take(column, rows) for name, column in self.columns.items()},
            y=per_row(self.y),
            time=per_row(self.time),
            label_end=per_row(self.label_end),
            asset=per_row(self.asset),
            weight=per_row(self.weight),
            returns=per_row(self.returns),
            source={},
        )

    def positions(self, rows: Any) -> NDArray[np.int64]:
        """Return rows, given as :meth:`take` takes them, as their positions in the panel, shape (k,).

        Raises
        ------
        DataError
            When they are not rows of this panel.
        """
        found: NDArray[np.int64] = _take(np.arange(len(self)), rows)
        return found

    def to_frame(self) -> pl.DataFrame:
        """Return the panel as a polars frame: ``time`` (in its zone), ``asset``, features, target, ``label_end`` and the rest.

        Raises
        ------
        DataError
            When a feature is called like one of these.
        """
        import polars as pl

        roles = {self.target: self.y, "label_end": self.label_end, "weight": self.weight, "returns": self.returns}
        clash = sorted({"time", "asset", *(name for name in roles if name)} & set(self.columns))
        if clash:
            raise DataError(
                f"features are called like columns of the panel: {', '.join(clash)}. Rename them before making the panel",
                code="data.name_clash",
                columns=clash,
            )
        data: dict[str, Any] = {"time": self._series(self.time)}
        if self.asset is not None:
            data["asset"] = pl.Series(self.asset_names, dtype=pl.String).gather(self.asset)
        data.update(self.columns)
        if self.y is not None:
            data[self.target] = self.y
        if self.label_end is not None:
            # A label that never closes has no end to show.
            never = pl.Series(self.label_end == OPEN)
            data["label_end"] = self._series(np.where(never, self.time, self.label_end)).set(never, None)
        data.update({name: roles[name] for name in ("weight", "returns") if roles[name] is not None})
        return pl.DataFrame(data)

    def _series(self, values: IntTimes) -> pl.Series:
        """Times in polars, in the zone they came in."""
        import polars as pl

        if self.time_unit == "bar":
            return pl.Series(values)
        seconds = self.time_unit == "s"  # a unit polars does not know
        series = pl.Series(as_datetimes(values * 1000 if seconds else values, "ms" if seconds else self.time_unit))
        if self.time_zone is None or self.time_unit == "d":
            return series
        return series.dt.replace_time_zone("UTC").dt.convert_time_zone(self.time_zone)

    @cached_property
    def fingerprint(self) -> str:
        """The 128-bit content hash of the panel, as 32 hex digits.

        Equal for equal content, whatever library it came from and however it was chunked; computed when first asked
        for, in one pass over the data. Names, kinds, lengths and values of every column count; the order of the
        feature columns does not.
        """
        from tradewright.panel.fingerprint import panel_fingerprint

        return panel_fingerprint(self)

    def _column(self, name: str) -> NDArray[Any]:
        try:
            return self.columns[name]
        except KeyError:
            from tradewright.panel.ingest import did_you_mean

            raise ColumnNotFoundError(
                f"the panel has no feature {name!r}; {did_you_mean(name, self.feature_names)}",
                code="data.column_not_found",
                column=name,
            ) from None

    # --- printing -------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        plural = "s" if len(self.columns) != 1 else ""
        head = f"Panel: {len(self):,} rows × {len(self.columns)} feature{plural}"
        if self.asset is not None:
            head += f", {len(self.asset_names)} assets"
        if len(self):
            head += f", {format_time(self.time.min(), self.time_unit)} … {format_time(self.time.max(), self.time_unit)}"
        ends = self.label_end
        label = "none" if self.y is None else self.target
        if ends is not None and len(self):
            last = "never" if ends.max() == OPEN else format_time(ends.max(), self.time_unit)
            label += f", labels end {format_time(ends.min(), self.time_unit)} … {last}"
        names = ", ".join(self.feature_names[:8]) + (" …" if len(self.columns) > 8 else "")
        lines = [head, f"  target    {label}", f"  features  {names}"]
        if self.dropped:
            lines.append(f"  dropped   {self.dropped:,} rows whose label had not closed")
        return "\n".join(lines)

    def __getstate__(self) -> dict[str, Any]:
        state = {item.name: getattr(self, item.name) for item in fields(self)}
        return state | {"columns": dict(self.columns), "source": dict(self.source)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        self.__post_init__()


def _plain_horizon(horizon: Any) -> int | str | None:
    """A horizon as JSON can hold it."""
    if horizon is None or isinstance(horizon, str):
        return horizon
    if isinstance(horizon, timedelta | np.timedelta64):
        return f"{np.timedelta64(horizon) // np.timedelta64(1, 'ns')}ns"
    return int(horizon)


def _take(values: NDArray[Any], rows: Any) -> NDArray[Any]:
    """The rows of one column: a Rows knows when that is a view."""
    if isinstance(rows, slice):
        return values[rows]
    taken: NDArray[Any] = rows.take(values) if hasattr(rows, "ranges") else values[_positions(rows, len(values))]
    return taken


def _positions(rows: Any, n_rows: int) -> NDArray[Any]:
    """An index array or mask that fits, or an error that says what does not."""
    index = np.asarray(rows)
    if index.size == 0:
        return np.zeros(0, dtype=np.int64)
    if index.dtype.kind not in "iub" or index.ndim != 1:
        raise DataError("rows must be positions, a boolean mask or a Rows", code="data.rows")
    outside = len(index) != n_rows if index.dtype.kind == "b" else (index.min() < -n_rows or index.max() >= n_rows)
    if outside:
        raise DataError(
            f"rows do not fit a panel of {n_rows:,} rows: pass positions below that, or a mask of that length",
            code="data.rows",
        )
    return index
