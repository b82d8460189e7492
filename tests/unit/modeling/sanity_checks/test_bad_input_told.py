"""What is refused says what it found, where, and what to do; what numpy would read quietly and wrongly is read right."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tradewright as tw
from tradewright.cli import main
from tradewright.errors import DataError, MissingTimeError, ParameterError

N = 60
X = np.random.default_rng(0).normal(size=(N, 2))
Y = np.random.default_rng(1).normal(size=N)
CHECKER = tw.ModelSanityChecker()

TABLES = {
    "numpy": lambda columns: np.column_stack([np.asarray(values, dtype=object) for values in columns.values()]),
    "text": lambda columns: np.column_stack([np.asarray(values) for values in columns.values()]),
    "pandas": pd.DataFrame,
    "polars": lambda columns: pl.DataFrame(columns, strict=False),
    "pyarrow": lambda columns: pa.table({name: pa.array(values) for name, values in columns.items()}),
    "dict": dict,
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("side", ["X_train", "X_val"])
def test_the_column_of_text_is_named_with_a_value(kind, side):
    good, bad = {"a": X[:, 0], "b": X[:, 1]}, {"a": X[:, 0], "b": ["high", "low"] * (N // 2)}
    tables = [TABLES[kind](bad if name == side else good) for name in ("X_train", "X_val")]
    if kind == "numpy":
        tables[side == "X_train"] = tables[side == "X_train"].astype(float)
    name = "x1" if kind in ("numpy", "text") else "b"
    message = rf"{side}: column '{name}' is of dtype .*, not numeric \(row 0 holds 'high'\): encode it, or leave it out"
    with pytest.raises(DataError, match=message):
        CHECKER.run(tables[0], Y, tables[1], Y)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"a": X[:, 0], "b": [None] * N}), "column 'b' is of dtype object, not numeric, and has no value"),
        (
            pd.DataFrame({"a": X[:, 0], "b": pd.Series([1.0, None] * (N // 2), dtype=object)}),
            "column 'b' .* though all its values are numbers: convert it",
        ),
        (X.astype(object), r"X_train is of dtype object, and holds numbers: pass X_train.astype\(float\)"),
        (X.astype(str), "X_train is of dtype <U.*, and holds numbers"),
        (pl.DataFrame({"a": [2**70] * N}), "column 'a' is Int128, which numpy does not have: cast it to Int64"),
        (X[:, 0], r"X_train has shape \(60,\): pass one of .*one feature: X\[:, None\]"),
        ("data.csv", r"X_train is a builtins.str: pass one of \(n_rows, n_features\), or a frame"),
    ],
    ids=["empty", "objects", "matrix of objects", "matrix of text", "128 bits", "vector", "path"],
)
def test_what_is_no_table_of_numbers_says_why(table, message):
    with pytest.raises(DataError, match=message):
        CHECKER.run(table, Y)


def test_sparse_matrices_are_named():
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(X)
    with pytest.raises(DataError, match=r"X_train is sparse \(csr_matrix\).*X_train.toarray\(\)"):
        CHECKER.run(sparse, Y)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
def test_what_is_masked_is_missing(dtype):
    mask = np.zeros((N, 2), bool)
    mask[1::3, 1] = True
    values = (X * 100).astype(dtype)
    values[mask] = 7
    masked = np.ma.masked_array(values, mask=mask)
    report = CHECKER.run(masked, np.ma.masked_array(Y, mask=mask[:, 1]), suite=["feature.nan", "target.invalid"])
    assert {(f.id, f.columns, f.count) for f in report.findings} == {
        ("feature.nan", ("x1",), N // 3),
        ("target.invalid", (), N // 3),
    }


@pytest.mark.parametrize(
    ("asset", "message"),
    [
        (["A", None] * (N // 2), "row 1: column 'asset_train' is missing"),
        (np.where(np.arange(N) % 2, np.nan, 1.0), "row 1: column 'asset_train' is missing"),
        (np.arange(N) + 0.5, "holds fractions, not asset ids"),
        (["A", 1] * (N // 2), r"mixes kinds of asset ids: make all of them text, or all integers \([^\n]*\)$"),
    ],
    ids=["None", "NaN", "fractions", "mixed"],
)
def test_assets_that_are_none_are_refused(asset, message):
    with pytest.raises(DataError, match=message):
        CHECKER.run(X, Y, time_train=np.arange(N), asset_train=asset)


@pytest.mark.parametrize(
    "asset",
    [np.arange(N) % 4, [f"{k % 4}" for k in range(N)], pd.Categorical(np.arange(N) % 4), pl.Series(np.arange(N) % 4)],
)
def test_assets_of_two_sides_are_matched_by_name(asset):
    other = ["3", "1", "9", "3"]
    report = CHECKER.run(
        X,
        Y,
        X[:4],
        Y[:4],
        time_train=np.arange(N),
        time_val=np.arange(N, N + 4),
        asset_train=asset,
        asset_val=other,
        suite=["split.entity_overlap"],
    )
    assert [(f.count, f.value) for f in report.findings] == [(2, pytest.approx(2 / 3))]


def test_times_that_are_none_are_refused():
    with pytest.raises(DataError, match="time_train holds periods, and a row has one time: pass their ends"):
        CHECKER.run(X, Y, time_train=pd.period_range("2020-01", periods=N, freq="M"))
    times = np.datetime64("2020-01-01") + np.arange(N)
    times[5] = np.datetime64("NaT")
    with pytest.raises(MissingTimeError, match="row 5: time_train is missing"):
        CHECKER.run(X, Y, time_train=times)


@pytest.mark.parametrize("horizon", [-1, 2.5, True, "5 days", "soon"])
def test_horizons_that_are_none_are_refused(horizon):
    with pytest.raises(ParameterError, match="horizon="):
        CHECKER.run(X, Y, time_train=np.arange(N), horizon=horizon)


def test_nothing_to_check_is_not_passed():
    with pytest.raises(ParameterError, match="there is nothing to check"):
        CHECKER.run(None)


def test_other_things_than_a_panel_and_a_plan():
    panel = tw.Panel.from_arrays(X, Y, time=np.arange(N), label_end=np.arange(N))
    splitter = tw.PurgedKFold(n_splits=3)
    plan = splitter.plan(panel)
    for wrong, message in (
        (splitter, r"pass splitter.plan\(panel\)"),
        (plan[0], r"folds=\[number\]"),
        (None, "SplitPlan"),
    ):
        with pytest.raises(ParameterError, match=message):
            tw.check(panel, wrong)
    with pytest.raises(ParameterError, match="check takes a Panel, not a DataFrame: make one"):
        tw.check(pd.DataFrame(X), plan)


def test_panels_of_wide_numbers_are_refused():
    frame = pl.DataFrame({"t": range(3), "a": [2**70] * 3, "y": [0.0] * 3})
    with pytest.raises(DataError, match="feature 'a' is Int128, which numpy does not have"):
        tw.Panel.from_frame(frame, target="y", time="t")


def test_functions_that_multiply_rows_are_refused():
    prices = pd.DataFrame({"close": np.cumsum(Y)})
    with pytest.raises(DataError, match="f returned 120 rows for 60: return one row for each, or fewer"):
        tw.check_pipeline(lambda raw: pd.concat([raw, raw]), prices)


def test_large_counters_are_settled():
    """2^60 + 3 and 2^60 + 7 differ, and yet by nothing that matters."""
    prices = pd.DataFrame({"close": np.cumsum(Y)})
    large = tw.check_pipeline(lambda raw: raw.assign(n=2**60 + np.arange(len(raw))), prices, windows=(20,))
    small = tw.check_pipeline(lambda raw: raw.assign(n=np.arange(len(raw))), prices, windows=(20,))
    assert [f.columns for f in large.findings if f.id == "lookahead.warmup"] == []
    assert [f.columns for f in small.findings if f.id == "lookahead.warmup"] == [("n",)]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("ret", ["up"] * N, "target 'ret' is String, not numeric"),
        ("date", ["2020-13-45"] * N, "date is of dtype .*, not a time: parse text first"),
        ("ticker", [None] * N, "column 'ticker' is missing"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, capsys, column, value, message):
    frame = pl.DataFrame({"date": np.arange(N), "ticker": ["A"] * N, "x": X[:, 0], "ret": Y})
    frame.with_columns(pl.Series(column, value, strict=False)).write_parquet(tmp_path / "data.parquet")
    roles = ["--target", "ret", "--time", "date", "--asset", "ticker"]
    assert main(["check", str(tmp_path / "data.parquet"), *roles]) == 1
    told = capsys.readouterr().err
    import re

    assert re.search(message, told), told
    assert "Traceback" not in told
