"""Losses of ours inside BoostingModel: rows bound to their dates, the start value, what is reported and refused."""

from __future__ import annotations

import pickle

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.base import clone

from tradewright.base import Samples
from tradewright.errors import DataError, LossError, ParameterError, UnsupportedError
from tradewright.loss_functions import LossRegistry
from tradewright.models import BoostingModel, ModelRegistry
from tradewright.panel import Panel

DATES, ASSETS = 60, 6


SMALL = {
    "lightgbm": {"n_jobs": 1, "num_leaves": 7},
    "xgboost": {"n_jobs": 1, "max_depth": 3},
    "catboost": {"thread_count": 1, "depth": 3, "learning_rate": 0.3},
}
across = pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
every = pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])


def boosted(loss, library="lightgbm", **params):
    return ModelRegistry.create(library, loss=loss, **{"n_estimators": 6, **SMALL[library], **params})


@pytest.fixture
def rows():
    """Features, returns, dates and assets, rows in no order."""
    rng = np.random.default_rng(1)
    n = DATES * ASSETS
    order = rng.permutation(n)
    X = rng.normal(size=(n, 3))
    y = 0.01 * X[:, 0] + 0.02 * rng.normal(size=n)
    dates, assets = np.divmod(np.arange(n), ASSETS)
    return X[order], y[order], dates[order], np.array(list("abcdef"))[assets[order]]


def split(rows, border=40):
    early = rows[2] < border
    return [column[early] for column in rows], [column[~early] for column in rows]


@across
@pytest.mark.parametrize(
    "name", ["mse", "huber", "pairwise", "listwise", "profit_based_loss", "sharpe_loss", "crra_loss"]
)
def test_each_set_is_measured_by_the_loss_with_its_own_dates(library, name, rows, watcher):
    loss = LossRegistry.create(name, **({"cost": 0.0005} if name.endswith("_loss") else {}))
    train, val = split(rows)
    seen = watcher()
    model = boosted(loss, library)
    model.fit_samples(
        Samples.collect(train[0], train[1], groups=train[2], assets=train[3]),
        Samples.collect(val[0], val[1], groups=val[2], assets=val[3]),
        observer=seen,
    )
    logs = seen.states[-1].logs
    for which, (X, y, dates, assets) in (("train", train), ("val", val)):
        expected = loss(y, model.predict(X), groups=dates, assets=assets)
        assert (
            logs[f"{which}_loss"]
            == logs[f"{which}_{name}"]
            == pytest.approx(expected, rel=1e-12 if library == "lightgbm" else 1e-5)
        )
    # XGBoost's longer steps saturate the positions of this one at once.
    assert seen.states[0].logs["train_loss"] > logs["train_loss"] or (library, name) == ("xgboost", "crra_loss")


def test_it_grows_the_trees_of_the_bound_objective_in_xgboost(rows):
    X, y, dates, assets = rows
    loss = LossRegistry.create("sharpe_loss", cost=0.001, periods_per_year=252)
    start = loss.init_score(y)
    settings = {"max_depth": 3, "nthread": 1, "seed": 0, "min_child_weight": 0.0, "reg_lambda": 0.0, "base_score": 0.0}
    data = xgb.QuantileDMatrix(X, y, base_margin=np.full(len(y), start))
    booster = xgb.train(settings, data, 6, obj=loss.objective("xgboost", groups=dates, assets=assets))
    model = boosted(loss, "xgboost", random_state=0).fit(X, y, groups=dates, assets=assets)
    assert np.array_equal(model.predict(X), booster.inplace_predict(X).astype(float) + start)
    assert len(np.unique(model.predict(X))) > 7


