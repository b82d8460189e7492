"""DuckDB over the frames' own memory: a 64-bit hash of the row and IN, nothing verified; a profile by one query."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import polars as pl

PACKAGE = "duckdb"
CASES = ("duplicates", "profile")


def given(train: np.ndarray, val: np.ndarray) -> Any:
    """A connection that sees both frames."""
    connection = duckdb.connect()
    for name, matrix in (("train", train), ("val", val)):
        frame = pl.DataFrame({f"c{j}": matrix[:, j] for j in range(matrix.shape[1])})
        connection.register(name, frame.to_arrow())
    return connection, [f"c{j}" for j in range(train.shape[1])]


def duplicates(state: Any) -> int:
    """Rows of val whose hash is in train."""
    connection, names = state
    row = f"hash({', '.join(names)})"
    query = f"select count(*) from val where {row} in (select {row} from train)"
    return int(connection.execute(query).fetchone()[0])


def profile(state: Any) -> Any:
    """Missing and zero cells, range, mean and spread; no comparison with the row before."""
    connection, names = state
    facts = ("count_if(isnan({0}))", "count_if(isinf({0}))", "count_if({0} = 0)", "min({0})", "max({0})", "avg({0})")
    columns = [fact.format(name) for name in names for fact in (*facts, "stddev_pop({0})")]
    return connection.execute(f"select {', '.join(columns)} from train").fetchone()
