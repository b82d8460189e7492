"""The manifest: its schema says what is written, and files of earlier versions are read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import tradewright as tw
from tradewright.bundle import inspect_bundle, manifest_schema, read_bundle
from tradewright.bundle.layout import OLDEST, VERSION
from tradewright.bundle.manifest import canonical, digest_of
from tradewright.bundle.migration import migrated

jsonschema = pytest.importorskip("jsonschema")
DATA = Path(__file__).parents[3] / "data"


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(60, 3)), 3)
    y = np.round(X @ [1.0, -2.0, 0.5], 3)
    return tw.Panel.from_arrays(X, y, time=np.arange(60), horizon=1, feature_names=["a", "b", "c"])


@pytest.fixture(scope="module")
def trained(panel, tmp_path_factory):
    plan = tw.PurgedKFold(n_splits=3).plan(panel)
    trainer = tw.ModelTrainer(
        tw.ModelRegistry.create("ridge"), mlflow_uri="off", seed=0, output_dir=tmp_path_factory.mktemp("runs")
    )
    model = trainer.train(panel, fold=plan[0], callbacks=[]).model
    tw.stamp_predictions(model, model.predict(panel, rows=plan[0].test), plan[0].test)
    return model


@pytest.fixture
def saved(trained, tmp_path):
    tw.save_model(trained, tmp_path / "model.tw")
    return inspect_bundle(tmp_path / "model.tw")


def check(manifest):
    jsonschema.Draft202012Validator(manifest_schema()).validate(manifest)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(manifest_schema())


def test_what_is_written_is_what_the_schema_says(saved, tmp_path):
    check(saved)
    X = np.random.default_rng(0).normal(size=(40, 2))
    classifier = tw.ModelRegistry.create("logistic").fit(X, X[:, 0] > 0)
    tw.save_model(classifier, tmp_path / "classifier.tw", "pickle")
    check(inspect_bundle(tmp_path / "classifier.tw"))


def test_the_schema_knows_every_fact_of_a_model():
    documented = manifest_schema()["properties"]["metadata"]["properties"]
    assert set(documented) == {field.name for field in dataclasses.fields(tw.ModelMetadata)}


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "x"},
        {"format": "other"},
        {"extra": 1},
        {"payloads": {"../x": {"sha256": "0" * 64, "size": 1}}},
        {"signature": {"algorithm": "rsa", "public_key": "0" * 64, "value": "0" * 128}},
    ],
    ids=str,
)
def test_the_schema_refuses(saved, change):
    with pytest.raises(jsonschema.ValidationError):
        check(saved | change)


def test_the_manifest_answers_what_a_model_was_made_of(saved, panel):
    facts = saved["metadata"]
    assert facts["target"] == "y"
    assert facts["data_fingerprint"] == panel.fingerprint
    assert facts["splitter"]["splitter"] == "PurgedKFold"
    assert facts["train_ranges"]
    assert facts["purged_ranges"]
    assert set(facts["evidence"]["columns"]) == {
        "feature:a",
        "feature:b",
        "feature:c",
        "target:y",
        "time:",
        "label_end:",
    }
    assert facts["environment"]["python"].startswith("CPython")
    assert facts["seed"] is not None
    assert facts["report_digest"] is not None


def test_evidence_is_small(saved):
    assert len(canonical(saved["metadata"]["trained"])) + len(canonical(saved["metadata"]["evidence"])) < 6_000


class TestEarlierVersions:
    #: What main predicted when it wrote the files, of the first three rows.
    KNOWN = {  # noqa: RUF012
        "ridge": [0.677042555397092, 1.3057123204964325, -0.9390304523503086],
        "lightgbm": [-0.6886227277569065, -0.07785911537075074, -0.6361954411021957],
    }

    @pytest.mark.parametrize("name", sorted(KNOWN))
    def test_a_file_of_version_1_loads(self, name, panel):
        if name == "lightgbm":
            pytest.importorskip("lightgbm")
        path = DATA / f"{name}_v1.tw"
        bundle = read_bundle(path)
        assert bundle.manifest["format_version"] == 1
        assert bundle.manifest["metadata"]["evidence"] is None
        model = tw.load_model(path)
        np.testing.assert_allclose(model.predict(panel.take(np.arange(3))), self.KNOWN[name], rtol=1e-12)
        assert model.metadata.data_fingerprint == panel.fingerprint

    def test_it_fits_the_schema_once_it_is_migrated_and_saved(self, tmp_path):
        old = inspect_bundle(DATA / "ridge_v1.tw")
        with pytest.raises(jsonschema.ValidationError):
            check(old)  # it still says that it is of version 1
        tw.load_model(DATA / "ridge_v1.tw").save(tmp_path / "new.tw")
        new = inspect_bundle(tmp_path / "new.tw")
        check(new)
        assert new["format_version"] == VERSION
        assert {key: new["metadata"][key] for key in old["metadata"]} == old["metadata"]

    def test_verify_still_proves_what_such_a_file_knows(self, panel):
        result = tw.verify(DATA / "ridge_v1.tw", panel, plan=tw.PurgedKFold(n_splits=3).plan(panel))
        assert result.ok
        assert result["plan"].verdict == "holds"
        other = dataclasses.replace(panel, y=panel.y + 1)
        assert "too old to say where" in tw.verify(DATA / "ridge_v1.tw", other)["data"].message

    def test_there_is_a_step_from_every_version(self):
        for version in range(OLDEST, VERSION):
            assert migrated({"format_version": version})["format_version"] == version


def test_canonical_json_has_one_form():
    assert canonical({"b": 1, "a": [1.5, "é"]}) == b'{"a":[1.5,"\\u00e9"],"b":1}'
    assert json.loads(canonical({"x": 0.1 + 0.2}))["x"] == 0.1 + 0.2


def test_the_digest_covers_all_but_itself_and_the_signature(saved):
    assert digest_of(saved) == saved["digest"]
    assert digest_of(saved | {"signature": 1}) == saved["digest"]
    for key in saved.keys() - {"digest"}:
        assert digest_of(saved | {key: "other"}) != saved["digest"], key
