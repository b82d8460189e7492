"""Models as MLflow loads and serves them: the bits of the bundle, from frames, arrays and JSON."""

import contextlib
import json
import pickle
import warnings

import numpy as np
import polars as pl
import pytest
from descent import DescentModel, split_problem

import tradewright as tw
from tradewright.errors import DataError, ParameterError, UnsafeFormatError, UnsupportedError, UntrustedTypesError
from tradewright.serialization.mlflow_pyfunc import ServedModel
from tradewright.training.data import TrainingData
from tradewright.training.model_example import model_example

pytest.importorskip("mlflow")

from tradewright.tracking.pyfunc_flavour import requirements, save_pyfunc

SMALL = {
    "ridge": {},
    "lasso": {"alpha": 0.01},
    "elastic_net": {"alpha": 0.01},
    "logistic": {},
    "linear_sgd": {},
    "random_forest": {"n_estimators": 3},
    "extra_trees": {"n_estimators": 3},
    "hist_gradient_boosting": {"max_iter": 3},
    "lightgbm": {"n_estimators": 3, "min_child_samples": 5},
    "xgboost": {"n_estimators": 3},
    "catboost": {"iterations": 3},
    "mlp": {"hidden": (4,), "epochs": 1, "device": "cpu"},
    "lstm": {"hidden": 4, "window": 4, "epochs": 1, "device": "cpu"},
    "gru": {"hidden": 4, "window": 4, "epochs": 1, "device": "cpu"},
    "tcn": {"hidden": 4, "window": 4, "epochs": 1, "device": "cpu"},
    "transformer": {"hidden": 4, "heads": 2, "window": 4, "epochs": 1, "device": "cpu"},
}
TASKS = [
    (name, task)
    for name in SMALL
    for task in ("regression", "classification")
    if task in next(entry.tags for entry in tw.ModelRegistry.entries() if entry.name == name)
]


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def market(task="regression", *, days=60, assets=("AAA", "BBB"), bars=False):
    rng = np.random.default_rng(5)
    n = days * len(assets)
    X = rng.normal(size=(n, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.normal(size=n)
    when = np.arange(days) if bars else np.datetime64("2024-01-01") + np.arange(days)
    return tw.Panel.from_frame(
        pl.DataFrame(
            {
                "when": np.repeat(when, len(assets)),
                **({"ticker": list(assets) * days} if len(assets) > 1 else {}),
                "open_gap": X[:, 0],
                "volume": X[:, 1].astype(np.float32),
                "streak": (10 * X[:, 2]).astype(np.int64),
                "label": (y > 0).astype(np.int64) if task == "classification" else y,
            }
        ),
        target="label",
        time="when",
        asset="ticker" if len(assets) > 1 else None,
    )


def fitted(model, panel):
    data = TrainingData.from_panel(panel, None, model._dtype, history=model.reads_history)
    with quiet():
        model.fit_samples(data.train, seed=1)
    return data.train


def folder_of(model, train, path):
    given, predicted = model_example(train, model)
    return save_pyfunc(model, path, input_example=given, output_example=predicted)


def load(path, **options):
    with quiet():
        import mlflow

        return mlflow.pyfunc.load_model(str(path), **options)


def same(a, b):
    """Equal in every bit, NaN and all."""
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def shuffled_frame(panel, model):
    """The rows as a user would send them: columns in another order, and one more."""
    frame = panel.to_frame().to_pandas().rename(columns={"when": "time", "ticker": "asset"})
    names = [*model.metadata.feature_names][::-1]
    keys = [name for name in ("asset", "time") if name in frame.columns] if model.reads_history else []
    return frame[[*names, *keys]].assign(comment="none")


# --- every model --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_every_model_predicts_the_same_bits_through_mlflow(name, task, tmp_path, monkeypatch):
    options = {} if len({t for n, t in TASKS if n == name}) == 1 else {"task": task}
    model = tw.ModelRegistry.create(name, **options, **SMALL[name])
    panel = market(task)
    train = fitted(model, panel)
    bundle = tmp_path / "bundle.tw"
    try:
        model.save(bundle)
        is_safe = True
    except UntrustedTypesError:
        tw.save_model(model, bundle, format="pickle")
        is_safe = False
    given, predicted = model_example(train, model)
    folder = save_pyfunc(model, tmp_path / "model", input_example=given, output_example=predicted, bundle=bundle)

    def refuse(*args, **keywords):
        raise AssertionError("something was unpickled")

    with monkeypatch.context() as patched:
        for attribute in ("load", "loads", "Unpickler") if is_safe else ():
            patched.setattr(pickle, attribute, refuse)
        loaded = load(folder, model_config={"trusted": not is_safe})
        frame = shuffled_frame(panel, model)
        predicted = loaded.predict(frame)
        assert same(predicted, model.predict(panel))
        assert same(predicted, tw.load_model(folder / "data" / "bundle.tw", trusted=not is_safe).predict(panel))
        assert len(loaded.predict(loaded.input_example)) == len(loaded.input_example)
        if hasattr(model, "predict_proba"):
            said = loaded.predict(frame, params={"predict_method": "predict_proba"})
            assert list(said.columns) == [str(label) for label in model.metadata.classes]
            assert same(np.ascontiguousarray(said.to_numpy()), np.ascontiguousarray(model.predict_proba(panel)))


def test_no_model_of_the_registry_is_left_out():
    families = {"linear", "tree_based", "neural"}
    assert {entry.name for entry in tw.ModelRegistry.entries() if families & set(entry.tags)} == set(SMALL)


# --- what is in the folder ----------------------------------------------------------------------------------------


def test_the_signature_has_the_names_and_types_of_the_train_rows(tmp_path):
    model = tw.ModelRegistry.create("ridge")
    loaded = load(folder_of(model, fitted(model, market()), tmp_path / "model"))
    inputs = {column.name: column.type.name for column in loaded.metadata.get_input_schema().inputs}
    assert inputs == {"open_gap": "double", "volume": "float", "streak": "long"}
    assert loaded.metadata.get_params_schema() is None
    assert loaded.input_example.dtypes.astype(str).to_dict() == {
        "open_gap": "float64",
        "volume": "float32",
        "streak": "int64",
    }
    flavours = loaded.metadata.flavors
    assert flavours["tradewright"]["bundle"] == "data/model.tw"
    assert flavours["python_function"]["loader_module"] == "tradewright.serialization.mlflow_pyfunc"


def test_the_requirements_are_the_versions_of_the_fit(tmp_path):
    model = tw.ModelRegistry.create("lightgbm", n_estimators=2)
    folder = folder_of(model, fitted(model, market()), tmp_path / "model")
    told = (folder / "requirements.txt").read_text().split()
    versions = model.metadata.library_versions
    for name in ("tradewright", "numpy", "lightgbm"):
        assert f"{name}=={versions[name]}" in told
    assert any(line.startswith("mlflow==") for line in told)


def test_requirements_name_what_an_index_has():
    from dataclasses import replace

    model = tw.ModelRegistry.create("xgboost", n_estimators=2)
    fitted(model, market())
    lines = requirements(replace(model.metadata, library_versions={"torch": "2.13.0+cpu", "python": "3.11.7"}))
    assert "torch==2.13.0" in lines
    assert not [line for line in lines if line.startswith("python")]
    assert [line for line in lines if line.startswith(("xgboost==", "xgboost-cpu=="))]


def test_arrays_without_names_get_a_signature_of_a_matrix(tmp_path):
    X, y, X_new, _ = split_problem()
    model = tw.ModelRegistry.create("ridge").fit(X, y)
    data = TrainingData.from_arrays(
        X, y, None, None, dtype=None, sample_weight=None, groups=None, assets=None, times={}
    )
    loaded = load(folder_of(model, data.train, tmp_path / "model"))
    assert same(loaded.predict(X_new), model.predict(X_new))
    import pandas as pd

    assert same(loaded.predict(pd.DataFrame(X_new)), model.predict(X_new))
    assert loaded.input_example.shape == (5, 3)


def test_words_as_classes(tmp_path):
    import pandas as pd

    X, y, X_new, _ = split_problem()
    frame, new = (pd.DataFrame(table, columns=["a", "b", "c"]) for table in (X, X_new))
    model = tw.ModelRegistry.create("logistic").fit(frame, np.where(y > 0, "up", "down"))
    loaded = load(save_pyfunc(model, tmp_path / "model", input_example=frame[:3]))
    assert loaded.predict(new[["c", "a", "b"]]).tolist() == model.predict(new).tolist()
    assert loaded.metadata.get_output_schema().inputs[0].type.name == "string"
    assert list(loaded.predict(new, params={"predict_method": "predict_proba"}).columns) == ["down", "up"]


# --- serving ------------------------------------------------------------------------------------------------------


def test_the_scoring_server_answers_the_example_and_json(tmp_path):
    model = tw.ModelRegistry.create("lightgbm", task="classification", n_estimators=3, min_child_samples=5)
    panel = market("classification")
    folder = folder_of(model, fitted(model, panel), tmp_path / "model")
    loaded = load(folder)
    with quiet():
        from mlflow.pyfunc import scoring_server

        def ask(body):
            return scoring_server.invocations(body, "application/json", loaded, loaded.metadata.get_input_schema())

        example = (folder / "serving_input_example.json").read_text()
        said = json.loads(ask(example).response)["predictions"]
        assert said == model.predict(panel)[:5].tolist()
        body = json.loads(example) | {"params": {"predict_method": "predict_proba"}}
        rows = json.loads(ask(json.dumps(body)).response)["predictions"]
    assert [[row["0"], row["1"]] for row in rows] == model.predict_proba(panel)[:5].tolist()


def test_mlflow_models_predict_in_this_process(tmp_path):
    model = tw.ModelRegistry.create("gru", **SMALL["gru"])
    panel = market()
    folder = folder_of(model, fitted(model, panel), tmp_path / "model")
    frame = shuffled_frame(panel, model).drop(columns="comment")
    out = tmp_path / "out.json"
    with quiet():
        import mlflow

        mlflow.models.predict(str(folder), input_data=frame, env_manager="local", output_path=str(out))
    said = np.array(json.loads(out.read_text())["predictions"], dtype=float)
    expected = model.predict(panel)
    assert np.isnan(expected[:6]).all()
    np.testing.assert_array_equal(said, expected)


# --- models of the past -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [False, True])
@pytest.mark.parametrize("assets", [("ONE",), ("AAA", "BBB", "CCC")])
def test_a_model_of_the_past_asks_for_times_and_assets(tmp_path, bars, assets):
    model = tw.ModelRegistry.create("gru", **SMALL["gru"])
    panel = market(assets=assets, bars=bars)
    loaded = load(folder_of(model, fitted(model, panel), tmp_path / "model"))
    inputs = {column.name: column.type.name for column in loaded.metadata.get_input_schema().inputs}
    assert inputs["time"] == ("long" if bars else "datetime")
    assert ("asset" in inputs) == (len(assets) > 1)
    example = loaded.input_example
    assert len(example) == 4 + 5 - 1
    predicted = loaded.predict(example)
    assert np.isnan(predicted[:3]).all()
    # The example is the end of one asset's rows: its last predictions are those of the panel.
    last = model.predict(panel)[-1 if len(assets) == 1 else [-3, -2, -1]]
    assert predicted[-1] in np.atleast_1d(last)


def test_a_model_of_the_past_says_what_it_lacks(tmp_path):
    model = tw.ModelRegistry.create("gru", **SMALL["gru"])
    panel = market()
    fitted(model, panel)
    served = ServedModel(model)
    frame = panel.to_frame().to_pandas()[list(panel.feature_names)]
    with pytest.raises(DataError, match="columns time, asset"):
        served.predict(frame)
    with pytest.raises(DataError, match="columns time, asset"):
        served.predict(frame.to_numpy())
    with pytest.raises(ParameterError, match="input_example with the columns time"):
        save_pyfunc(model, tmp_path / "model", input_example=frame[:3])


def test_a_feature_called_time_is_refused_for_a_model_of_the_past(tmp_path):
    rng = np.random.default_rng(0)
    panel = tw.Panel.from_arrays(
        rng.normal(size=(40, 2)), rng.normal(size=40), time=np.arange(40), feature_names=["time", "b"]
    )
    model = tw.ModelRegistry.create("gru", **SMALL["gru"])
    train = fitted(model, panel)
    with pytest.raises(UnsupportedError, match="the feature 'time' has the name"):
        folder_of(model, train, tmp_path / "model")


# --- refused ------------------------------------------------------------------------------------------------------


def test_a_pickle_needs_trust(tmp_path):
    X, y, X_new, _ = split_problem()
    model = tw.ModelRegistry.create("ridge").fit(X, y)
    bundle = tmp_path / "pickled.tw"
    tw.save_model(model, bundle, format="pickle")
    folder = save_pyfunc(model, tmp_path / "model", input_example=X[:3], bundle=bundle)
    with pytest.raises(UnsafeFormatError, match="trusted=True") as caught:
        load(folder)
    assert "model_config={'trusted': True}" in "".join(caught.value.__notes__)
    assert same(load(folder, model_config={"trusted": True}).predict(X_new), model.predict(X_new))


def test_what_cannot_be_written_says_so(tmp_path):
    X, y, *_ = split_problem()
    with pytest.raises(UnsupportedError, match="class of your own"):
        save_pyfunc(DescentModel().fit(X, y), tmp_path / "model", input_example=X[:3])
    model = tw.ModelRegistry.create("ridge")
    with pytest.raises(ValueError, match="not fitted"):
        save_pyfunc(model, tmp_path / "model", input_example=X[:3])
    (tmp_path / "there").mkdir()
    with pytest.raises(ParameterError, match="is there already"):
        save_pyfunc(model.fit(X, y), tmp_path / "there", input_example=X[:3])


def test_methods_are_predict_and_predict_proba():
    X, y, *_ = split_problem()
    served = ServedModel(tw.ModelRegistry.create("ridge").fit(X, y))
    with pytest.raises(ParameterError, match="predict_method='sample'"):
        served.predict(X, params={"predict_method": "sample"})
    with pytest.raises(UnsupportedError):
        served.predict(X, params={"predict_method": "predict_proba"})
