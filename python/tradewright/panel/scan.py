"""A panel in parquet files that need not fit into memory: read in batches of rows, or a column at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import ColumnNotFoundError, DataError, ParameterError
from tradewright.panel.columns import is_numeric, numeric_column
from tradewright.panel.fingerprint import hashed_columns
from tradewright.panel.ingest import chosen_features, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from tradewright.panel.panel import Panel

__all__ = ["PanelScan", "ScannedColumns"]

#: The feature that carries the row numbers of the file through what may drop rows.
ROW = "row of the file"


@final
@dataclass(frozen=True, eq=False)
class ScannedColumns(Mapping[str, NDArray[Any]]):
    """Columns of a parquet file by name; each is read when it is asked for, and the last one kept.

    Parameters
    ----------
    frame : polars.LazyFrame
        The file.
    types : mapping of str to polars dtype
        The columns, and what they are read as: whole numbers and truth values with gaps as float64.
    kept : ndarray of bool or None, shape (n_rows of the file,)
        Which rows count; None for all.
    """

    frame: pl.LazyFrame
    types: Mapping[str, Any]
    kept: NDArray[np.bool_] | None = None
    _last: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._last:
            if name not in self.types:
                raise KeyError(name)
            values = self._arrays(self.frame.select(name))[0]
            self._last.clear()
            self._last[name] = values if self.kept is None else values[self.kept]
        return self._last[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.types)

    def __len__(self) -> int:
        return len(self.types)

    def kind(self, name: str) -> str:
        """Return the kind of a column as numpy has it (``"f"``, ``"i"``, ``"u"``, ``"b"``), without reading it."""
        dtype = self.types[name]
        if dtype.is_float():
            return "f"
        return "b" if not dtype.is_integer() else "u" if dtype.is_unsigned_integer() else "i"

    def of(self, names: Sequence[str]) -> Self:
        """Return some of the columns, in this order."""
        return type(self)(self.frame, {name: self.types[name] for name in names}, self.kept)

    def batches(self, n_rows: int, batch_rows: int) -> Iterator[list[NDArray[Any]]]:
        """Yield the columns over the kept rows of ``batch_rows`` rows of the file after the other."""
        wanted = self.frame.select(list(self.types))
        for start in range(0, n_rows, batch_rows):
            columns = self._arrays(wanted.slice(start, batch_rows))
            if self.kept is not None:
                kept = self.kept[start : start + batch_rows]
                columns = [values[kept] for values in columns]
            if columns and len(columns[0]):
                yield columns

    def _arrays(self, lazy: pl.LazyFrame) -> list[NDArray[Any]]:
        import narwhals.stable.v2 as nw
        import polars as pl

        frame = lazy.with_columns(
            pl.col(name).cast(self.types[name]) for name in lazy.collect_schema().names()
        ).collect()
        return [
            numeric_column("feature", name, nw.from_native(series, series_only=True))
            for name, series in zip(frame.columns, frame, strict=True)
        ]


@final
@dataclass(frozen=True, eq=False, repr=False)
class PanelScan:
    """A panel in parquet files that need not fit into memory; made by :meth:`Panel.scan_parquet`.

    Labels, times, label ends and assets are read at once: they are few. Features stay in the files until a check asks
    for them, in batches of rows or a column at a time: what is in memory are these few, one feature, and up to three
    batches.

    Attributes
    ----------
    index : Panel
        The panel without its features.
    columns : ScannedColumns
        The features by name, each read when it is asked for.
    file_rows, batch_rows : int
        Rows of the files, and how many of them are read at once.
    """

    index: Panel
    columns: ScannedColumns
    file_rows: int
    batch_rows: int

    @classmethod
    def open(
        cls, path: str | Path, *, features: Sequence[str] | None = None, batch_rows: int = 262_144, **roles: Any
    ) -> Self:
        """See :meth:`Panel.scan_parquet`."""
        import polars as pl

        from tradewright.panel.panel import Panel

        if isinstance(batch_rows, bool) or batch_rows < 1 or batch_rows % 1:
            raise ParameterError(f"batch_rows={batch_rows!r}: pass a count of rows, 1 or more", code="panel.batch_rows")
        try:
            frame = pl.scan_parquet(path)
            schema = frame.collect_schema()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}", code="panel.file") from error
        given = {name: roles.get(name) for name in ("target", "time", "asset", "label_end", "weight", "returns")}
        for role, name in given.items():
            if name is not None and name not in schema:
                raise ColumnNotFoundError(
                    f"{role}={name!r} is not a column of {path}; {did_you_mean(name, schema)}",
                    code="data.column_not_found",
                    column=name,
                    role=role,
                )
        wanted = [name for name in dict.fromkeys(given.values()) if name is not None]
        table = frame.select(wanted).with_columns(pl.int_range(pl.len()).alias(ROW)).collect()
        index = Panel.from_frame(table, features=[ROW], **roles)
        n_rows, rows = len(table), index.columns[ROW]
        kept = None
        if len(rows) < n_rows:
            kept = np.zeros(n_rows, dtype=bool)
            kept[rows] = True
        types = _feature_types(frame, dict(schema), features, given)
        return cls(replace(index, columns={}), ScannedColumns(frame, types, kept), n_rows, int(batch_rows))

    def __len__(self) -> int:
        return len(self.index)

    def batches(self, names: Sequence[str] | None = None) -> Iterator[list[NDArray[Any]]]:
        """Yield features (by default all), over ``batch_rows`` rows of the file after the other."""
        columns = self.columns if names is None else self.columns.of(names)
        return columns.batches(self.file_rows, self.batch_rows)

    @cached_property
    def digests(self) -> list[str]:
        """The hashes of all columns, features first; each column is read once more."""
        of_features = [
            _core.fingerprint_columns([values], [f"feature:{name}"], [None], [None])[0]
            for name, values in self.columns.items()
        ]
        return [*of_features, *hashed_columns(self.index).digests()]

    @property
    def fingerprint(self) -> str:
        """The content hash: that of the panel these files make in memory. Reads each column once."""
        return _core.combine_fingerprints(self.digests)

    def __repr__(self) -> str:
        shown = (
            repr(self.index).replace("Panel: ", "PanelScan: ", 1).replace("0 features", f"{len(self.columns)} features")
        )
        names = ", ".join(list(self.columns)[:8]) + (" …" if len(self.columns) > 8 else "")
        lines = [f"  features  {names}" if line.startswith("  features") else line for line in shown.split("\n")]
        return "\n".join([*lines, f"  read by   {self.batch_rows:,} rows"])


def _feature_types(
    frame: pl.LazyFrame, schema: Mapping[str, Any], features: Sequence[str] | None, roles: dict[str, str | None]
) -> dict[str, Any]:
    """The features and what they are read as, so that every batch of a column is of one dtype."""
    import narwhals.stable.v2 as nw
    import polars as pl

    def numeric(dtype: Any) -> bool:
        return is_numeric(nw.from_native(pl.Series(dtype=dtype), series_only=True).dtype)

    if features is None:
        names = [name for name, dtype in schema.items() if name not in roles.values() and numeric(dtype)]
    else:
        names = chosen_features(features, list(schema), roles)
        wrong = next((name for name in names if not numeric(schema[name])), None)
        if wrong is not None:
            raise DataError(
                f"feature {wrong!r} is {schema[wrong]}, not numeric: encode it first, or leave it out",
                code="data.not_numeric",
                column=wrong,
            )
    whole = [name for name in names if not schema[name].is_float()]
    gaps = frame.select(pl.col(whole).null_count()).collect().row(0, named=True) if whole else {}
    return {name: pl.Float64() if gaps.get(name) else schema[name] for name in names}
