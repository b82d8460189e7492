"""ONNX: the whole model, as ONNX Runtime serves it, within a parity that is measured and kept."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

import tradewright as tw
from tradewright.bundle import inspect_bundle
from tradewright.errors import (
    DataError,
    FeatureMismatchError,
    FormatMismatchError,
    ModelLoadError,
    ParameterError,
    UnsafeFormatError,
    UnsupportedError,
)
from tradewright.serialization import ModelSerializer

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
onnx_parity = pytest.importorskip("tradewright.serialization.onnx_parity")

#: Largest differences in deviations of the predictions: sums in float64, but for libraries that compute in float32.
ROUNDING = {"xgboost": 2e-6, "mlp": 5e-6}


def runtime(path):
    return ort.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


class TestEveryModel:
    def test_ort_predicts_what_the_model_does(self, trained, tmp_path):
        if trained.model.reads_history:
            with pytest.raises(UnsupportedError, match="earlier rows of each asset"):
                ModelSerializer.export_onnx(trained.model, tmp_path / "model.onnx")
            assert not list(tmp_path.iterdir())
            return
        parity = ModelSerializer.export_onnx(trained.model, tmp_path / "model.onnx")
        assert parity.max_rel_error <= ROUNDING.get(trained.name, 1e-13)
        assert parity.clear_flips == 0
        assert parity.n_rows == len(trained.model.sample_rows)
        # As a server would, without tradewright.
        session = runtime(tmp_path / "model.onnx")
        assert [(entry.name, entry.type, entry.shape[1]) for entry in session.get_inputs()] == [
            ("X", "tensor(double)", 3)
        ]
        told = dict(
            zip([entry.name for entry in session.get_outputs()], session.run(None, {"X": trained.rows}), strict=True)
        )
        if trained.model.task == "regression":
            wanted = trained.model.predict(trained.rows)
            np.testing.assert_allclose(told["prediction"], wanted, rtol=0, atol=1e-5 * wanted.std())
        else:
            proba = trained.model.predict_proba(trained.rows)
            np.testing.assert_allclose(told["probabilities"], proba, rtol=0, atol=1e-6)
            assert told["label"].tolist() == trained.model.predict(trained.rows).tolist()
            assert told["label"].shape == (len(trained.rows),)

    def test_it_comes_back_as_a_model(self, trained, tmp_path):
        if trained.model.reads_history:
            return
        ModelSerializer.save(trained.model, tmp_path / "model.tw", "onnx")
        served = tw.load_model(tmp_path / "model.tw")
        assert type(served) is tw.OnnxModel
        assert served.metadata == trained.model.metadata
        assert served.classes == trained.model.classes
        assert served.task == trained.model.task
        assert served.predict(trained.rows).dtype.kind == trained.model.predict(trained.rows).dtype.kind
        assert served.parity == inspect_bundle(tmp_path / "model.tw")["config"]["parity"]
        assert served.parity["n_rows"] == len(trained.model.sample_rows)
        assert hasattr(served, "predict_proba") == hasattr(trained.model, "predict_proba")
        y = trained.model.predict(trained.rows)
        assert served.score(trained.rows, y) == pytest.approx(1.0)
        again = pickle.loads(pickle.dumps(served))
        assert np.array_equal(again.predict(trained.rows), served.predict(trained.rows))


class TestOthersEstimators:
    @pytest.mark.parametrize(
        ("estimator", "task"),
        [
            (LinearRegression(), "regression"),
            (make_pipeline(SimpleImputer(strategy="median"), RobustScaler(), LinearRegression()), "regression"),
            (make_pipeline(StandardScaler(), RandomForestRegressor(n_estimators=3, random_state=0)), "regression"),
            (make_pipeline(MinMaxScaler(), KNeighborsRegressor()), "regression"),
            (LogisticRegression(), "classification"),
            (RidgeClassifier(), "classification"),
            (RandomForestClassifier(n_estimators=4, min_samples_leaf=1, random_state=0), "classification"),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_through_skl2onnx(self, tmp_path, estimator, task):
        X = np.random.default_rng(1).normal(size=(80, 4)) * [1e3, 1.0, 1e-3, 1.0]
        y = X[:, 0] + X[:, 1] if task == "regression" else (X[:, 0] > 0).astype(int) + 5
        model = tw.SklearnModel(estimator).fit(X, y)
        parity = ModelSerializer.export_onnx(model, tmp_path / "model.onnx")
        assert parity.max_rel_error < 1e-5
        served = tw.load_model(tmp_path / "model.onnx", trusted=True)
        assert np.array_equal(served.predict(X), model.predict(X)) or task == "regression"

    def test_scaled_targets_come_back_in_their_units(self, tmp_path):
        X = np.random.default_rng(1).normal(size=(80, 4))
        model = tw.SklearnModel(LinearRegression(), scale_target=True).fit(X, 1e6 + 1e4 * X[:, 0])
        assert ModelSerializer.export_onnx(model, tmp_path / "model.onnx").max_abs_error < 1e-6

    def test_nan_is_refused_where_the_model_refuses_it(self, tmp_path):
        X = np.random.default_rng(1).normal(size=(80, 2))
        model = tw.SklearnModel(LinearRegression()).fit(pd.DataFrame(X, columns=["a", "b"]), X[:, 0])
        ModelSerializer.export_onnx(model, tmp_path / "model.onnx")
        served = tw.load_model(tmp_path / "model.onnx", trusted=True)
        with pytest.raises(DataError, match="row 1, column 'b'"):
            served.predict(pd.DataFrame({"b": [0.0, np.nan], "a": [0.0, 1.0]}))

    def test_what_no_converter_knows(self, tmp_path):
        from sklearn.compose import TransformedTargetRegressor

        X = np.random.default_rng(1).normal(size=(40, 2))
        model = tw.SklearnModel(TransformedTargetRegressor(LinearRegression())).fit(X, X[:, 0])
        with pytest.raises(UnsupportedError, match="skl2onnx cannot convert this TransformedTargetRegressor"):
            ModelSerializer.export_onnx(model, tmp_path / "model.onnx")
        assert not list(tmp_path.iterdir())


class TestBoosters:
    @pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
    def test_a_loss_of_ours_brings_its_start(self, make, tmp_path, library):
        case = make(library, "regression", loss="huber")
        assert case.model._start != 0.0
        assert ModelSerializer.export_onnx(case.model, tmp_path / "model.onnx").max_rel_error < 2e-6
        case = make(library, "classification", loss="bce")
        assert ModelSerializer.export_onnx(case.model, tmp_path / "model.onnx").max_abs_error < 2e-6

    @pytest.mark.parametrize(
        ("library", "task", "params"),
        [
            ("lightgbm", "regression", {"boosting_type": "dart"}),
            ("lightgbm", "regression", {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}),
            ("lightgbm", "regression", {"objective": "quantile", "alpha": 0.9}),
            ("lightgbm", "classification", {"sigmoid": 2.0}),
            ("xgboost", "regression", {"booster": "dart", "rate_drop": 0.5}),
            ("xgboost", "regression", {"num_parallel_tree": 3}),
            ("xgboost", "regression", {"objective": "reg:absoluteerror"}),
            ("catboost", "regression", {"loss_function": "MAE"}),
        ],
        ids=str,
    )
    def test_kinds_of_boosting(self, make, tmp_path, library, task, params):
        case = make(library, task, **params)
        parity = ModelSerializer.export_onnx(case.model, tmp_path / "model.onnx", case.rows)
        assert parity.max_rel_error < (2e-6 if library == "xgboost" else 1e-12)

    @pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
    def test_positive_labels(self, tmp_path, library):
        X = np.random.default_rng(0).normal(size=(150, 3))
        y = np.random.default_rng(1).poisson(np.exp(X[:, 0]))
        name = {"lightgbm": "poisson", "xgboost": "count:poisson", "catboost": "Poisson"}[library]
        key = "loss_function" if library == "catboost" else "objective"
        model = tw.ModelRegistry.create(library, n_estimators=5, **{key: name}).fit(X, y)
        assert ModelSerializer.export_onnx(model, tmp_path / "model.onnx").max_rel_error < 2e-6

    def test_one_against_the_rest(self, make, tmp_path):
        for library, key, name in (
            ("lightgbm", "objective", "multiclassova"),
            ("catboost", "loss_function", "MultiClassOneVsAll"),
        ):
            case = make(library, "classification", 3, **{key: name})
            assert ModelSerializer.export_onnx(case.model, tmp_path / "model.onnx").max_abs_error < 1e-12

    def test_only_the_rounds_that_are_the_model(self, make, tmp_path):
        for library in ("lightgbm", "xgboost", "catboost"):
            case = make(library, "regression")
            whole = case.model.predict(case.rows)
            case.model.n_rounds_ = 2
            ModelSerializer.export_onnx(case.model, tmp_path / "model.onnx")
            found = tw.load_model(tmp_path / "model.onnx", trusted=True).predict(case.rows)
            np.testing.assert_allclose(found, case.model.predict(case.rows), rtol=0, atol=1e-6)
            assert np.abs(found - whole).max() > 1e-4

    @pytest.mark.parametrize(
        ("library", "params", "named"),
        [
            ("lightgbm", {"linear_tree": True}, "linear_tree"),
            ("lightgbm", {"zero_as_missing": True}, "zero_as_missing"),
            ("lightgbm", {"reg_sqrt": True}, "reg_sqrt"),
            ("catboost", {"grow_policy": "Lossguide"}, "grow_policy"),
        ],
    )
    def test_what_onnx_has_no_trees_for(self, make, tmp_path, library, params, named):
        case = make(library, "regression", **params)
        with pytest.raises(UnsupportedError, match=named):
            ModelSerializer.export_onnx(case.model, tmp_path / "model.onnx")

    @pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
    def test_many_categories(self, tmp_path, library):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 90, 2000)
        frame = pd.DataFrame({"x": rng.normal(size=2000), "stock": pd.Categorical([f"s{code:02d}" for code in codes])})
        frame.loc[::50, "stock"] = None
        y = np.sin(codes) + 0.1 * frame["x"].to_numpy()
        model = tw.ModelRegistry.create(library, n_estimators=20).fit(frame, y)
        assert ModelSerializer.export_onnx(model, tmp_path / "model.onnx", frame).max_rel_error < 2e-6
        served = tw.load_model(tmp_path / "model.onnx", trusted=True)
        shuffled = frame.assign(stock=frame["stock"].cat.reorder_categories(frame["stock"].cat.categories[::-1]))
        np.testing.assert_allclose(served.predict(shuffled[["stock", "x"]]), model.predict(frame), atol=1e-6)


class TestClasses:
    @pytest.mark.parametrize("classes", [(False, True), (-1, 1), (3, 7, 9), ("buy", "sell"), (0.0, 2.0)], ids=str)
    @pytest.mark.parametrize("name", ["logistic", "lightgbm", "random_forest"])
    def test_labels_of_every_kind_come_back(self, tmp_path, name, classes):
        X = np.random.default_rng(0).normal(size=(120, 2))
        y = np.asarray(classes)[np.digitize(X[:, 0], np.linspace(-0.5, 0.5, len(classes) - 1))]
        params = {"n_estimators": 3} if name != "logistic" else {}
        kind = {"task": "classification"} if name != "logistic" else {}
        model = tw.ModelRegistry.create(name, **kind, **params).fit(X, y)
        ModelSerializer.export_onnx(model, tmp_path / "model.onnx")
        served = tw.load_model(tmp_path / "model.onnx", trusted=True)
        assert served.classes == model.classes
        assert served.predict(X).tolist() == model.predict(X).tolist()
        assert served.predict(X).dtype.kind == np.asarray(classes).dtype.kind


class TestParity:
    def test_what_float32_loses_is_named(self, tmp_path):
        seconds = 1.7e9 + np.arange(400.0)
        frame = pd.DataFrame({"epoch_seconds": seconds, "x": np.random.default_rng(0).normal(size=400)})
        model = tw.ModelRegistry.create("lightgbm", n_estimators=5).fit(frame, np.sin(np.arange(400)) + frame["x"])
        with pytest.warns(UserWarning, match=r"no room for the values of epoch_seconds: hand the ONNX file float64"):
            parity = ModelSerializer.export_onnx(model, tmp_path / "model.onnx")
        assert parity.lossy_features == ("epoch_seconds",)
        assert parity.max_rel_error < 1e-12, "but float64 goes in, so nothing is lost"

    def test_a_file_that_differs_is_refused_and_the_old_one_stays(self, one, tmp_path):
        model = one("xgboost-regression").model
        path = tmp_path / "model.onnx"
        path.write_bytes(b"old")
        with pytest.raises(UnsupportedError, match=r"predicts otherwise on 160 rows.*allow_mismatch=True") as caught:
            ModelSerializer.export_onnx(model, path, tolerance=1e-12)
        assert path.read_bytes() == b"old"
        parity = caught.value.fields["parity"]
        assert parity.max_rel_error > 1e-12
        assert not parity.mismatch_allowed

    def test_a_file_that_differs_can_be_written_and_says_so(self, one, tmp_path):
        path = tmp_path / "model.onnx"
        parity = ModelSerializer.export_onnx(
            one("xgboost-regression").model, path, tolerance=1e-12, allow_mismatch=True
        )
        assert parity.mismatch_allowed
        assert not parity.holds
        kept = json.loads(runtime(path).get_modelmeta().custom_metadata_map["tradewright"])["parity"]
        assert onnx_parity.OnnxParity.from_dict(kept) == parity

    def test_flips_count_but_for_ties(self, one):
        case = one("lightgbm-classification")

        class Swapped:
            def predict(self, X):
                return case.model.predict(X)[::-1]

            def predict_proba(self, X):
                return case.model.predict_proba(X)

        X = np.nan_to_num(case.rows)
        found = onnx_parity.measure(case.model, Swapped(), X, tolerance=1e-5, allowed=False)
        assert found.label_flips >= found.clear_flips > 0
        assert not found.holds
        loose = onnx_parity.measure(case.model, Swapped(), X, tolerance=1.0, allowed=False)
        assert loose.clear_flips == 0 < loose.label_flips

    def test_a_missing_value_that_goes_elsewhere_shows(self, one):
        case = one("hist_gradient_boosting-regression")

        class Filling:
            def predict(self, X):
                return case.model.predict(np.nan_to_num(X, nan=1e9))

        X = np.nan_to_num(case.rows)
        assert onnx_parity.measure(case.model, Filling(), X, tolerance=1e-5, allowed=False).max_abs_error > 0

    def test_a_loaded_model_needs_rows(self, one, tmp_path):
        case = one("ridge-regression")
        case.model.save(tmp_path / "model.tw")
        back = tw.load_model(tmp_path / "model.tw")
        with pytest.raises(ParameterError, match="pass some as X="):
            ModelSerializer.export_onnx(back, tmp_path / "model.onnx")
        frame = pd.DataFrame(case.rows, columns=["x0", "x1", "x2"])[["x2", "x0", "x1"]]
        assert ModelSerializer.export_onnx(back, tmp_path / "model.onnx", frame).n_rows == len(frame)
        ModelSerializer.save(back, tmp_path / "model.tw", "onnx", X=frame)
        with pytest.raises(FeatureMismatchError, match="x1"):
            ModelSerializer.export_onnx(back, tmp_path / "model.onnx", frame[["x0", "x2"]])

    def test_the_rows_a_model_keeps_are_its_own(self):
        X = np.random.default_rng(0).normal(size=(3500, 2))
        model = tw.ModelRegistry.create("ridge").fit(X, X[:, 0])
        assert np.array_equal(model.sample_rows, X[::4])
        assert not np.shares_memory(model.sample_rows, X)
        assert pickle.loads(pickle.dumps(model)).sample_rows is None
        assert model.clone().sample_rows is None


@pytest.mark.parametrize(
    ("column", "is_lossy"),
    [
        (lambda n: np.random.default_rng(0).normal(size=n), False),
        (lambda n: 100.0 + np.random.default_rng(0).normal(size=n), False),
        (lambda n: np.cumsum(np.full(n, 0.1)) * 0 + 0.1 * (np.arange(n) % 3) + np.arange(n) % 2 * 1e-17, False),
        (lambda n: 1.6e9 + 86400.0 * np.arange(n), False),  # days are far enough apart
        (lambda n: 1.6e9 + 60.0 * np.arange(n), True),  # minutes are not
        (lambda n: 1e6 + np.random.default_rng(0).normal(size=n), True),
        (lambda n: np.where(np.arange(n) == 7, 1e39, 1.0), True),
        (lambda n: np.full(n, np.nan), False),
        (lambda n: np.full(n, 0.1), False),
    ],
)
@pytest.mark.parametrize("n", [200, 40_000])
def test_features_float32_has_no_room_for(column, is_lossy, n):
    assert onnx_parity.lossy_features(column(n)[:, None], ["x"]) == (("x",) if is_lossy else ())


class TestServing:
    @pytest.fixture
    def served(self, one, tmp_path):
        ModelSerializer.export_onnx(one("ridge-regression").model, tmp_path / "model.bin")
        return tw.load_model(tmp_path / "model.bin", trusted=True)

    def test_columns_are_found_by_name(self, one, served):
        case = one("ridge-regression")
        frame = pd.DataFrame(case.rows, columns=["x0", "x1", "x2"]).assign(further="text")
        found = served.predict(frame[["further", "x2", "x1", "x0"]])
        np.testing.assert_allclose(found, case.model.predict(case.rows), rtol=1e-12, atol=1e-14)
        with pytest.raises(FeatureMismatchError, match="missing here: x1"):
            served.predict(frame[["x0", "x2"]])

    def test_it_is_not_fitted_again(self, one, served, tmp_path):
        case = one("ridge-regression")
        for act in (
            lambda: served.fit(case.rows, np.nan_to_num(case.rows[:, 0])),
            served.clone,
            lambda: tw.ModelTrainer(served, mlflow_uri="off").train(
                case.rows, np.nan_to_num(case.rows[:, 0]), checks=None
            ),
        ):
            with pytest.raises(UnsupportedError, match="only predicts"):
                act()
        assert served.is_fitted
        served.save(tmp_path / "again.tw")
        assert np.array_equal(tw.OnnxModel.load(tmp_path / "again.tw").predict(case.rows), served.predict(case.rows))
        assert ModelSerializer.export_onnx(served, tmp_path / "again.onnx").n_rows == served.parity["n_rows"]
        assert (tmp_path / "again.onnx").read_bytes() == served.to_bytes()

    def test_a_bare_file_needs_trust(self, one, tmp_path):
        ModelSerializer.export_onnx(one("ridge-regression").model, tmp_path / "model.onnx")
        with pytest.raises(UnsafeFormatError, match="an ONNX file without a bundle"):
            tw.load_model(tmp_path / "model.onnx")
        raw = (tmp_path / "model.onnx").read_bytes()
        (tmp_path / "model.onnx").write_bytes(raw[: len(raw) // 2])
        with pytest.raises(ModelLoadError):
            tw.load_model(tmp_path / "model.onnx", trusted=True)


class TestFilesOfOthers:
    def model(self, inputs, outputs, nodes, constants=()):
        helper = onnx.helper
        graph = helper.make_graph(nodes, "theirs", inputs, outputs, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    def info(self, name, kind, shape):
        return onnx.helper.make_tensor_value_info(name, kind, shape)

    def test_a_plain_regression(self, tmp_path):
        F = onnx.TensorProto.FLOAT
        weights = onnx.numpy_helper.from_array(np.array([[1.0], [2.0]], dtype=np.float32), "w")
        node = onnx.helper.make_node("MatMul", ["in", "w"], ["out"])
        proto = self.model([self.info("in", F, ["n", 2])], [self.info("out", F, ["n", 1])], [node], [weights])
        (tmp_path / "theirs").write_bytes(proto.SerializeToString())
        served = tw.load_model(tmp_path / "theirs", trusted=True)
        assert served.metadata.feature_names == ("x0", "x1")
        assert served.predict([[1.0, 2.0], [3.0, 4.0]]).tolist() == [5.0, 11.0]
        assert served.parity is None

    def test_inputs_that_are_no_table(self, tmp_path):
        F = onnx.TensorProto.FLOAT
        node = onnx.helper.make_node("Add", ["a", "b"], ["out"])
        info = [self.info(name, F, ["n", 2]) for name in ("a", "b")]
        proto = self.model(info, [self.info("out", F, ["n", 2])], [node])
        (tmp_path / "theirs").write_bytes(proto.SerializeToString())
        with pytest.raises(FormatMismatchError, match="one float input"):
            tw.load_model(tmp_path / "theirs", trusted=True)

    def test_a_map_of_classes(self, tmp_path):
        import skl2onnx

        X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
        proto = skl2onnx.to_onnx(LogisticRegression().fit(X, X[:, 0] > 0), X[:1])
        (tmp_path / "theirs").write_bytes(proto.SerializeToString())
        with pytest.raises(FormatMismatchError, match="zipmap=False"):
            tw.load_model(tmp_path / "theirs", trusted=True)

    @pytest.mark.parametrize("where", ["initializer", "attribute"])
    def test_weights_in_other_files_are_not_read(self, tmp_path, where):
        F = onnx.TensorProto.FLOAT
        weights = onnx.numpy_helper.from_array(np.ones((2, 1), dtype=np.float32), "w")
        onnx.external_data_helper.set_external_data(weights, "../secret.bin")
        weights.ClearField("raw_data")
        nodes = [onnx.helper.make_node("MatMul", ["in", "w"], ["out"])]
        if where == "attribute":
            nodes.insert(0, onnx.helper.make_node("Constant", [], ["w"], value=weights))
        kept = [weights] if where == "initializer" else []
        proto = self.model([self.info("in", F, ["n", 2])], [self.info("out", F, ["n", 1])], nodes, kept)
        (tmp_path / "theirs").write_bytes(proto.SerializeToString())
        with pytest.raises(UnsafeFormatError, match="weights in other files"):
            tw.load_model(tmp_path / "theirs", trusted=True)

    def test_facts_that_make_no_sense(self, one, tmp_path):
        ModelSerializer.export_onnx(one("ridge-regression").model, tmp_path / "model.onnx")
        proto = onnx.load_model_from_string((tmp_path / "model.onnx").read_bytes())
        for facts in ("{", "[]", '{"metadata": 3}', '{"metadata": {"task": "regression"}}'):
            onnx.helper.set_model_props(proto, {"tradewright": facts})
            (tmp_path / "theirs").write_bytes(proto.SerializeToString())
            with pytest.raises(ModelLoadError, match="make no sense"):
                tw.load_model(tmp_path / "theirs", trusted=True)
