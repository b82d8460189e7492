"""Losses inside LightGBM and XGBoost: their own objectives are the oracle."""

from __future__ import annotations

import pickle
import re

import lightgbm as lgb
import numpy as np
import pytest

from tradewright.errors import LossError, ParameterError, UnsupportedError
from tradewright.loss_functions import (
    MADL,
    BinaryCrossEntropy,
    CostSensitiveLoss,
    DirectionalLoss,
    FocalLoss,
    HuberLoss,
    MAELoss,
    MSELoss,
    PairwiseLogisticLoss,
    PseudoHuberLoss,
    QuantileLoss,
)

ROWS = 2_000
SETTINGS = {"num_leaves": 15, "min_data_in_leaf": 20, "learning_rate": 0.1, "verbosity": -1, "num_threads": 1}
BUILT_IN = {
    "binary": BinaryCrossEntropy(),
    "regression": MSELoss(),
    "huber": HuberLoss(delta=0.9),
    "quantile": QuantileLoss(quantiles=0.8),
    "regression_l1": MAELoss(),
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 6))
    y = X[:, 0] - 0.5 * X[:, 1] ** 2 + rng.standard_t(3, ROWS)
    w = rng.uniform(0.5, 2.0, ROWS)
    return X, y, w


def target_of(objective, y):
    return (y > 0.3).astype(float) if objective == "binary" else y.astype(np.float32).astype(float)


def splits(booster):
    """Features and thresholds of every split, tree by tree."""
    trees = booster.model_to_string().split("Tree=")[1:]
    keys = ("split_feature", "threshold")
    return [tuple(re.search(rf"^{key}=(.*)$", tree, re.M).group(1) for key in keys) for tree in trees]


def train(objective, X, y, w, init_score=None, rounds=3, **settings):
    data = lgb.Dataset(X, y, weight=w, init_score=init_score)
    return lgb.train({**SETTINGS, "objective": objective, **settings}, data, num_boost_round=rounds)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", BUILT_IN)
def test_lightgbm_grows_its_own_trees(objective, weighted, data):
    X, y, w = data
    w = w if weighted else None
    loss, y = BUILT_IN[objective], target_of(objective, y)
    start = loss.init_score(y, w)
    # The same start on both sides: LightGBM interpolates quantiles, and a target at the start is a tie.
    init = np.full(len(y), start)
    theirs = train(objective, X, y, w, init, alpha=0.9 if objective == "huber" else 0.8, boost_from_average=False)
    ours = train(loss.objective("lightgbm"), X, y, w, init)
    # Leaf renewal is closed to custom objectives: after the first tree, quantile and mae part.
    renewed = objective in ("quantile", "regression_l1")
    rounds = 1 if renewed else 3
    assert splits(ours)[:rounds] == splits(theirs)[:rounds]
    if not renewed:
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X, raw_score=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_start_values_are_lightgbms(objective, data):
    X, y, w = data
    y = target_of(objective, y)
    theirs = train(objective, X, y, w, rounds=1, num_leaves=2, learning_rate=1e-9)
    start = BUILT_IN[objective].init_score(y, w)
    np.testing.assert_allclose(theirs.predict(X, raw_score=True), start, rtol=1e-5)


@pytest.mark.parametrize("kind", [lgb.LGBMRegressor, lgb.LGBMClassifier])
def test_lightgbm_estimators_pass_weights(kind, data):
    X, y, w = data
    loss, y = BinaryCrossEntropy(), target_of("binary", y)
    model = kind(n_estimators=3, num_leaves=15, verbose=-1, n_jobs=1, objective=loss.objective("lightgbm"))
    model.fit(X, y, sample_weight=w, init_score=np.full(ROWS, loss.init_score(y, w)))
    booster = train(loss.objective("lightgbm"), X, y, w, np.full(ROWS, loss.init_score(y, w)))
    np.testing.assert_allclose(model.predict(X, raw_score=True), booster.predict(X), rtol=1e-12)


def test_lightgbm_stops_early_on_our_metric(data):
    X, y, _ = data
    loss = PseudoHuberLoss()
    sets = lgb.Dataset(X[:1500], y[:1500]), lgb.Dataset(X[1500:], y[1500:])
    seen: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        {**SETTINGS, "objective": loss.objective("lightgbm"), "metric": "none"},
        sets[0],
        num_boost_round=300,
        valid_sets=[sets[1]],
        feval=loss.metric("lightgbm"),
        callbacks=[lgb.early_stopping(5, verbose=False), lgb.record_evaluation(seen)],
    )
    history = seen["valid_0"]["pseudo_huber"]
    assert 1 < booster.best_iteration < 300
    assert min(history) == history[booster.best_iteration - 1]
    assert min(history) == pytest.approx(loss(y[1500:].astype(np.float32), booster.predict(X[1500:])))


def test_lightgbm_fits_several_quantiles(data):
    X, y, _ = data
    loss = QuantileLoss(quantiles=(0.2, 0.8))
    settings = {**SETTINGS, "objective": loss.objective("lightgbm"), "num_class": 2, "metric": "none"}
    booster = lgb.train(settings, lgb.Dataset(X, y), num_boost_round=150)
    covered = (y[:, None] < booster.predict(X)).mean(axis=0)
    np.testing.assert_allclose(covered, [0.2, 0.8], atol=0.05)


