"""The plain face: inputs of any kind, slips named, nothing passed silently."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tradewright import ModelSanityChecker, Panel, PurgedKFold, check
from tradewright.errors import DataError, EmptyDataError, FeatureMismatchError, ParameterError
from tradewright.sanity_checks.suites import CHECKS

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(60, 3)), rng.normal(size=60)
XV, YV = rng.normal(size=(30, 3)), rng.normal(size=30)
XV[4] = X[9]
NAMES = ["a", "b", "c"]


def kinds():
    return {
        "numpy": (X, Y, XV, YV),
        "fortran": (np.asfortranarray(X), Y[:, None], np.asfortranarray(XV), YV),
        "pandas": (pd.DataFrame(X, columns=NAMES), pd.Series(Y), pd.DataFrame(XV, columns=NAMES), pd.Series(YV)),
        "polars": (pl.DataFrame(X, schema=NAMES), pl.Series(Y), pl.DataFrame(XV, schema=NAMES), pl.Series(YV)),
        "numbered": (pd.DataFrame(X), Y, pd.DataFrame(XV)[[2, 0, 1]], YV),
        "texts": (pd.DataFrame(X), Y, pl.DataFrame(XV, schema=["0", "1", "2"]), YV),
        "mixed": (pl.DataFrame(X, schema=NAMES), Y.tolist(), pd.DataFrame(XV[:, ::-1], columns=NAMES[::-1]), YV),
        "backwards": (X[::-1][::-1], Y, XV.astype(">f8"), YV),
    }


DEFAULT = {kind.id for kind in CHECKS if kind.by_default}
NEED_TIMES = {
    *(f"split.{name}" for name in ("index_overlap", "time_order", "label_overlap", "same_timestamp", "embargo")),
    "lookahead.asof",
    "dup.key",
    "dup.entity",
}


@pytest.mark.parametrize("kind", kinds())
def test_any_kind_of_input(kind):
    report = ModelSanityChecker().run(*kinds()[kind])
    assert [(f.id, f.count, f.examples[0].row, f.examples[0].other_row) for f in report.findings] == [
        ("dup.cross_exact", 1, 4, 9)
    ]
    assert set(report.checks_run) == DEFAULT - NEED_TIMES
    assert set(report.checks_skipped) == NEED_TIMES
    assert not report.sampled


def test_equal_data_has_equal_fingerprint_and_digest():
    first, second = (ModelSanityChecker().run(*kinds()[kind]) for kind in ("pandas", "polars"))
    assert first.data_fingerprint == second.data_fingerprint
    assert first.digest == second.digest
    turned = ModelSanityChecker().run(XV, YV, X, Y)
    assert turned.data_fingerprint not in (None, first.data_fingerprint)


def test_panels_bring_their_times_and_assets():
    def panel(x, y, start):
        return Panel.from_arrays(x, y, time=np.arange(len(x)) + start, label_end=np.arange(len(x)) + start + 2)

    report = ModelSanityChecker().run(panel(X, Y, 0), None, panel(XV, YV, 60))
    assert set(report.checks_skipped) == {"lookahead.asof", "dup.entity"}
    assert {f.id: f.count for f in report.findings} == {"dup.cross_exact": 1, "split.label_overlap": 2}


def test_a_datetime_index_gives_the_times():
    days = pd.date_range("2024-01-01", periods=90)
    frames = (pd.DataFrame(X, columns=NAMES, index=days[:60]), pd.DataFrame(XV, columns=NAMES, index=days[59:89]))
    report = ModelSanityChecker().run(frames[0], Y, frames[1], YV)
    overlap = next(f for f in report.findings if f.id == "split.label_overlap")
    assert overlap.count == 1
    assert overlap.examples[0].row == 59
    assert overlap.examples[0].time == "2024-02-29"


def test_times_of_different_units_are_compared_exactly():
    coarse = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    fine = coarse[-1].astype("datetime64[ns]") + np.arange(1, 31).astype("timedelta64[ns]")
    ran = ModelSanityChecker().run(
        X, Y, XV, YV, time_train=coarse, time_val=fine, suite=["split.label_overlap"], horizon=0
    )
    assert ran.findings == ()
    assert ran.checks_run == ("split.label_overlap",)
    fine[0] = coarse[-1]
    assert (
        ModelSanityChecker()
        .run(X, Y, XV, YV, time_train=coarse, time_val=fine, suite=["split.label_overlap"])
        .findings[0]
        .count
        == 1
    )


def test_mixed_kinds_of_times_are_named():
    run = ModelSanityChecker().run
    days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    with pytest.raises(DataError, match="time_val counts bars but time_train holds times"):
        run(X, Y, XV, YV, time_train=days, time_val=np.arange(30))
    with pytest.raises(DataError, match="time_train counts bars but time_val holds times"):
        run(X, Y, XV, YV, time_train=np.arange(60), time_val=days[:30])
    with pytest.raises(DataError, match="label_end_val counts bars but time_train holds times"):
        run(X, Y, XV, YV, time_train=days, time_val=days[:30], label_end_val=np.arange(30))
    fine = {"time_train": days, "time_val": days[:30].astype("datetime64[ns]"), "label_end_val": np.arange(30)}
    with pytest.raises(DataError, match="label_end_val counts bars but time_val holds times"):
        run(X, Y, XV, YV, **fine)
    far = np.array([days[0]] * 59 + [np.datetime64("9999-12-31")])
    with pytest.raises(DataError, match="row 59: time_train 9999-12-31 is out of reach in ns"):
        run(X, Y, XV, YV, time_train=far, time_val=days[:30].astype("datetime64[ns]"))


def test_swapped_arguments_are_named():
    checker = ModelSanityChecker()
    with pytest.raises(ParameterError, match="look swapped") as error:
        checker.check_data_leakage(X, Y, XV, YV)
    assert error.value.code == "sanity.swapped"
    with pytest.raises(ParameterError, match="look swapped"):
        checker.run(X, XV, Y, YV)


def test_the_plain_methods():
    checker = ModelSanityChecker()
    constant = checker.check_target_distribution(np.ones(40))
    assert next((f.id, f.severity, f.count) for f in constant.findings) == ("target.constant", "error", 40)
    unresolved = checker.check_target_distribution(np.append(Y, [np.nan, np.inf]))
    assert [(f.id, f.count) for f in unresolved.findings] == [("target.invalid", 2)]
    assert "at the end" in unresolved.findings[0].message
    assert [f.id for f in checker.check_target_distribution(pl.Series([1, 1, 2])).findings] == ["target.too_few"]
    assert {"feature.nan", "feature.high_correlation"} <= set(checker.check_feature_quality(X).checks_run)
    assert checker.check_data_leakage(X, XV, Y, YV).findings[0].id == "dup.cross_exact"


def test_ignoring_checks_and_columns():
    broken = X.copy()
    broken[30:, :2] = np.nan
    frame = pd.DataFrame(broken, columns=NAMES)
    run = ModelSanityChecker().run
    assert [f.columns for f in run(frame, Y).findings] == [("a",), ("b",)]
    report = run(frame, Y, ignore=[("feature.nan", "a"), "target.constant"])
    assert [f.columns for f in report.findings] == [("b",)]
    assert "target.constant" not in report.checks_run
    assert report.config["ignore"] == [["feature.nan", "a"], "target.constant"]


def test_unknown_names_are_refused():
    run = ModelSanityChecker().run
    with pytest.raises(ParameterError, match=r"there is no check 'dup.cross_exakt'; there is dup.cross_exact"):
        run(X, Y, ignore=["dup.cross_exakt"])
    with pytest.raises(ParameterError, match="suite='drifts'"):
        run(X, Y, suite="drifts")
    with pytest.raises(ParameterError, match="there is no check"):
        run(X, Y, suite=["nothing"])
    with pytest.raises(ParameterError, match="no threshold 'warn'; it has info, warning, error"):
        ModelSanityChecker({"feature.nan": {"warn": 0.1}})


@pytest.mark.parametrize("value", ["x", "0.3", None, True, np.nan, [0.3], 1j])
def test_thresholds_that_are_no_numbers_are_refused(value):
    panel = Panel.from_arrays(X, Y, time=np.arange(60), horizon=2)
    config = {"feature.nan": {"error": 0.9, "warning": value}}
    with pytest.raises(ParameterError, match=r"feature\.nan: threshold 'warning' is .*: pass a number") as error:
        ModelSanityChecker(config)
    assert error.value.fields == {"check": "feature.nan", "threshold": "warning"}
    with pytest.raises(ParameterError, match=r"feature\.nan: threshold 'warning' is"):
        check(panel, PurgedKFold(n_splits=3).plan(panel), config=config, suite="leakage")


def test_thresholds_are_a_mapping_of_any_real_numbers():
    with pytest.raises(
        ParameterError, match=r"config\['feature.nan'\]=0.3: pass a mapping of its thresholds .info, warning"
    ):
        ModelSanityChecker({"feature.nan": 0.3})
    reports = [
        ModelSanityChecker({"dup.cross_exact": {"sigmas": sigmas}}).run(X, Y, XV, YV)
        for sigmas in (3, 3.0, np.float32(3), np.int64(3))
    ]
    assert {report.digest for report in reports} == {reports[0].digest}
    assert reports[0].config["thresholds"]["dup.cross_exact"] == {"sigmas": 3.0}


def test_bad_data_is_refused_with_its_place():
    run = ModelSanityChecker().run
    with pytest.raises(FeatureMismatchError, match="lacks 'c' and has also 'd'"):
        run(pd.DataFrame(X, columns=NAMES), Y, pd.DataFrame(XV, columns=["a", "b", "d"]), YV)
    with pytest.raises(FeatureMismatchError, match="lacks 'x2'"):
        run(X, Y, XV[:, :2], YV)
    with pytest.raises(DataError, match="column 's' is of dtype"):
        run(pl.DataFrame({"s": ["x", "y"]}), [1, 2])
    with pytest.raises(DataError, match="'y' has 59 rows, 'x0' has 60"):
        run(X, Y[:-1])
    with pytest.raises(DataError, match="y_train has 3 columns"):
        run(X, X)
    with pytest.raises(DataError, match=r"X_train has shape \(60,\)"):
        run(Y, Y)


def test_frames_that_cannot_be_read_are_refused_with_a_remedy():
    run = ModelSanityChecker().run
    with pytest.raises(
        DataError, match=r"X_train has column names that stand twice: rename or drop them.*'a'"
    ) as error:
        run(pd.DataFrame(X, columns=["a", "b", "a"]), Y)
    assert error.value.code == "data.duplicate_column"
    with pytest.raises(DataError, match=r"X_val has two columns called '1' \(names are compared as text\)"):
        run(pd.DataFrame(X), Y, pd.DataFrame(XV, columns=[0, 1, "1"]), YV)
    with pytest.raises(DataError, match="X_train has two columns called '1'"):
        run({1: Y, "1": Y}, Y)
    for lazy in (pl.LazyFrame(X, schema=NAMES), pl.DataFrame(X, schema=NAMES).lazy().select("a")):
        with pytest.raises(DataError, match=r"X_train is a polars.*LazyFrame.*collect it first"):
            run(lazy, Y)
        with pytest.raises(DataError, match=r"X_val is a polars.*LazyFrame.*collect it first"):
            run(X[:, :1], Y, lazy, YV)


@pytest.mark.parametrize("kind", ["numpy", "pandas", "polars", "panel"])
def test_tables_without_rows_are_refused(kind):
    def table(x, y):
        if kind == "panel":
            whole = Panel.from_arrays(X, Y, time=np.arange(60), label_end=np.arange(60))
            return whole.take(np.arange(len(x)))
        return {"numpy": x, "pandas": pd.DataFrame(x), "polars": pl.DataFrame(x, schema=["0", "1", "2"])}[kind]

    run = ModelSanityChecker().run
    with pytest.raises(EmptyDataError, match="X_train has no rows"):
        run(table(X[:0], Y[:0]), None, table(X, Y))
    with pytest.raises(EmptyDataError, match="X_val has no rows") as error:
        run(table(X, Y), None, table(X[:0], Y[:0]))
    assert error.value.fields["argument"] == "X_val"


def test_findings_name_numbered_columns():
    broken = X.copy()
    broken[:, 1] = np.nan
    report = ModelSanityChecker().check_feature_quality(pd.DataFrame(broken))
    assert [(f.id, f.columns) for f in report.findings] == [("feature.nan", ("1",)), ("feature.constant", ("1",))]


def test_what_cannot_run_is_listed():
    report = ModelSanityChecker().run(X)
    assert set(report.checks_run) | set(report.checks_skipped) == DEFAULT
    assert "feature.nan" in report.checks_run
    assert report.checks_skipped["target.constant"] == "there are no labels: pass y_train"
    assert "no validation rows" in report.checks_skipped["dup.cross_exact"]
    assert "every label is missing" in ModelSanityChecker().run(X, Y * np.nan).checks_skipped["target.constant"]


def test_check_of_a_plan_names_folds_and_refuses_foreign_plans():
    panel = Panel.from_arrays(np.vstack([X, XV]), np.append(Y, YV), time=np.arange(90))
    plan = PurgedKFold(n_splits=3).plan(panel)
    report = check(panel, plan, suite="leakage")
    assert {(f.fold, f.against, f.count) for f in report.findings} == {(0, "test", 1), (2, "test", 1)}
    assert report.plan_digest == plan.digest
    assert report.data_fingerprint == panel.fingerprint
    assert {f.fold for f in check(panel, plan, suite="leakage", folds=[2]).findings} == {2}
    assert check(panel, plan, suite="leakage", folds=[1]).findings == ()
    with pytest.raises(ParameterError, match="fold 3: the plan has folds 0 to 2"):
        check(panel, plan, folds=[3])
    with pytest.raises(ParameterError, match="the plan is over 90 rows, the panel has 60"):
        check(Panel.from_arrays(X, Y, time=np.arange(60)), plan)


def test_a_plan_of_other_data_is_refused_where_it_knows_its_data():
    panel = Panel.from_arrays(X, Y, time=np.arange(60), horizon=2)
    other = Panel.from_arrays(X + 1, Y, time=np.arange(60), horizon=2)
    blind = PurgedKFold(n_splits=3).plan(panel.times, label_end=panel.label_ends)
    assert blind.data_fingerprint is None
    assert check(other, blind).plan_digest == blind.digest
    known = panel.fingerprint
    plan = PurgedKFold(n_splits=3).plan(panel)
    assert plan.data_fingerprint == known
    same = Panel.from_arrays(X.copy(), Y, time=np.arange(60), horizon=2)
    assert check(same, plan).data_fingerprint == known
    with pytest.raises(DataError, match="the plan was made from other data") as error:
        check(other, plan, suite="quality")
    assert error.value.fields == {"expected": known, "got": other.fingerprint}


def test_columns_of_a_panel_are_read_in_place():
    from tradewright.sanity_checks.inputs import feature_columns

    panel = Panel.from_arrays(X, Y, time=np.arange(60))
    assert all(np.shares_memory(values, X) for values in feature_columns(panel, "panel").values())
    assert all(np.shares_memory(values, X) for values in feature_columns(X, "X_train").values())
    frame = pl.DataFrame(X, schema=NAMES)
    assert all(np.shares_memory(v, frame[n].to_numpy()) for n, v in feature_columns(frame, "X_train").items())
