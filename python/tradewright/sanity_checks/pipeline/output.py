"""What a feature function returned, as columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError, TradewrightError
from tradewright.panel.times import normalize_times
from tradewright.sanity_checks.pipeline.raw import RawData

__all__ = ["Output", "read_output"]

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
    time, asset : ndarray of int64 or None, shape (n,)
        The times and the assets the output itself names; assets by their number in :attr:`RawData.asset_codes`.
    unit : str
        The unit of the times.
    """

    columns: dict[str, NDArray[Any]]
    code: dict[str, tuple[str, str]]
    n: int
    index: Any = None
    time: Rows | None = None
    asset: Rows | None = None
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
    assets = None if asset is None or raw is None else _encoded(asset, raw.asset_codes)
    keys = set() if raw is None else {str(raw.time), str(raw.asset)}
    kept = {name: values for name, values in columns.items() if name not in keys}
    return Output(kept, code, n, index, time, assets, unit)


def _encoded(asset: Any, codes: dict[str, int]) -> Rows:
    """The number of each asset; new ones get the next."""
    import narwhals.stable.v2 as nw

    if hasattr(asset, "to_series") and hasattr(asset, "names"):  # a pandas index
        asset = asset.to_series()
    names = nw.from_native(asset, series_only=True).unique().to_list()
    for name in names:
        codes.setdefault(str(name), len(codes))
    if len(names) == 1:
        return np.full(len(asset), codes[str(names[0])], dtype=np.int64)
    if hasattr(asset, "replace_strict"):
        replaced: Rows = asset.replace_strict(names, [codes[str(name)] for name in names]).to_numpy()
        return replaced
    found, kinds = sys.modules["pandas"].factorize(asset, use_na_sentinel=False)
    numbers: Rows = np.array([codes[str(kind)] for kind in kinds], dtype=np.int64)
    chosen: Rows = numbers[found]
    return chosen