def test_it_grows_the_trees_of_the_bound_objective(rows):
    X, y, dates, assets = rows
    loss = LossRegistry.create("sharpe_loss", cost=0.001, periods_per_year=252)
    settings = {"num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": 0, "deterministic": True}
    settings |= {"force_row_wise": True, "min_sum_hessian_in_leaf": 0.0, "metric": "None"}
    start = loss.init_score(y)
    objective = loss.objective("lightgbm", groups=dates, assets=assets)
    data = lgb.Dataset(X, y, init_score=np.full(len(y), start))
    expected = lgb.train({**settings, "objective": objective}, data, num_boost_round=6).predict(X) + start
    model = boosted(loss, random_state=0).fit(X, y, groups=dates, assets=assets)
    assert np.array_equal(model.predict(X), expected)
    assert len(np.unique(expected)) > 7


@across
def test_a_panel_brings_dates_and_assets(library, rows):
    X, y, dates, assets = rows
    order = np.argsort(dates, kind="stable")  # labels of the last date don't close
    panel = Panel.from_arrays(X[order], y[order], time=dates[order], asset=assets[order], horizon=1)
    loss = LossRegistry.create("sharpe_loss", cost=0.001)
    kept = order[: len(panel.y)]
    by_panel = boosted(loss, library).fit(panel, eval_set=panel)
    by_arrays = boosted(loss, library).fit(X[kept], y[kept], groups=dates[kept], assets=assets[kept])
    assert np.array_equal(by_panel.predict(X), by_arrays.predict(X))


def test_one_asset_needs_no_ids(rows):
    X, y = rows[:2]
    loss = LossRegistry.create("profit_based_loss", cost=0.001)
    bare = boosted(loss).fit(X, y).predict(X)
    assert np.array_equal(boosted(loss).fit(X, y, groups=np.arange(len(y))).predict(X), bare)
    reverse = boosted(loss).fit(X, y, groups=-np.arange(len(y))).predict(X)
    assert not np.array_equal(reverse, bare)


def test_validation_rows_of_fit_have_dates_of_their_own(rows):
    train, val = split(rows)
    X, y, dates, assets = val
    ids = {"groups": train[2], "assets": train[3], "eval_groups": dates, "eval_assets": assets}
    boosted("pairwise").fit(train[0], train[1], eval_set=(X, y), **ids)
    with pytest.raises(DataError, match="groups has shape"):
        boosted("pairwise").fit(train[0], train[1], eval_set=(X, y), **(ids | {"eval_groups": dates[1:]}))


@every
@pytest.mark.parametrize("loss", ["mse", LossRegistry.create("sharpe_loss", cost=0.001)], ids=["mse", "sharpe"])
def test_saved_and_pickled_models_predict_the_same_bits(library, loss, rows, tmp_path):
    if library == "catboost" and loss != "mse":
        loss = LossRegistry.create("directional_loss")
    X, y, dates, assets = rows
    model = boosted(loss, library).fit(X, y + 3.0 if loss == "mse" else y, groups=dates, assets=assets)
    predicted = model.predict(X)
    if loss == "mse":
        assert abs(predicted.mean() - 3.0) < 0.01  # the start value is in it
    model.save(tmp_path / "model.tw")
    back = BoostingModel.load(tmp_path / "model.tw")
    assert np.array_equal(back.predict(X), predicted)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), predicted)
    assert back.hyperparameters == model.hyperparameters
    assert loss == "mse" or loss.name in model.metadata.hyperparameters["loss"]
    again = clone(back)
    assert again.loss == back.loss
    assert np.array_equal(
        again.fit(X, y + 3.0 if loss == "mse" else y, groups=dates, assets=assets).predict(X), predicted
    )


@every
@pytest.mark.parametrize("weighted", [False, True])
def test_our_mse_is_theirs(library, weighted, rows):
    X, y = rows[:2]
    y = 50 * y.astype(np.float32).astype(float)
    weight = np.linspace(0.5, 2.0, len(y)) if weighted else None
    start = {"xgboost": {"base_score": float(np.average(y, weights=weight))}}.get(library, {})
    theirs = ModelRegistry.create(library, n_estimators=6, **SMALL[library], **start).fit(X, y, sample_weight=weight)
    ours = boosted("mse", library).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-3, atol=1e-5)


