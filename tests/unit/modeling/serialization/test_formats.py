"""Every built-in model in every format that takes it: what comes back predicts the same bits."""

from __future__ import annotations

import builtins
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import tradewright as tw
from tradewright.bundle import read_bundle
from tradewright.errors import (
    FormatMismatchError,
    MissingExtraError,
    NotFittedError,
    ParameterError,
    UnsafeFormatError,
    UnsupportedError,
    UntrustedTypesError,
)
from tradewright.serialization import ModelSerializer


@pytest.mark.parametrize("format_", ["auto", "pickle", "joblib"])
def test_predictions_metadata_and_parameters_come_back(trained, tmp_path, format_):
    path = tmp_path / "modèle 模型.tw"
    ModelSerializer.save(trained.model, path, format_)
    back = ModelSerializer.load(path, trusted=format_ != "auto")
    assert type(back) is type(trained.model)
    assert np.array_equal(trained.output(back), trained.output(trained.model), equal_nan=True)
    wanted = trained.model.predict(trained.rows)
    found = back.predict(trained.rows)
    assert found.dtype == wanted.dtype
    assert np.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f")
    assert back.metadata == trained.model.metadata
    assert dict(back.hyperparameters) == dict(trained.model.hyperparameters)
    assert back.sample_rows is None, "rows of the training left with the model"


def test_the_second_generation_is_like_the_first(trained, tmp_path):
    trained.model.save(tmp_path / "a")
    tw.load_model(tmp_path / "a").save(tmp_path / "b")
    assert np.array_equal(trained.output(tw.load_model(tmp_path / "b")), trained.output(trained.model), equal_nan=True)


@pytest.mark.parametrize("format_", ["pickle", "joblib", "torch_export", "torchscript"])
@pytest.mark.filterwarnings("ignore:TorchScript:FutureWarning")
def test_what_runs_code_needs_trust(one, tmp_path, format_):
    ModelSerializer.save(one("mlp-regression").model, tmp_path / "model.tw", format_)
    with pytest.raises(UnsafeFormatError, match="trusted=True"):
        tw.load_model(tmp_path / "model.tw")
    with pytest.raises(FormatMismatchError, match="load_model"):
        tw.TorchModel.load(tmp_path / "model.tw")


@pytest.mark.parametrize("format_", ["pickle", "joblib", "onnx", "torch_export", "torchscript"])
def test_an_unfitted_model_is_refused_and_the_old_file_stays(tmp_path, format_):
    (tmp_path / "model.tw").write_bytes(b"old")
    model = tw.ModelRegistry.create("mlp", device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        with pytest.raises(NotFittedError):
            ModelSerializer.save(model, tmp_path / "model.tw", format_)
    assert (tmp_path / "model.tw").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tw"]


def test_the_format_that_was_asked_for_is_the_one_that_is_there(one, tmp_path):
    ridge = one("ridge-regression").model
    for saved in ("auto", "pickle", "joblib", "onnx"):
        ModelSerializer.save(ridge, tmp_path / "model.pkl", saved)  # its name says nothing
        for asked in ("native", "pickle", "joblib", "onnx", "torchscript", "torch_export"):
            if asked == {"auto": "native"}.get(saved, saved):
                assert ModelSerializer.load(tmp_path / "model.pkl", asked, trusted=True).is_fitted
                continue
            with pytest.raises(FormatMismatchError, match="leave format out"):
                ModelSerializer.load(tmp_path / "model.pkl", asked, trusted=True)
    with pytest.raises(ParameterError, match="'joblib', 'onnx'"):
        ModelSerializer.save(ridge, tmp_path / "model.tw", "hdf5")  # type: ignore[arg-type]


def test_a_lambda_in_a_model_is_named(tmp_path):
    X = np.arange(12.0).reshape(6, 2)
    model = tw.SklearnModel(make_pipeline(FunctionTransformer(lambda x: 2 * x), Ridge())).fit(X, X[:, 0])
    for format_ in ("pickle", "joblib"):
        with pytest.raises(UnsupportedError, match=r"'estimator'.*not lambdas"):
            ModelSerializer.save(model, tmp_path / "model.tw", format_)
    with pytest.raises((UntrustedTypesError, UnsupportedError)):
        model.save(tmp_path / "model.tw")
    assert not list(tmp_path.iterdir())


class Doubling(FunctionTransformer):
    """A transformer of the user's."""

    def __init__(self):
        super().__init__(np.negative)


def test_types_of_the_users_own_are_named_at_saving(tmp_path):
    X = np.arange(12.0).reshape(6, 2)
    model = tw.SklearnModel(make_pipeline(Doubling(), Ridge())).fit(X, X[:, 0])
    with pytest.raises(UntrustedTypesError, match=r"Doubling.*format='pickle'") as caught:
        model.save(tmp_path / "model.tw")
    assert any(name.endswith("Doubling") for name in caught.value.fields["types"])


def test_ensembles_whose_trees_nobody_checks_are_refused(tmp_path):
    X = np.arange(60.0).reshape(30, 2)
    model = tw.SklearnModel(GradientBoostingRegressor(n_estimators=2)).fit(X, X[:, 0])
    with pytest.raises(UntrustedTypesError, match=r"_tree\.Tree"):
        model.save(tmp_path / "model.tw")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["random_forest", "extra_trees", "hist_gradient_boosting", "lightgbm", "xgboost"]),
    classes=st.sampled_from([0, 2, 3]),
    size=st.integers(1, 6),
    leaves=st.integers(2, 9),
)
def test_trees_of_any_shape_come_back(make, tmp_path, name, classes, size, leaves):
    """Stumps, single leaves, as many classes as there are."""
    shape = {
        "random_forest": {"n_estimators": size, "max_leaf_nodes": leaves},
        "extra_trees": {"n_estimators": size, "max_leaf_nodes": leaves, "min_samples_leaf": 0.3},
        "hist_gradient_boosting": {"max_iter": size, "max_leaf_nodes": leaves},
        "lightgbm": {"n_estimators": size, "num_leaves": leaves, "min_child_samples": 40},
        "xgboost": {"n_estimators": size, "max_depth": leaves % 4 + 1, "gamma": float(leaves)},
    }[name]
    case = make(name, "classification" if classes else "regression", classes or 2, **shape)
    case.model.save(tmp_path / "model.tw")
    assert np.array_equal(case.output(tw.load_model(tmp_path / "model.tw")), case.output(case.model))
    parity = ModelSerializer.export_onnx(case.model, tmp_path / "model.onnx")
    assert parity.max_rel_error < (1e-5 if name == "xgboost" else 1e-12)
    assert parity.clear_flips == 0


