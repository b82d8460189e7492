"""Data as it comes: handled, or refused with a text that says what to do; no check falls over, none passes silently."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tradewright as tw
from tradewright.errors import DataError, EmptyDataError, FeatureMismatchError, ParameterError
from tradewright.sanity_checks.suites import CHECKS

N, M = 120, 40
ALL = {kind.id for kind in CHECKS}


def sides(**columns):
    """Train and validation frames with a plain feature and what is given."""
    rng = np.random.default_rng(0)
    plain = {"x": rng.normal(size=N + M), **columns}
    return ({name: np.asarray(values)[part] for name, values in plain.items()} for part in (slice(N), slice(N, None)))


def run(X, X_val=None, **keywords):
    """All checks, with everything known; every one of them ran or was skipped with a reason."""
    rng = np.random.default_rng(1)
    n, m = (0 if side is None else len(side["x"] if isinstance(side, dict) else side) for side in (X, X_val))
    given = {
        "y_train": rng.normal(size=n),
        "y_val": None if X_val is None else rng.normal(size=m),
        "time_train": np.arange(n),
        "label_end_train": np.arange(n),
        "asset_train": ["A"] * n,
    }
    if X_val is not None:
        given |= {"time_val": np.arange(n, n + m), "label_end_val": np.arange(n, n + m), "asset_val": ["A"] * m}
    given |= {"suite": sorted(ALL), **keywords}  # those too that run only where asked for
    report = tw.ModelSanityChecker().run(X, X_val=X_val, **given)
    assert set(report.checks_run) | set(report.checks_skipped) == ALL
    assert all(report.checks_skipped.values())
    assert report.to_html()
    assert tw.SanityReport.from_json(report.to_json()).digest == report.digest
    return report


def ids(report, severity="warning"):
    return {(f.id, f.columns) for f in report.at_least(severity)}


# --- columns ----------------------------------------------------------------------------------------------------------


def test_other_columns_in_validation_are_named():
    train, val = sides(a=np.zeros(N + M), b=np.zeros(N + M))
    del val["b"]
    with pytest.raises(FeatureMismatchError, match="X_val does not have the columns of X_train: it lacks 'b'"):
        run(train, val)
    val |= {"b": np.zeros(M), "c": np.zeros(M)}
    with pytest.raises(FeatureMismatchError, match="it has also 'c'"):
        run(train, val)
    with pytest.raises(FeatureMismatchError, match="X_val does not have the columns"):
        run(np.zeros((N, 3)), np.zeros((M, 4)))


@pytest.mark.parametrize("pair", [("f8", "f4"), ("i8", "f8"), ("i4", "i8"), ("?", "f8"), ("u1", "i8"), ("f2", "f8")])
def test_other_dtypes_in_validation_are_compared_as_numbers(pair):
    values = np.random.default_rng(2).integers(0, 2, N + M)
    train, val = sides(few=values)
    train["few"], val["few"] = train["few"].astype(pair[0]), val["few"].astype(pair[1])
    train["x"][7], val["x"][3] = 5.0, 5.0
    train["few"][7], val["few"][3] = 1, 1
    finding = next(f for f in run(train, val).findings if f.id == "dup.cross_exact")
    assert (finding.count, finding.examples[0].row, finding.examples[0].other_row) == (1, 3, 7)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["a", "b"] * 60),
        pd.Series(pd.Categorical(["a", "b"] * 60)),
        pd.Series(["a", 1.0] * 60, dtype=object),
        pd.Series(pd.date_range("2024-01-01", periods=120)),
        pd.Series([1 + 2j] * 120),
    ],
    ids=["text", "categorical", "object", "times", "complex"],
)
def test_columns_that_are_not_numeric_are_named(column):
    frame = pd.DataFrame({"x": np.arange(120.0), "odd": column})
    with pytest.raises(
        DataError, match=r"X_train: column 'odd' is of dtype .*, not numeric.*: encode it, or leave it out"
    ):
        tw.ModelSanityChecker().run(frame)
    strings = pl.DataFrame({"x": np.arange(120.0), "odd": pl.Series(["a", "b"] * 60, dtype=pl.Categorical)})
    with pytest.raises(DataError, match="column 'odd'"):
        tw.ModelSanityChecker().run(strings)


def test_numbers_of_pandas_with_gaps_are_read():
    frame = pd.DataFrame(
        {"x": pd.array([1, None, 3] * 40, dtype="Int64"), "flag": pd.array([True, None] * 60, dtype="boolean")}
    )
    for table in (frame, pl.DataFrame({"x": [1, None, 3] * 40, "flag": [True, None] * 60})):
        found = tw.ModelSanityChecker().run(table, suite=["feature.nan"]).findings
        assert {f.columns: f.count for f in found} == {("x",): 40, ("flag",): 60}


def test_a_column_without_any_value():
    train, val = sides(empty=np.full(N + M, np.nan))
    found = ids(run(train, val), "error")
    assert ("feature.nan", ("empty",)) in found
    only_there = {**train, "empty": np.random.default_rng(3).normal(size=N)}
    run(only_there, val)


def test_every_column_empty_or_constant():
    run(*({name: np.full(len(values), np.nan) for name, values in side.items()} for side in sides(a=np.zeros(N + M))))
    run(*({name: np.zeros(len(values)) for name, values in side.items()} for side in sides(a=np.zeros(N + M))))


def test_infinite_and_huge_values():
    rng = np.random.default_rng(4)
    values = {
        "infinite": np.where(rng.random(N + M) < 0.1, np.inf, rng.normal(size=N + M)),
        "largest": rng.choice([1.7e308, -1.7e308, 1.0], N + M),
        "tiny": rng.normal(size=N + M) * 5e-324,
        "whole": rng.integers(2**62, 2**63 - 1, N + M),
        "unsigned": rng.integers(2**63, 2**64 - 1, N + M, dtype=np.uint64),
    }
    run(*sides(**values))


def test_huge_whole_numbers_are_told_apart():
    """2^53 + 1 is no float: rows that differ by it alone are no twins."""
    train, val = sides(whole=np.full(N + M, 2**53))
    train["x"][:], val["x"][:] = 1.0, 1.0
    val["whole"] = val["whole"] + 1
    assert not {f for f in run(train, val).findings if f.id == "dup.cross_exact"}


# --- rows -------------------------------------------------------------------------------------------------------------


def test_empty_sides_are_refused_by_name():
    train, val = sides()
    with pytest.raises(EmptyDataError, match="X_val has no rows"):
        run(train, {"x": np.empty(0)})
    with pytest.raises(EmptyDataError, match="X_train has no rows"):
        run(pd.DataFrame({"x": np.empty(0)}), val)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_handful_of_rows(rows):
    train, val = ({name: values[:rows] for name, values in side.items()} for side in sides(a=np.arange(N + M)))
    run(train, val)
    run(train)


def test_unsorted_times_are_the_same_rows():
    train, val = sides(a=np.random.default_rng(5).normal(size=N + M))
    label_end = {"label_end_train": np.arange(N) + 3, "label_end_val": np.arange(N, N + M) + 3}
    y = {"y_train": np.random.default_rng(6).normal(size=N), "y_val": np.random.default_rng(7).normal(size=M)}
    plain = run(train, val, **label_end, **y)
    order = np.random.default_rng(8).permutation(N)
    turned = run(
        {name: values[order] for name, values in train.items()},
        val,
        **{**label_end, "label_end_train": label_end["label_end_train"][order]},
        **{**y, "y_train": y["y_train"][order]},
        time_train=np.arange(N)[order],
    )

    def told(report):
        return {(f.id, f.severity, f.columns, f.count) for f in report.findings}

    assert told(turned) == told(plain)
    assert ("split.label_overlap", "error", (), 3) in told(plain)


def test_one_asset_is_like_none():
    train, val = sides(a=np.random.default_rng(5).normal(size=N + M))
    one, none = run(train, val), run(train, val, asset_train=None, asset_val=None)
    assert ids(one) == ids(none)
    assert "split.entity_overlap" in none.checks_skipped


def test_one_time_for_all_rows():
    train, val = sides()
    report = run(train, val, time_train=[5] * N, time_val=[5] * M, label_end_train=[5] * N, label_end_val=[5] * M)
    assert next(f.count for f in report.findings if f.id == "split.label_overlap") == N


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        np.full(N, np.nan),
        np.full(N, np.inf),
        np.zeros(N),
        np.arange(N) % 2 == 0,
        np.arange(N, dtype=np.uint8),
        np.full(N, 2**62),
        np.r_[np.nan, np.zeros(N - 1)],
        np.r_[1.0, np.zeros(N - 1)],
        np.random.default_rng(0).normal(size=N).astype(np.float16),
    ],
    ids=["missing", "infinite", "constant", "bool", "bytes", "huge", "one missing", "one other", "half"],
)
def test_labels_of_any_kind(y):
    train, val = sides(a=np.random.default_rng(5).normal(size=N + M))
    run(train, val, y_train=y, y_val=y[:M])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array(["up", "down"] * 60), "y_train is of dtype .*: encode the labels"),
        (np.arange(N, dtype=object), "y_train is of dtype object"),
        (np.zeros((N, 2)), "y_train has 2 columns: pass one label per row"),
        (np.zeros(N - 1), "rows"),
        (3.0, "y_train has shape"),
    ],
    ids=["text", "object", "two columns", "short", "number"],
)
def test_labels_that_are_none_are_refused(y, message):
    train, val = sides()
    with pytest.raises((DataError, ParameterError), match=message):
        run(train, val, y_train=y)
