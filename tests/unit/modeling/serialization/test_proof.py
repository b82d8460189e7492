"""tw.verify: a bundle and its data belong together, or the difference is named."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tradewright as tw
from tradewright.cli import main
from tradewright.errors import DataError, IntegrityError, ParameterError
from tradewright.panel.evidence import block_digests, compare_data, differing_blocks, take_evidence

N_DATES, N_ASSETS = 150, 4
ROLES = {"target": "ret", "time": "date", "asset": "ticker", "horizon": 2, "returns": "earned"}


def make_frame():
    rng = np.random.default_rng(0)
    n = N_DATES * N_ASSETS
    dates = np.repeat(np.datetime64("2020-01-01") + np.arange(N_DATES), N_ASSETS)
    return pl.DataFrame(
        {
            "date": dates,
            "ticker": np.tile([f"T{i}" for i in range(N_ASSETS)], N_DATES),
            **{name: rng.normal(size=n) for name in ("momentum", "value", "carry")},
            "flag": rng.integers(0, 2, n),
            "ret": rng.normal(size=n),
            "earned": rng.normal(size=n),
        }
    )


def changed(frame, column, row, value):
    series = frame[column].to_list()
    series[row] = value
    return frame.with_columns(pl.Series(column, series, dtype=frame[column].dtype))


@pytest.fixture(scope="module")
def frame():
    return make_frame()


@pytest.fixture(scope="module")
def panel(frame):
    return tw.Panel.from_frame(frame, **ROLES)


@pytest.fixture(scope="module")
def trained(panel, tmp_path_factory):
    """A stamped model with its plan and report."""
    folder = tmp_path_factory.mktemp("runs")
    plan = tw.PurgedKFold(n_splits=3, embargo="2d").plan(panel)
    trainer = tw.ModelTrainer(tw.ModelRegistry.create("ridge"), mlflow_uri="off", seed=0, output_dir=folder)
    result = trainer.train(panel, fold=plan[1], callbacks=[])
    tw.stamp_predictions(result.model, result.model.predict(panel, rows=plan[1].test), plan[1].test)
    path = folder / "model.tw"
    tw.save_model(result.model, path)
    return path, plan, result


class TestWhatHolds:
    def test_everything(self, trained, panel):
        path, plan, result = trained
        found = tw.verify(path, panel, report=result.report)
        assert found
        assert found.ok
        assert {proof.name: proof.verdict for proof in found.proofs} == {
            "signature": "not checked",
            "data": "holds",
            "plan": "holds",
            "report": "holds",
            "predictions": "holds",
        }
        assert all(found.columns.values())
        assert f"{len(plan[1].train):,} train rows" in found["plan"].message
        assert str(found).startswith("model.tw: proven\n")

    def test_the_same_data_from_another_library_and_in_other_types(self, trained, frame):
        path, *_ = trained
        frames = {
            "pandas": frame.to_pandas(),
            "arrow": frame.to_arrow(),
            "microseconds": frame.with_columns(pl.col("date").cast(pl.Datetime("us"))),
            "int8": frame.with_columns(pl.col("flag").cast(pl.Int8)),
            "columns in another order": frame.select(sorted(frame.columns)),
        }
        for name, other in frames.items():
            assert tw.verify(path, tw.Panel.from_frame(other, **ROLES)), name

    def test_plan_and_predictions_that_are_passed(self, trained, panel):
        path, plan, result = trained
        scored = result.model.predict(panel, rows=plan[1].test)
        assert tw.verify(path, panel, plan=plan, predictions=scored)
        # Passed ones are compared although the data differs.
        other = dataclasses.replace(panel, weight=np.ones(len(panel)))
        found = tw.verify(path, other, plan=plan, predictions=scored)
        assert not found
        assert found["predictions"].verdict == "holds"


class TestWhatDiffers:
    @pytest.mark.parametrize("row", [0, 63, 64, 300, N_DATES * N_ASSETS - 20])
    @pytest.mark.parametrize("column", ["momentum", "flag", "ret", "earned"])
    def test_a_changed_cell_is_named_by_column_and_block(self, trained, frame, column, row):
        path, *_ = trained
        value = frame[column][row] + 1
        found = tw.verify(path, tw.Panel.from_frame(changed(frame, column, row, value), **ROLES))
        assert not found
        proof = found["data"]
        role = {"ret": "target:ret", "earned": "returns:"}.get(column, f"feature:{column}")
        assert proof.columns == (role,)
        assert proof.rows == ((row // 64 * 64, min(row // 64 * 64 + 64, found_rows(path))),)
        assert [name for name, same in found.columns.items() if not same] == [role]
        assert column in proof.message or role.strip(":") in proof.message

    def test_the_last_bit_counts(self, trained, frame):
        path, *_ = trained
        value = float(np.nextafter(frame["value"][100], np.inf))
        found = tw.verify(path, tw.Panel.from_frame(changed(frame, "value", 100, value), **ROLES))
        assert found["data"].columns == ("feature:value",)
        assert str(found).splitlines()[2].startswith("  DIFFERS  data")

    def test_columns_and_rows_that_come_and_go(self, trained, frame):
        path, *_ = trained
        verdicts = {
            "missing: feature 'carry'": frame.drop("carry"),
            "new: feature 'extra'": frame.with_columns(extra=pl.lit(1.0)),
            "rows were trained from, these are": frame.head(len(frame) - N_ASSETS),
        }
        for words, other in verdicts.items():
            proof = tw.verify(path, tw.Panel.from_frame(other, **ROLES))["data"]
            assert proof.verdict == "differs"
            assert words in proof.message

    def test_other_times_assets_and_label_ends(self, trained, frame):
        path, *_ = trained
        for words, other in {
            "label_end, time": frame.with_columns(pl.col("date").dt.offset_by("1d")),
            "asset": frame.with_columns(pl.col("ticker").str.replace("T1", "U1")),
        }.items():
            assert f"changed: {words}" in tw.verify(path, tw.Panel.from_frame(other, **ROLES))["data"].message
        shorter = tw.Panel.from_frame(frame, **{**ROLES, "horizon": 1})
        assert "label_end" in str(tw.verify(path, shorter)["data"]) or len(shorter) != found_rows(path)

    def test_other_plans_reports_and_predictions(self, trained, panel):
        path, plan, result = trained
        wrong = result.model.predict(panel, rows=plan[1].test)
        wrong[5] = np.nextafter(wrong[5], np.inf)
        other_plan = tw.PurgedKFold(n_splits=3).plan(panel)
        other_report = dataclasses.replace(result.report, config={"x": 1})
        found = tw.verify(path, panel, plan=other_plan, report=other_report, predictions=wrong)
        assert [proof.verdict for proof in found.proofs] == ["not checked", "holds", "differs", "differs", "differs"]
        assert found["predictions"].rows == ((0, 64),)
        short = tw.verify(path, panel, predictions=wrong[:-1])["predictions"]
        assert "were scored, these are" in short.message

    def test_a_model_that_predicts_otherwise(self, trained, panel, tmp_path):
        _, _, result = trained
        stamped = result.model.metadata.predictions
        other = tw.ModelRegistry.create("ridge", alpha=50.0).fit(panel)
        other.stamp(predictions=stamped, data_fingerprint=panel.fingerprint)
        tw.save_model(other, tmp_path / "other.tw")
        proof = tw.verify(tmp_path / "other.tw", panel)["predictions"]
        assert proof.verdict == "differs"
        assert "another processor" in proof.message


def found_rows(path):
    return tw.load_model(path).metadata.evidence["n_rows"]


class TestWhatCannotBeChecked:
    def test_a_model_of_arrays(self, tmp_path, panel):
        X = np.random.default_rng(0).normal(size=(30, 2))
        tw.save_model(tw.ModelRegistry.create("ridge").fit(X, X[:, 0]), tmp_path / "model.tw")
        found = tw.verify(tmp_path / "model.tw", panel)
        assert not found.ok  # nothing is proven
        assert {proof.verdict for proof in found.proofs} == {"not checked"}

    def test_a_plain_fit_has_data_only(self, panel, tmp_path):
        tw.save_model(tw.ModelRegistry.create("ridge").fit(panel), tmp_path / "model.tw")
        found = tw.verify(tmp_path / "model.tw", panel)
        assert found
        assert "without a plan" in found["plan"].message
        assert "stamp_predictions" in found["predictions"].message
        plan = tw.PurgedKFold(n_splits=3).plan(panel)
        assert not tw.verify(tmp_path / "model.tw", panel, plan=plan)

    def test_out_of_fold_predictions_of_several_models(self, panel, tmp_path):
        model = tw.ModelRegistry.create("ridge").fit(panel)
        oof = np.arange(len(panel), dtype=float)
        tw.stamp_predictions(model, oof, by="folds")
        tw.save_model(model, tmp_path / "model.tw")
        assert tw.verify(tmp_path / "model.tw", panel)["predictions"].verdict == "not checked"
        assert tw.verify(tmp_path / "model.tw", panel, predictions=oof)["predictions"].verdict == "holds"
        assert not tw.verify(tmp_path / "model.tw", panel, predictions=oof[::-1])

    def test_a_damaged_file_is_an_error(self, trained, panel, tmp_path):
        raw = bytearray(trained[0].read_bytes())
        raw[len(raw) // 2] ^= 1
        (tmp_path / "model.tw").write_bytes(raw)
        with pytest.raises(IntegrityError):
            tw.verify(tmp_path / "model.tw", panel)


class TestStamping:
    def test_rows_are_what_they_are_for(self, panel):
        model = tw.ModelRegistry.create("ridge").fit(panel)
        tw.stamp_predictions(model, np.zeros(4), [1, 2, 3, 9])
        assert model.metadata.predictions["rows"] == [[1, 4], [9, 10]]
        tw.stamp_predictions(model, np.zeros(2), np.arange(len(panel)) < 2)
        assert model.metadata.predictions["rows"] == [[0, 2]]
        for wrong in ([3, 1], [[1]], [1.5, 2.5], [1, 1]):
            with pytest.raises(ParameterError, match="ascending"):
                tw.stamp_predictions(model, np.zeros(2), wrong)
        with pytest.raises(DataError, match="2 predictions for 3 rows"):
            tw.stamp_predictions(model, np.zeros(2), [1, 2, 3])
        with pytest.raises(ParameterError, match="'model' or 'folds'"):
            tw.stamp_predictions(model, np.zeros(2), by="me")

    def test_labels_and_probabilities_of_a_classifier(self, panel, tmp_path):
        up = np.where(panel.y > 0, "up", "down")
        rows = np.arange(400)
        model = tw.ModelRegistry.create("logistic").fit(panel.take(rows), up[rows])
        rest = np.arange(400, len(panel))
        for kind in ("predict", "predict_proba"):
            tw.stamp_predictions(model, getattr(model, kind)(panel, rows=rest), rest)
            model.stamp(data_fingerprint=panel.fingerprint, evidence=take_evidence(panel)[1])
            tw.save_model(model, tmp_path / "model.tw")
            assert tw.verify(tmp_path / "model.tw", panel)["predictions"].verdict == "holds"


@given(st.integers(1, 1200), st.data())
@settings(max_examples=40, deadline=None)
def test_any_changed_row_lies_in_the_blocks_that_are_named(n_rows, data):
    X = np.arange(n_rows * 2, dtype=float).reshape(n_rows, 2)
    _, evidence = take_evidence(tw.Panel.from_arrays(X, None, time=np.arange(n_rows)))
    rows = data.draw(st.lists(st.integers(0, n_rows - 1), min_size=1, max_size=5, unique=True))
    other = X.copy()
    other[rows, data.draw(st.integers(0, 1))] += 0.5
    found = compare_data(json.loads(json.dumps(evidence)), tw.Panel.from_arrays(other, None, time=np.arange(n_rows)))
    assert len(found.changed) == 1
    assert all(any(start <= row < stop for start, stop in found.rows) for row in rows)
    assert sum(stop - start for start, stop in found.rows) <= 64 * len(rows)


@given(st.integers(0, 700), st.data())
@settings(max_examples=40, deadline=None)
def test_digests_of_predictions_see_every_bit(n, data):
    values = np.linspace(-1, 1, n)
    then = block_digests(values)
    assert block_digests(values.copy()) == then
    assert block_digests(values.reshape(-1, 1).ravel()) == then
    if n:
        row = data.draw(st.integers(0, n - 1))
        other = values.copy()
        other[row] = np.nextafter(other[row], 2)
        assert differing_blocks(then, block_digests(other), n) == ((row // 64 * 64, min(row // 64 * 64 + 64, n)),)


class TestCommand:
    @pytest.fixture
    def data(self, frame, tmp_path):
        frame.write_parquet(tmp_path / "data.parquet")
        return tmp_path / "data.parquet"

    def test_the_bundle_knows_its_columns(self, trained, data, capsys):
        assert main(["verify", str(trained[0]), str(data)]) == 0
        assert capsys.readouterr().out.startswith("model.tw: proven")

    def test_a_changed_cell(self, trained, frame, data, capsys):
        changed(frame, "carry", 70, 9.0).write_parquet(data)
        assert main(["verify", str(trained[0]), str(data)]) == 1
        assert "changed: feature 'carry', within rows 64 to 127" in capsys.readouterr().out

    def test_csv_report_and_json(self, trained, frame, tmp_path, capsys):
        report = tmp_path / "report.json"
        report.write_text(trained[2].report.to_json())
        frame.with_columns(pl.col("flag").cast(pl.Int64)).write_csv(tmp_path / "data.csv")
        code = main(["verify", str(trained[0]), str(tmp_path / "data.csv"), "--report", str(report), "--json"])
        told = json.loads(capsys.readouterr().out)
        assert (code, told["ok"]) == (0, True)
        assert {proof["name"]: proof["verdict"] for proof in told["proofs"]}["report"] == "holds"

    def test_columns_by_hand(self, panel, data, tmp_path, capsys):
        part = panel.take(np.arange(len(panel)))  # which no longer knows where it came from
        tw.save_model(tw.ModelRegistry.create("ridge").fit(part), tmp_path / "model.tw")
        assert main(["verify", str(tmp_path / "model.tw"), str(data)]) == 1
        assert "--time" in capsys.readouterr().err
        named = ["--time", "date", "--target", "ret", "--asset", "ticker", "--horizon", "2", "--returns", "earned"]
        assert main(["verify", str(tmp_path / "model.tw"), str(data), *named]) == 0

    def test_what_cannot_be_read(self, trained, tmp_path, capsys):
        (tmp_path / "bad.parquet").write_bytes(b"x")
        for name in ("missing.parquet", "bad.parquet", "data.xlsx"):
            assert main(["verify", str(trained[0]), str(tmp_path / name)]) == 1
            assert name in capsys.readouterr().err

    def test_inspect_is_for_people_and_for_programs(self, trained, capsys):
        assert main(["inspect", str(trained[0])]) == 0
        shown = capsys.readouterr().out
        for words in ("SklearnModel (sklearn), regression", "PurgedKFold", "signature", "none", "scored of this model"):
            assert words in shown
        assert main(["inspect", str(trained[0]), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["model_class"] == "SklearnModel"
        assert main(["inspect", str(trained[0]), "--key", "ab" * 32]) == 1
        assert "is not signed" in capsys.readouterr().err