@pytest.mark.parametrize("loss", [FocalLoss(), CostSensitiveLoss(form="expected", cost_fn=3.0), DirectionalLoss()])
def test_losses_without_a_twin_learn(loss, data):
    X, y, w = data
    y = y if isinstance(loss, DirectionalLoss) else target_of("binary", y)
    start = np.full(ROWS, loss.init_score(y, w))
    booster = train(loss.objective("lightgbm"), X, y, w, start, rounds=40)
    fitted = loss(y, start + booster.predict(X), sample_weight=w)
    assert fitted < 0.9 * loss(y, start, sample_weight=w)


class TestMetricOfSeveralSets:
    """Dates differ from set to set: a metric finds those of the set that is evaluated."""

    LOSS = PairwiseLogisticLoss()

    @pytest.fixture
    def sets(self, data):
        X, y, _ = data
        dates = np.arange(ROWS) // 20
        return [(X[rows], y[rows].astype(np.float32), dates[rows]) for rows in (slice(0, 1400), slice(1400, ROWS))]

    def expected(self, sets, predict):
        return [self.LOSS(y, predict(X), groups=dates) for X, y, dates in sets]

    def test_lightgbm(self, sets):
        (X, y, dates), (late, later, last) = sets
        metric = self.LOSS.metric("lightgbm", sets=[{"groups": dates}, {"groups": last}])
        objective = self.LOSS.objective("lightgbm", groups=dates)
        rows = lgb.Dataset(X, y), lgb.Dataset(late, later)
        seen: dict[str, dict[str, list[float]]] = {}
        booster = lgb.train(
            {**SETTINGS, "objective": objective, "metric": "none"},
            rows[0],
            num_boost_round=5,
            valid_sets=list(rows),
            valid_names=["early", "late"],
            feval=metric,
            callbacks=[lgb.record_evaluation(seen)],
        )
        found = [seen[name]["pairwise"][-1] for name in ("early", "late")]
        np.testing.assert_allclose(found, self.expected(sets, booster.predict), rtol=1e-9)
        model = lgb.LGBMRegressor(n_estimators=5, num_leaves=15, verbose=-1, n_jobs=1, objective=objective)
        model.set_params(metric="none").fit(X, y, eval_X=(X, late), eval_y=(y, later), eval_metric=metric)
        found = [history["pairwise"][-1] for history in model.evals_result_.values()]
        np.testing.assert_allclose(found, self.expected(sets, model.predict), rtol=1e-9)

    def test_xgboost(self, sets):
        xgb = pytest.importorskip("xgboost")
        (X, y, dates), (late, later, last) = sets
        metric = self.LOSS.metric("xgboost", sets=[{"groups": dates}, {"groups": last}])
        objective = self.LOSS.objective("xgboost", groups=dates)
        rows = xgb.DMatrix(X, y), xgb.DMatrix(late, later)
        seen: dict[str, dict[str, list[float]]] = {}
        settings = {"nthread": 1, "disable_default_eval_metric": 1, "base_score": 0.0}
        booster = xgb.train(
            settings,
            rows[0],
            num_boost_round=5,
            obj=objective,
            custom_metric=metric,
            evals=[(rows[0], "early"), (rows[1], "late")],
            evals_result=seen,
            verbose_eval=False,
        )
        found = [seen[name]["pairwise"][-1] for name in ("early", "late")]
        expected = self.expected(sets, lambda X: booster.predict(xgb.DMatrix(X), output_margin=True))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        model = xgb.XGBRegressor(n_estimators=5, n_jobs=1, objective=objective, eval_metric=metric, base_score=0.0)
        model.fit(X, y, eval_set=[(X, y), (late, later)], verbose=False)
        found = [model.evals_result()[f"validation_{k}"]["pairwise"][-1] for k in range(2)]
        np.testing.assert_allclose(found, self.expected(sets, model.predict), rtol=1e-5)

    def test_sets_of_one_length_are_told_by_their_data(self):
        y, s = np.array([1.0, 0.0]), np.array([0.5, 0.0])
        rows = [lgb.Dataset(np.zeros((2, 1)), y, free_raw_data=False).construct() for _ in range(2)]
        sets = [{"groups": [1, 1], "data": rows[0]}, {"groups": [1, 1], "data": rows[1]}]
        skew = self.LOSS.metric("lightgbm", sets=[{**sets[0], "groups": [1, 2]}, sets[1]])
        assert skew(s, rows[1])[1] == pytest.approx(np.log1p(np.exp(-0.5)))
        with pytest.warns(RuntimeWarning, match="all 2 groups were skipped"):
            assert skew(s, rows[0])[1] == 0.0
        with pytest.raises(LossError, match="bound to 2 sets of 2 rows and cannot tell"):
            skew(y, s)
        with pytest.raises(LossError, match="cannot tell"):
            pickle.loads(pickle.dumps(self.LOSS.metric("lightgbm", sets=[{"groups": [1, 1]}] * 2)))(y, s)
        with pytest.raises(LossError, match="bound to 2 and 3 rows and was called with 4"):
            self.LOSS.metric("lightgbm", sets=[{"groups": [1, 1]}, {"groups": [1, 1, 1]}])(np.ones(4), np.ones(4))
        with pytest.raises(ParameterError, match="pass those there"):
            self.LOSS.metric("lightgbm", groups=[1, 1], sets=[{"groups": [1, 1]}])
        with pytest.raises(ParameterError, match="no argument 'costs'"):
            self.LOSS.metric("lightgbm", sets=[{"costs": [1, 1]}])