@across
def test_going_back(library, rows, watcher):
    X, y, dates, assets = rows
    kept = []
    model = boosted("sharpe_loss", library)
    samples = Samples.collect(X, y, groups=dates, assets=assets)
    model.fit_samples(samples, observer=watcher(then=lambda state: kept.append((model.snapshot(), model.predict(X)))))
    model.restore(kept[2][0])
    assert np.array_equal(model.predict(X), kept[2][1])


@every
def test_metrics_of_the_user_stay_beside_the_loss(library, rows, watcher):
    X, y = rows[:2]
    seen = watcher()
    key, metric = {
        "lightgbm": ("metric", "l2"),
        "xgboost": ("eval_metric", "rmse"),
        "catboost": ("eval_metric", "RMSE"),
    }[library]
    model = boosted("mae", library, **{key: metric})
    model.fit_samples(Samples.collect(X, y), Samples.collect(X, y), observer=seen)
    logs = seen.states[-1].logs
    names = {f"{which}_{name}" for which in ("train", "val") for name in ("loss", "mae", metric)}
    assert names <= set(logs)
    assert logs["val_loss"] == logs["val_mae"] != logs[f"val_{metric}"]
    squared = np.mean((model.predict(X) - y) ** 2)
    assert logs[f"val_{metric}"] == pytest.approx(squared if metric == "l2" else squared**0.5, rel=1e-4)


@every
def test_a_classifier_has_probabilities(library, rows, watcher, tmp_path):
    X, y = rows[:2]
    labels = np.where(y > 0, "up", "down")
    seen = watcher()
    samples = Samples.collect(X, labels)
    model = boosted("bce", library, task="classification").fit_samples(samples, samples, observer=seen)
    proba = model.predict_proba(X)
    # Their start is ours where they are told it; CatBoost starts from 0, and takes several steps a leaf.
    start = {"xgboost": {"base_score": float((y > 0).mean())}}.get(library, {})
    if library != "catboost":
        theirs = ModelRegistry.create(library, task="classification", n_estimators=6, **SMALL[library], **start)
        np.testing.assert_allclose(proba, theirs.fit(X, labels).predict_proba(X), atol=1e-5)
    assert np.array_equal(model.predict(X), np.where(proba[:, 1] > 0.5, "up", "down"))
    expected = -np.log(np.where(y > 0, proba[:, 1], proba[:, 0])).mean()
    assert seen.states[-1].logs["val_loss"] == pytest.approx(expected, rel=1e-5)
    assert seen.states[0].logs["train_loss"] > seen.states[-1].logs["train_loss"]
    model.save(tmp_path / "model.tw")
    assert np.array_equal(BoostingModel.load(tmp_path / "model.tw").predict_proba(X), proba)


