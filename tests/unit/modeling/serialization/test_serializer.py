"""ModelSerializer: what is loaded is what was saved, or a clear error."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import FunctionTransformer

import tradewright as tw
from tradewright.bundle import inspect_bundle, read_bundle, write_bundle
from tradewright.errors import (
    FormatMismatchError,
    IntegrityError,
    ModelLoadError,
    ModelNotFoundError,
    NotFittedError,
    ParameterError,
    UnsafeFormatError,
    UnsupportedError,
    UntrustedTypesError,
    VersionMismatchError,
)
from tradewright.serialization import ModelSerializer, load_model, save_model

MODELS = {
    "ridge": lambda: tw.ModelRegistry.create("ridge"),
    "logistic": lambda: tw.SklearnModel(LogisticRegression()),
    "lightgbm": lambda: tw.ModelRegistry.create("lightgbm", n_estimators=5, n_jobs=1),
    "lightgbm_classifier": lambda: tw.ModelRegistry.create("lightgbm", task="classification", n_estimators=5, n_jobs=1),
    "xgboost": lambda: tw.ModelRegistry.create("xgboost", n_estimators=5, n_jobs=1),
    "catboost_classifier": lambda: tw.ModelRegistry.create(
        "catboost", task="classification", n_estimators=5, depth=3, thread_count=1
    ),
    "mlp": lambda: tw.ModelRegistry.create("mlp", hidden=[4], epochs=2, seed=0, device="cpu"),
    "mlp_classifier": lambda: tw.ModelRegistry.create(
        "mlp", task="classification", hidden=[4], epochs=2, seed=0, device="cpu"
    ),
}


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(120, 3))


@pytest.fixture(scope="module", params=sorted(MODELS))
def model(request, X):
    made = MODELS[request.param]()
    return made.fit(X, X[:, 0] > 0 if made.task == "classification" else X[:, 0])


@pytest.fixture(scope="module")
def ridge(X):
    return MODELS["ridge"]().fit(X, X[:, 0])


class TestRoundTrip:
    @pytest.mark.parametrize("how", ["auto", "native", "pickle"])
    def test_predictions_are_bit_equal(self, model, X, tmp_path, how):
        path = tmp_path / "model.whatever"
        save_model(model, path, how)
        back = load_model(path, trusted=how == "pickle")
        assert type(back) is type(model)
        assert np.array_equal(back.predict(X), model.predict(X))
        if model.task == "classification":
            assert np.array_equal(back.predict_proba(X), model.predict_proba(X))
        assert back.metadata == model.metadata
        assert back.get_params().keys() == model.get_params().keys()
        assert back.clone().fit(X, X[:, 0] > 0 if model.task == "classification" else X[:, 0]).is_fitted

    def test_the_second_generation_is_like_the_first(self, model, X, tmp_path):
        save_model(model, tmp_path / "a")
        save_model(load_model(tmp_path / "a"), tmp_path / "b")
        assert np.array_equal(load_model(tmp_path / "b").predict(X), model.predict(X))

    def test_fresh_process(self, X, tmp_path):
        np.save(tmp_path / "X.npy", X)
        expected = {}
        for name, make in MODELS.items():
            made = make()
            made.fit(X, X[:, 0] > 0 if made.task == "classification" else X[:, 0])
            save_model(made, tmp_path / f"{name}.tw")
            expected[name] = np.asarray(made.predict(X), dtype=float).tobytes().hex()
        code = (
            "import json, sys, pathlib, numpy as np, tradewright as tw\n"
            "folder = pathlib.Path(sys.argv[1]); X = np.load(folder / 'X.npy')\n"
            "print(json.dumps({p.stem: np.asarray(tw.load_model(p).predict(X), dtype=float).tobytes().hex()"
            " for p in folder.glob('*.tw')}))\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == expected

    def test_the_manifest_tells_without_loading(self, model, tmp_path):
        save_model(model, tmp_path / "model.tw")
        manifest = inspect_bundle(tmp_path / "model.tw")
        assert manifest["model_class"] == type(model).__name__
        assert manifest["metadata"] == model.metadata.to_dict()
        assert manifest["payload_format"] in {"skops", "lightgbm_text", "xgboost_ubj", "catboost_cbm", "safetensors"}


class TestDamage:
    def test_a_flipped_byte_anywhere_never_reaches_a_parser(self, model, tmp_path):
        path = tmp_path / "model.tw"
        save_model(model, path)
        raw = path.read_bytes()
        good = read_bundle(path)
        for place in range(0, len(raw), max(1, len(raw) // 150)):
            damaged = bytearray(raw)
            damaged[place] ^= 0x10
            path.write_bytes(damaged)
            try:
                found = read_bundle(path)
            except ModelLoadError:
                with pytest.raises(ModelLoadError):
                    load_model(path, trusted=True)
            else:
                assert found.payloads == good.payloads

    def test_truncated(self, ridge, tmp_path):
        path = tmp_path / "model.tw"
        save_model(ridge, path)
        raw = path.read_bytes()
        for length in (0, 1, 3, 100, len(raw) // 2, len(raw) - 1):
            path.write_bytes(raw[:length])
            with pytest.raises(ModelLoadError):
                load_model(path, trusted=True)

    def test_missing_file_and_folder(self, tmp_path):
        with pytest.raises(ModelNotFoundError) as caught:
            load_model(tmp_path / "nothing.tw")
        assert isinstance(caught.value, FileNotFoundError)
        with pytest.raises(FormatMismatchError, match="is a folder"):
            load_model(tmp_path)

    def test_an_old_file_survives_a_refused_save(self, ridge, X, tmp_path):
        path = tmp_path / "model.tw"
        save_model(ridge, path)
        before = path.read_bytes()
        with pytest.raises(NotFittedError):
            save_model(MODELS["ridge"](), path)
        with pytest.raises(NotFittedError):
            save_model(MODELS["ridge"](), path, "pickle")
        with pytest.raises(UntrustedTypesError):
            save_model(tw.SklearnModel(GradientBoostingRegressor(n_estimators=2)).fit(X, X[:, 0]), path)
        assert path.read_bytes() == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["model.tw"]


class TestWrongKind:
    def test_wrong_class(self, ridge, tmp_path):
        save_model(ridge, tmp_path / "model.tw")
        for other in (tw.BoostingModel, tw.TorchModel):
            with pytest.raises(FormatMismatchError, match="holds a SklearnModel"):
                other.load(tmp_path / "model.tw")
        assert tw.SklearnModel.load(tmp_path / "model.tw").is_fitted

    def test_class_that_is_not_ours(self, ridge, tmp_path):
        manifest = {**ridge.manifest("skops"), "model_class": "os.system"}
        write_bundle(tmp_path / "model.tw", manifest, ridge._to_payloads()[1])
        with pytest.raises(FormatMismatchError, match="does not define"):
            load_model(tmp_path / "model.tw", trusted=True)

    def test_payload_format_of_a_newer_version(self, ridge, tmp_path):
        write_bundle(tmp_path / "model.tw", ridge.manifest("hologram"), {})
        with pytest.raises(VersionMismatchError, match="upgrade"):
            load_model(tmp_path / "model.tw")

    def test_expected_format(self, ridge, tmp_path):
        save_model(ridge, tmp_path / "model.tw")
        assert ModelSerializer.load(tmp_path / "model.tw", "native").is_fitted
        assert ModelSerializer.load(tmp_path / "model.tw", "auto").is_fitted
        with pytest.raises(FormatMismatchError, match="in the format 'native', not 'pickle'"):
            ModelSerializer.load(tmp_path / "model.tw", "pickle", trusted=True)
        for act in (
            lambda: save_model(ridge, tmp_path / "model.tw", "hdf5"),
            lambda: ModelSerializer.load(tmp_path / "model.tw", "hdf5"),
        ):
            with pytest.raises(ParameterError, match="format='hdf5'"):
                act()

    def test_files_of_other_libraries(self, tmp_path):
        other = tmp_path / "model.tw"
        for content in (b"{}", b"\x08\x07onnx", b"\x89HDF"):
            other.write_bytes(content)
            with pytest.raises(FormatMismatchError, match="not a tradewright bundle"):
                load_model(other, trusted=True)


class TestTrust:
    def test_skops_bytes_that_name_other_types(self, ridge, X, tmp_path):
        for estimator in (FunctionTransformer(os.path.join), GradientBoostingRegressor(n_estimators=2).fit(X, X[:, 0])):
            write_bundle(tmp_path / "model.tw", ridge.manifest("skops"), {"model.skops": skops.io.dumps(estimator)})
            with pytest.raises(UntrustedTypesError, match="not on the list of allowed types") as caught:
                load_model(tmp_path / "model.tw")
            assert caught.value.fields["types"]

    def test_a_trust_list_in_the_bundle_means_nothing(self, ridge, tmp_path):
        manifest = ridge.manifest("skops")
        manifest["trusted"] = manifest["config"]["trusted"] = ["posixpath.join", "os.path.join"]
        payload = skops.io.dumps(FunctionTransformer(os.path.join))
        write_bundle(tmp_path / "model.tw", manifest, {"model.skops": payload})
        with pytest.raises(UntrustedTypesError):
            load_model(tmp_path / "model.tw")

    def test_a_skops_payload_that_is_no_skops(self, ridge, tmp_path):
        write_bundle(tmp_path / "model.tw", ridge.manifest("skops"), {"model.skops": b"PK nonsense"})
        with pytest.raises(ModelLoadError, match="payload is damaged"):
            load_model(tmp_path / "model.tw")
        write_bundle(tmp_path / "model.tw", ridge.manifest("skops"), {})
        with pytest.raises(ModelLoadError, match="cannot be rebuilt"):
            load_model(tmp_path / "model.tw")


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


class TestPickle:
    def test_needs_trust(self, ridge, tmp_path):
        save_model(ridge, tmp_path / "model.tw", "pickle")
        with pytest.raises(UnsafeFormatError, match="trusted=True"):
            load_model(tmp_path / "model.tw")
        with pytest.raises(FormatMismatchError, match="load_model"):
            tw.SklearnModel.load(tmp_path / "model.tw")
        assert load_model(tmp_path / "model.tw", trusted=True).is_fitted

    def test_nothing_runs_without_trust(self, ridge, tmp_path):
        mark = tmp_path / "mark"
        data = pickle.dumps(Bomb(mark))
        write_bundle(tmp_path / "bundle", ridge.manifest("pickle"), {"model.pkl": data})
        (tmp_path / "bare.skops").write_bytes(data)
        for name in ("bundle", "bare.skops"):
            with pytest.raises(UnsafeFormatError):
                load_model(tmp_path / name)
            assert not mark.exists()
        with pytest.raises(FormatMismatchError, match="pickle of a NoneType"):
            load_model(tmp_path / "bundle", trusted=True)
        assert mark.exists()  # the bomb is real

    def test_digests_come_before_trust(self, ridge, tmp_path):
        path, mark = tmp_path / "model.tw", tmp_path / "mark"
        write_bundle(path, ridge.manifest("pickle"), {"model.pkl": pickle.dumps(Bomb(mark))})
        path.write_bytes(path.read_bytes().replace(b"mkdir", b"rmdir"))
        with pytest.raises(IntegrityError):
            load_model(path, trusted=True)

    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_bare_files(self, ridge, X, tmp_path, protocol):
        path = tmp_path / "model.tw"  # the extension means nothing
        path.write_bytes(pickle.dumps(ridge, protocol=protocol))
        with pytest.raises(UnsafeFormatError):
            load_model(path)
        assert np.array_equal(load_model(path, trusted=True).predict(X), ridge.predict(X))

    def test_pickles_that_are_broken_or_of_something_else(self, ridge, tmp_path):
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps(ridge)[:-20])
        with pytest.raises(ModelLoadError, match="cannot be run"):
            load_model(path, trusted=True)
        path.write_bytes(pickle.dumps({"weights": 1}))
        with pytest.raises(FormatMismatchError, match="pickle of a dict"):
            load_model(path, trusted=True)
        write_bundle(path, ridge.manifest("pickle"), {})
        with pytest.raises(FormatMismatchError, match="has none"):
            load_model(path, trusted=True)

    def test_what_no_safe_format_holds(self, X, tmp_path):
        model = tw.SklearnModel(GradientBoostingRegressor(n_estimators=3, random_state=0)).fit(X, X[:, 0])
        save_model(model, tmp_path / "model.tw", "pickle")
        back = load_model(tmp_path / "model.tw", trusted=True)
        assert np.array_equal(back.predict(X), model.predict(X))


def test_metadata_that_is_no_table(ridge, tmp_path):
    save_model(ridge, tmp_path / "good.tw")
    bundle = read_bundle(tmp_path / "good.tw")
    manifest = {key: bundle.manifest[key] for key in ("model_class", "payload_format", "config")}
    write_bundle(tmp_path / "bad.tw", manifest | {"metadata": None}, bundle.payloads)
    with pytest.raises(ModelLoadError, match="metadata is None"):
        load_model(tmp_path / "bad.tw")


def test_what_cannot_be_pickled_is_named(X, tmp_path):
    model = tw.SklearnModel(Ridge()).fit(X, X[:, 0])
    model.helper = lambda: None
    (tmp_path / "old.tw").write_bytes(b"old")
    with pytest.raises(UnsupportedError, match="'helper'"):
        save_model(model, tmp_path / "old.tw", format="pickle")
    assert (tmp_path / "old.tw").read_bytes() == b"old"
