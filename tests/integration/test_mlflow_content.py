"""All that a training writes down, read back from a real SQLite store."""

import contextlib
import json
import math
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from descent import DescentModel, split_problem

import tradewright as tw
from tradewright.errors import ParameterError
from tradewright.tracking import MLflowLogger
from tradewright.training.registration import Registration

pytest.importorskip("mlflow")
pytest.importorskip("lightgbm")
pytest.importorskip("matplotlib")

ARRAYS = split_problem()


@contextlib.contextmanager
def quiet():
    """MLflow's own imports and calls warn; here the test is the caller."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def store_set(uri):
    """MLflow set to a store, as a user would, and put back after."""
    with quiet():
        import mlflow

        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        mlflow.set_tracking_uri(uri)
        try:
            yield mlflow
        finally:
            mlflow.set_tracking_uri(before)


def market(days=240, assets=("AAA", "BBB", "CCC"), seed=0):
    """A panel whose features have the dtypes that tables come in, and whose labels are words."""
    rng = np.random.default_rng(seed)
    n = days * len(assets)
    momentum = rng.normal(size=n)
    return tw.Panel.from_frame(
        pl.DataFrame(
            {
                "day": np.repeat(np.datetime64("2020-01-01") + np.arange(days), len(assets)),
                "ticker": list(assets) * days,
                "momentum": momentum,
                "volume": rng.normal(size=n).astype(np.float32),
                "streak": rng.integers(-3, 4, size=n),
                "halted": rng.uniform(size=n) < 0.1,
                "gap": np.where(rng.uniform(size=n) < 0.2, np.nan, rng.normal(size=n)),
                "direction": np.where(momentum + rng.normal(size=n) > 0, 1, 0),
            }
        ),
        target="direction",
        time="day",
        asset="ticker",
        horizon=2,
    )


PANEL = market()
PLAN = tw.WalkForward(n_splits=2, test_size=40, val_size=30, embargo=1).plan(PANEL)


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store').as_posix()}/mlflow.db"


def train(uri, folder, fold=PLAN[0], model=None, **options):
    """Train on a fold; return the trainer and its result."""
    if model is None:
        model = tw.ModelRegistry.create("lightgbm", task="classification", n_estimators=12, min_child_samples=5)
    trainer = tw.ModelTrainer(model, "alpha", mlflow_uri=uri, output_dir=folder, seed=3, **options)
    callbacks = [tw.EarlyStopping("val_loss", patience=3), MLflowLogger()]
    with warnings.catch_warnings():
        # What LightGBM says of labels that its own metric cannot take, and the like, is not the matter here.
        warnings.simplefilter("ignore", UserWarning)
        return trainer, trainer.train(PANEL, fold=fold, callbacks=callbacks)


@pytest.fixture(scope="module")
def trained(uri, tmp_path_factory):
    named = {"registered_model_name": "direction", "registered_model_alias": "champion"}
    trainer, result = train(uri, tmp_path_factory.mktemp("runs"), **named)
    with quiet():
        return result, trainer.mlflow_client.get_run(result.run_id), trainer.mlflow_client


def artifact(client, run_id, name, folder):
    with quiet():
        return Path(client.download_artifacts(run_id, name, str(folder)))


# --- the run ------------------------------------------------------------------------------------------------------


def test_parameters_of_model_rows_and_splitter(trained):
    result, run, _ = trained
    params, fold = run.data.params, PLAN[0]
    assert params["n_estimators"] == "12"
    assert params["min_child_samples"] == "5"
    assert params["model"] == "LGBMClassifier"
    counts = {"n_rows": fold.train, "n_val_rows": fold.val, "n_test_rows": fold.test, "n_purged_rows": fold.purged}
    counts |= {"n_embargoed_rows": fold.embargoed, "n_unused_rows": fold.unused}
    assert {name: int(params[name]) for name in counts} == {name: len(rows) for name, rows in counts.items()}
    assert len(fold.purged)
    assert len(fold.embargoed)
    for role in ("train", "val", "test"):
        times = getattr(fold, role).take(PANEL.times)
        assert params[f"{role}_time"] == f"{times.min()} … {times.max()}"
    assert params["splitter"] == "WalkForward"
    assert params["splitter.n_splits"] == "2"
    assert params["plan_digest"] == PLAN.digest == result.model.metadata.plan_digest


def test_metrics_of_each_turn_and_of_the_model_that_was_kept(trained):
    result, run, client = trained
    for name in ("train_loss", "val_loss"):
        with quiet():
            points = [(point.step, point.value) for point in client.get_metric_history(result.run_id, name)]
        assert points == [(turn["epoch"], turn[name]) for turn in result.history]
        assert run.data.metrics[f"final_{name}"] == result.metrics[name]
    assert run.data.metrics["best_epoch"] == result.best_epoch
    assert run.data.metrics["n_turns"] == len(result.history)


def test_tags_to_search_by(trained, uri):
    result, run, client = trained
    expected = {
        "framework": "lightgbm",
        "model": "LGBMClassifier",
        "task": "classification",
        "status": result.status,
        "seed": str(result.model.metadata.seed),
        "fold": "0",
        "plan_digest": PLAN.digest,
        "data_fingerprint": PANEL.fingerprint,
        "report_digest": result.report.digest,
        "tradewright_version": tw.__version__,
    }
    assert expected.items() <= run.data.tags.items()
    assert run.data.tags.get("git_sha") == result.model.metadata.git_sha
    assert run.data.tags.get("stop_reason") == result.stop_reason
    assert run.info.run_name == "LGBMClassifier fold 0"
    with quiet():
        query = f"tags.plan_digest = '{PLAN.digest}' and tags.model = 'LGBMClassifier' and metrics.final_val_loss > 0"
        found = client.search_runs([run.info.experiment_id], query)
    assert result.run_id in {other.info.run_id for other in found}


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (lambda: tw.ModelRegistry.create("mlp", task="classification", epochs=1), "bce"),
        (lambda: tw.ModelRegistry.create("lightgbm", loss=tw.HuberLoss(delta=2.0)), "huber"),
        (lambda: tw.ModelRegistry.create("lightgbm", objective="mae"), "mae"),
        (lambda: tw.ModelRegistry.create("ridge"), None),
    ],
    ids=["torch", "ours", "the library's", "none of that name"],
)
def test_the_loss_is_a_tag(model, loss):
    from tradewright.training.record import _loss_of

    assert _loss_of(model().hyperparameters) == loss


def test_the_data_set_is_an_input_under_its_fingerprint(trained):
    _, run, _ = trained
    (given,) = run.inputs.dataset_inputs
    data = given.dataset
    assert (data.name, data.digest, data.source_type) == ("panel", PANEL.fingerprint, "tradewright")
    assert {tag.key: tag.value for tag in given.tags} == {"mlflow.data.context": "training"}
    columns = json.loads(data.schema)["mlflow_colspec"]
    types = {column["name"]: column["type"] for column in columns}
    assert types == {"momentum": "double", "volume": "float", "streak": "long", "halted": "boolean", "gap": "double"}
    profile = json.loads(data.profile)
    assert profile == {
        "num_rows": len(PANEL),
        "num_features": 5,
        "target": "direction",
        "from": str(PANEL.times.min()),
        "to": str(PANEL.times.max()),
    }


def test_every_file_is_an_artifact(trained, tmp_path):
    result, _, client = trained
    expected = {"config", "environment", "fold", "report", "model", "metrics", "learning_curve", "importance"}
    assert expected | {"calibration", "confusion"} <= result.artifacts.keys()
    for path in result.artifacts.values():
        assert artifact(client, result.run_id, path.name, tmp_path).read_bytes() == path.read_bytes()


def test_the_files_say_what_was_done(trained):
    result, _, _ = trained
    told = {name: json.loads(path.read_text()) for name, path in result.artifacts.items() if path.suffix == ".json"}
    assert told["report"] == json.loads(json.dumps(result.report.to_dict()))
    assert told["environment"]["python"] == result.environment["python"]
    assert told["config"]["hyperparameters"]["n_estimators"] == 12
    assert told["metrics"]["plots_not_drawn"] == {}
    fold, about = PLAN[0], told["fold"]
    assert about["plan_digest"] == PLAN.digest
    assert about["fold_digest"] == fold.digest
    assert about["splitter"]["splitter"] == "WalkForward"
    assert about["data_fingerprint"] == PANEL.fingerprint
    for role, rows in about["roles"].items():
        there = getattr(fold, role)
        assert rows["rows"] == len(there)
        assert rows["ranges"] == there.ranges.tolist()
        if len(there):
            times = there.take(PANEL.times)
            assert rows["time"] == [str(times.min()), str(times.max())]
        else:
            assert rows["time"] is None


def test_the_bundle_among_the_artifacts_predicts_the_same_bits(trained, tmp_path):
    result, _, client = trained
    loaded = tw.load_model(artifact(client, result.run_id, "model.tw", tmp_path))
    assert (loaded.predict_proba(PANEL) == result.model.predict_proba(PANEL)).all()


# --- the model ----------------------------------------------------------------------------------------------------


def test_mlflow_loads_the_model_by_run_alias_version_and_id(trained, uri):
    result, run, _ = trained
    frame = PANEL.to_frame().to_pandas()[["gap", "halted", "momentum", "streak", "volume"]]
    expected = result.model.predict(PANEL)
    (output,) = run.outputs.model_outputs
    with store_set(uri) as mlflow:
        for where in (
            f"runs:/{result.run_id}/model",
            "models:/direction@champion",
            "models:/direction/1",
            output.model_id,
        ):
            loaded = mlflow.pyfunc.load_model(where if "/" in where else f"models:/{where}")
            assert (loaded.predict(frame) == expected).all(), where
            assert loaded.metadata.metadata["plan_digest"] == PLAN.digest
        example = loaded.input_example
        assert list(example.columns) == list(PANEL.feature_names)
        assert (
            loaded.predict(example).tolist() == result.model.predict(PANEL.take(PLAN[0].train))[: len(example)].tolist()
        )
        said = loaded.predict(frame, params={"predict_method": "predict_proba"})
    assert list(said.columns) == ["0", "1"]
    assert (said.to_numpy() == result.model.predict_proba(PANEL)).all()


def test_the_pages_of_run_and_model_say_what_they_are(trained):
    result, run, client = trained
    told = run.data.tags["mlflow.note.content"]
    assert told.startswith("**LGBMClassifier**: ")
    assert f"train {len(PLAN[0].train):,} (" in told
    assert f"val_loss {result.metrics['val_loss']:.6g}" in told
    with quiet():
        model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert model.params["n_estimators"] == "12"
    assert json.loads(model.tags["mlflow.modelVersions"])[0]["name"] == "direction"
    assert model.source_run_id == result.run_id


def test_folds_are_nested_in_the_run_of_the_whole(uri, tmp_path):
    from tradewright.tracking import connect
    from tradewright.training import log_fold_summary

    client = connect(uri, spool=tmp_path / "spool")
    with client.start_run("alpha", run_name="walk-forward") as parent:
        results = {}
        for fold in PLAN.folds:
            model = tw.ModelRegistry.create("logistic")
            trainer = tw.ModelTrainer(
                model, "alpha", mlflow_uri=uri, output_dir=tmp_path, plots=False, parent_run=parent
            )
            frame = PANEL.take(fold.train)
            X = np.nan_to_num(frame.matrix("float64"))
            results[fold.index] = trainer.train(X, frame.y, callbacks=[], checks=None)
        log_fold_summary(parent, results)
    with quiet():
        whole = client.client.get_run(parent.run_id)
        children = [client.client.get_run(result.run_id) for result in results.values()]
    losses = [result.metrics["train_loss"] for result in results.values()]
    assert whole.info.status == "FINISHED"
    assert whole.data.metrics["mean_train_loss"] == pytest.approx(np.mean(losses))
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.run_id}
    assert artifact(client.client, parent.run_id, "fold_metrics.png", tmp_path).stat().st_size


def test_the_next_training_is_the_next_version_and_takes_the_alias(trained, uri, tmp_path):
    named = {"registered_model_name": "direction", "registered_model_alias": "champion"}
    trainer, result = train(uri, tmp_path, fold=PLAN[1], **named)
    with quiet():
        version = trainer.mlflow_client.get_model_version_by_alias("direction", "champion")
    assert (str(version.version), version.run_id) == ("2", result.run_id)


def test_what_nobody_wants_to_serve_is_not_registered(uri, tmp_path):
    trainer = tw.ModelTrainer(
        tw.ModelRegistry.create("mlp", task="classification", epochs=3),
        "alpha",
        mlflow_uri=uri,
        output_dir=tmp_path,
        registered_model_name="dry",
    )
    result = trainer.train(PANEL, fold=PLAN[0], callbacks=[], dry_run=2)
    client = trainer.mlflow_client
    with quiet():
        assert client.search_registered_models("name = 'dry'") == []
        run = client.get_run(result.run_id)
    assert run.data.tags["registration"] == "not registered as dry: this was a dry run"
    assert len(run.outputs.model_outputs) == 1


@pytest.mark.parametrize(
    ("name", "alias", "words"),
    [
        (None, "champion", "registered_model_name"),
        ("a/b", None, "without '/'"),
        (" ", None, "not empty"),
        ("alpha", "latest", "neither 'latest'"),
        ("alpha", "v12", "nor 'v1'"),
        ("alpha", "two words", "letters, digits"),
    ],
)
def test_names_that_mlflow_would_refuse_in_the_end_are_refused_at_the_start(name, alias, words):
    with pytest.raises(ParameterError, match=words):
        Registration(name, alias)


def test_a_name_without_a_store_is_refused():
    with pytest.raises(ParameterError, match="needs a store"):
        tw.ModelTrainer(DescentModel(), mlflow_uri="off", registered_model_name="alpha")


# --- other trainings ----------------------------------------------------------------------------------------------


def test_plain_tables_are_two_data_sets_and_a_regression_shows_its_residuals(uri, tmp_path):
    trainer = tw.ModelTrainer("ridge", "alpha", mlflow_uri=uri, output_dir=tmp_path)
    result = trainer.train(*ARRAYS, callbacks=[], checks=None)
    with quiet():
        run = trainer.mlflow_client.get_run(result.run_id)
    found = {given.dataset.name: (given.dataset, given.tags[0].value) for given in run.inputs.dataset_inputs}
    assert {name: context for name, (_, context) in found.items()} == {
        "train rows": "training",
        "val rows": "validation",
    }
    assert len({data.digest for data, _ in found.values()}) == 2
    assert json.loads(found["val rows"][0].profile)["num_rows"] == 20
    assert "residuals" in result.artifacts
    told = json.loads(result.artifacts["metrics"].read_text())["plots_not_drawn"]
    assert told.keys() == {"learning_curve"}
    with store_set(uri) as mlflow:
        loaded = mlflow.pyfunc.load_model(f"runs:/{result.run_id}/model")
        assert (loaded.predict(ARRAYS[2]) == result.model.predict(ARRAYS[2])).all()


def test_without_validation_rows_the_plots_say_why_they_are_missing(tmp_path):
    trainer = tw.ModelTrainer("ridge", mlflow_uri="off", output_dir=tmp_path)
    result = trainer.train(*ARRAYS[:2], callbacks=[], checks=None)
    told = json.loads(result.artifacts["metrics"].read_text())["plots_not_drawn"]
    assert "no validation rows" in told["residuals"]
    assert "fewer than two" in told["learning_curve"]
    assert not {"residuals", "learning_curve"} & result.artifacts.keys()


def test_no_plots_when_none_are_wanted(tmp_path):
    trainer = tw.ModelTrainer(DescentModel(), mlflow_uri="off", output_dir=tmp_path, plots=False)
    result = trainer.train(*ARRAYS, callbacks=[], checks=None)
    assert not [path for path in result.artifacts.values() if path.suffix == ".png"]


def test_validation_rows_of_one_class_and_nan_losses_draw_what_there_is(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 2)), np.array(["down", "up"] * 40)
    trainer = tw.ModelTrainer("logistic", mlflow_uri="off", output_dir=tmp_path)
    result = trainer.train(X, y, X[:9:2], y[:9:2], callbacks=[], checks=None)
    assert {"calibration", "confusion"} <= result.artifacts.keys()
    model = DescentModel(epochs=4, val_losses=[math.nan] * 4)
    result = tw.ModelTrainer(model, mlflow_uri="off", output_dir=tmp_path).train(*ARRAYS, callbacks=[], checks=None)
    assert {"learning_curve", "residuals"} <= result.artifacts.keys()


def test_a_model_of_a_class_of_ones_own_is_logged_as_its_bundle_alone(uri, tmp_path):
    trainer = tw.ModelTrainer(DescentModel(), "alpha", mlflow_uri=uri, output_dir=tmp_path)
    result = trainer.train(*ARRAYS, callbacks=[], checks=None)
    with quiet():
        run = trainer.mlflow_client.get_run(result.run_id)
    assert run.outputs is None or not run.outputs.model_outputs
    assert run.data.tags["mlflow_model"].startswith("none: a DescentModel is of a class of your own")
    named = tw.ModelTrainer(
        DescentModel(), "alpha", mlflow_uri=uri, output_dir=tmp_path, registered_model_name="descent"
    )
    with pytest.warns(RuntimeWarning, match="not logged for MLflow's loader"):
        assert named.train(*ARRAYS, callbacks=[], checks=None).status == "completed"