class TestRefused:
    def test_rows_without_dates(self, rows):
        train, val = split(rows)
        with pytest.raises(LossError, match=r"the train rows have no dates: pass a Panel.*groups="):
            boosted("pairwise").fit(train[0], train[1])
        with pytest.raises(LossError, match=r"the validation rows have no dates.*eval_groups="):
            boosted("pairwise").fit(train[0], train[1], groups=train[2], eval_set=(val[0], val[1]))
        with pytest.raises(LossError, match="the validation rows have no dates"):
            boosted("sharpe_loss").fit(train[0], train[1], groups=train[2], eval_set=(val[0], val[1]))
        with pytest.raises(LossError, match="the train rows have no dates"):
            boosted("sharpe_loss").fit(train[0], train[1], assets=train[3])

    def test_dates_in_catboost(self, rows):
        X, y, dates, assets = rows
        with pytest.raises(UnsupportedError, match="'lightgbm' or 'xgboost'"):
            boosted("sharpe_loss", "catboost").fit(X, y, groups=dates, assets=assets)

    def test_what_a_loss_raises_in_catboost_comes_out_unchanged(self, rows, monkeypatch):
        X, y = rows[:2]
        loss, calls = LossRegistry.create("mse"), []
        plain = type(loss).grad_hess

        def failing(self, *args, **kwargs):
            calls.append(1)
            if len(calls) > 1:  # the first is the try at the start
                raise LossError("enough", code="loss.shape")
            return plain(self, *args, **kwargs)

        monkeypatch.setattr(type(loss), "grad_hess", failing)
        with pytest.raises(LossError, match="enough"):
            boosted(loss, "catboost").fit(X, y)

    def test_rows_without_assets(self, rows):
        train, val = split(rows)
        loss = LossRegistry.create("profit_based_loss", cost=0.001)
        with pytest.raises(LossError, match="assets=") as caught:
            boosted(loss).fit(train[0], train[1], groups=train[2])
        assert caught.value.__notes__ == ["while the loss was tried on the train rows"]
        with pytest.raises(LossError, match="assets=") as caught:
            boosted(loss).fit(
                train[0], train[1], groups=train[2], assets=train[3], eval_set=(val[0], val[1]), eval_groups=val[2]
            )
        assert caught.value.__notes__ == ["while the loss was tried on the validation rows"]

    @pytest.mark.filterwarnings("ignore:ICLoss. all:RuntimeWarning")
    def test_a_loss_that_goes_nowhere_from_a_constant(self, rows):
        X, y, dates, _ = rows
        with pytest.raises(LossError, match="no slope"):
            boosted("ic").fit(X, y, groups=dates)
        mixed = LossRegistry.create("ic") + 0.1 * LossRegistry.create("mse")
        assert len(np.unique(boosted(mixed).fit(X, y, groups=dates).predict(X))) > 7

    def test_what_is_no_loss_to_train_on(self, rows):
        X, y = rows[:2]
        with pytest.raises(ParameterError, match="reduction='none'"):
            boosted(LossRegistry.create("mse", reduction="none")).fit(X, y)
        with pytest.raises(ParameterError, match="is a int: pass a name"):
            boosted(3).fit(X, y)
        with pytest.raises(ValueError, match="sharpe_loss"):
            boosted("sharpe_los").fit(X, y)
        with pytest.raises(ParameterError, match="takes 2 predictions"):
            boosted(LossRegistry.create("quantile", quantiles=(0.1, 0.9))).fit(X, y)
        with pytest.raises(UnsupportedError, match="metric"):
            boosted("madl").fit(X, y)

    @pytest.mark.parametrize(
        ("library", "params"),
        [
            ("lightgbm", {"objective": "mae"}),
            ("lightgbm", {"boosting_type": "rf"}),
            ("lightgbm", {"task": "classification", "class_weight": "balanced"}),
            ("xgboost", {"objective": "reg:absoluteerror"}),
            ("xgboost", {"base_score": 0.25}),
            ("xgboost", {"task": "classification", "scale_pos_weight": 2.0}),
            ("catboost", {"loss_function": "MAE"}),
            ("catboost", {"task": "classification", "auto_class_weights": "Balanced"}),
        ],
    )
    def test_settings_that_do_not_go_with_a_loss(self, library, params, rows):
        X, y = rows[:2]
        with pytest.raises(ParameterError, match="does not go with loss="):
            boosted("bce", library, **params).fit(X, y > 0 if "task" in params else (y > 0) * 1.0)

    def test_losses_a_classifier_cannot_use(self, rows):
        X, y = rows[:2]
        with pytest.raises(ParameterError, match="this is 'mse' and 2 classes"):
            boosted("mse", task="classification").fit(X, y > 0)
        with pytest.raises(ParameterError, match="3 classes"):
            boosted("bce", task="classification").fit(X, np.digitize(y, [-0.01, 0.01]))