class TestTorch:
    @pytest.mark.parametrize("format_", ["torch_export", "torchscript"])
    @pytest.mark.parametrize("key", ["mlp-regression", "mlp-classification", "gru", "tcn"])
    @pytest.mark.filterwarnings("ignore:TorchScript:FutureWarning")
    def test_a_module_without_its_code(self, one, tmp_path, format_, key):
        case = one(key)
        ModelSerializer.save(case.model, tmp_path / "model.tw", format_)
        back = tw.load_model(tmp_path / "model.tw", trusted=True)
        assert isinstance(back, tw.TorchModel)
        np.testing.assert_allclose(case.output(back), case.output(case.model), rtol=1e-6, atol=1e-6)
        assert back.metadata == case.model.metadata
        assert back.predict(case.rows).dtype == case.model.predict(case.rows).dtype

    def test_torchscript_warns_both_ways(self, one, tmp_path):
        with pytest.warns(FutureWarning, match="TorchScript is deprecated"):
            ModelSerializer.save(one("mlp-regression").model, tmp_path / "model.tw", "torchscript")
        with pytest.warns(FutureWarning, match="torch_export"):
            tw.load_model(tmp_path / "model.tw", trusted=True)

    def test_torchscript_is_refused_where_torch_refuses_it(self, one, tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "version_info", (3, 14, 0))
        with pytest.raises(UnsupportedError, match=r"Python 3\.14.*torch_export"):
            ModelSerializer.save(one("mlp-regression").model, tmp_path / "model.tw", "torchscript")

    def test_an_exported_module_only_predicts(self, one, tmp_path):
        case = one("mlp-regression")
        ModelSerializer.save(case.model, tmp_path / "model.tw", "torch_export")
        back = tw.load_model(tmp_path / "model.tw", trusted=True)
        with pytest.raises(UnsupportedError, match="only predicts"):
            back.fit(case.rows, np.nan_to_num(case.rows[:, 0]))

    @pytest.mark.parametrize("format_", ["torch_export", "torchscript"])
    @pytest.mark.filterwarnings("ignore:TorchScript:FutureWarning")
    def test_other_models_are_refused(self, one, tmp_path, format_):
        with pytest.raises(UnsupportedError, match="is for torch modules, this is a SklearnModel"):
            ModelSerializer.save(one("ridge-regression").model, tmp_path / "model.tw", format_)

    def test_a_model_of_a_card_that_is_not_here(self, one, tmp_path, recwarn):
        """A model trained on a GPU predicts on a machine without one, and says where."""
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("there is a card here")
        case = one("mlp-regression")
        model = tw.ModelRegistry.create("mlp", hidden=[4], epochs=1, seed=0, device="cuda")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(case.rows, np.nan_to_num(case.rows[:, 0]))
            model.save(tmp_path / "model.tw")
        with pytest.warns(UserWarning, match="cuda"):
            back = tw.load_model(tmp_path / "model.tw")
        assert back.device_in_use == "cpu"
        assert np.array_equal(back.predict(case.rows), model.predict(case.rows))


def test_what_is_missing_is_named(one, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] in ("onnxruntime", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.partition(".")[0] in ("onnx", "onnxruntime")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(builtins, "__import__", without)
    for act in (
        lambda: ModelSerializer.export_onnx(one("ridge-regression").model, tmp_path / "model.onnx"),
        lambda: ModelSerializer.save(one("ridge-regression").model, tmp_path / "model.tw", "onnx"),
    ):
        with pytest.raises(MissingExtraError, match=r"tradewright\[onnx\]"):
            act()


def test_the_manifest_says_what_wrote_it(trained, tmp_path):
    trained.model.save(tmp_path / "model.tw")
    saved = read_bundle(Path(tmp_path / "model.tw")).manifest["saved_with"]
    assert {"python", "tradewright", "numpy"} < saved.keys()