class TestBinding:
    def test_rows_are_counted(self):
        loss = CostSensitiveLoss()
        objective = loss.objective("lightgbm", costs=np.ones((5, 4)))
        objective(np.zeros(5), np.zeros(5))
        with pytest.raises(LossError, match="bound to 5 rows and was called with 4"):
            objective(np.zeros(4), np.zeros(4))
        again = pickle.loads(pickle.dumps(objective))
        np.testing.assert_array_equal(again(np.zeros(5), np.zeros(5))[0], objective(np.zeros(5), np.zeros(5))[0])
        assert "bound to 5 rows" in repr(again)

    def test_buffers_are_kept_and_fit_the_call(self):
        objective = MSELoss().objective("xgboost")
        first = objective(np.zeros(3), np.ones(3, np.float32))[0]
        assert objective(np.zeros(3), np.zeros(3, np.float32))[0] is first
        assert objective(np.zeros(4), np.zeros(4, np.float32))[0].shape == (4,)
        assert objective(np.zeros(4), np.ones(4))[0].tolist() == [1.0] * 4

    def test_what_cannot_be_bound(self):
        with pytest.raises(ParameterError, match="'catboost' is not known"):
            MSELoss().objective("catboost")
        with pytest.raises(ParameterError, match="no argument 'costs'"):
            MSELoss().objective("lightgbm", costs=np.ones((2, 4)))
        with pytest.raises(UnsupportedError, match="MADL is a metric"):
            MADL().objective("lightgbm")
        assert MADL().metric("lightgbm")(np.array([0.5]), np.array([1.0])) == ("madl", -0.5, False)
        with pytest.raises(ParameterError, match="one number"):
            MSELoss(reduction="none").metric("xgboost")


class TestXGBoost:
    """XGBoost is an optional library with a large wheel; CI installs it for these."""

    @pytest.fixture(autouse=True)
    def library(self):
        self.xgb = pytest.importorskip("xgboost")

    def train(self, X, y, w, base, rounds=5, **kwargs):
        data = self.xgb.DMatrix(X, y, weight=w, base_margin=np.full(len(y), base))
        params = {"max_depth": 4, "eta": 0.1, "nthread": 1, "verbosity": 0, "base_score": 0.5} | kwargs.pop(
            "params", {}
        )
        return self.xgb.train(params, data, num_boost_round=rounds, **kwargs), data

    @pytest.mark.parametrize(
        ("name", "loss"),
        [
            ("binary:logistic", BinaryCrossEntropy()),
            ("reg:squarederror", MSELoss()),
            ("reg:pseudohubererror", PseudoHuberLoss()),
        ],
    )
    def test_grows_its_own_trees(self, name, loss, data):
        X, y, w = data
        y = target_of("binary" if "logistic" in name else name, y)
        start = loss.init_score(y, w)
        theirs, rows = self.train(X, y, w, start, params={"objective": name})
        ours, _ = self.train(X, y, w, start, obj=loss.objective("xgboost"))
        expected = theirs.predict(rows, output_margin=True)
        np.testing.assert_allclose(ours.predict(rows, output_margin=True), expected, rtol=2e-4, atol=2e-5)

    def test_estimators_pass_weights(self, data):
        X, y, w = data
        loss = PseudoHuberLoss()
        model = self.xgb.XGBRegressor(n_estimators=5, max_depth=4, n_jobs=1, objective=loss.objective("xgboost"))
        model.set_params(learning_rate=0.1)
        model.fit(X, y, sample_weight=w, base_margin=np.full(ROWS, loss.init_score(y, w)))
        booster, rows = self.train(X, y, w, loss.init_score(y, w), obj=loss.objective("xgboost"))
        got = model.predict(X, base_margin=np.full(ROWS, loss.init_score(y, w)))
        np.testing.assert_allclose(got, booster.predict(rows), rtol=1e-5, atol=1e-6)

    def test_stops_early_on_our_metric(self, data):
        X, y, _ = data
        loss = HuberLoss()
        held_out = self.xgb.DMatrix(X[1500:], y[1500:])
        booster, _ = self.train(
            X[:1500],
            y[:1500],
            None,
            0.0,
            rounds=400,
            obj=loss.objective("xgboost"),
            custom_metric=loss.metric("xgboost"),
            evals=[(held_out, "held_out")],
            early_stopping_rounds=5,
            verbose_eval=False,
            params={"disable_default_eval_metric": 1},
        )
        assert 0 < booster.best_iteration < 399
        assert booster.attributes()["best_score"]
