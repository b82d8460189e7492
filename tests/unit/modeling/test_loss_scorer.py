"""Losses as scikit-learn scorers."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score, cross_validate

from tradewright.errors import LossError, ParameterError
from tradewright.loss_functions import (
    MADL,
    BinaryCrossEntropy,
    CostSensitiveLoss,
    FocalLoss,
    ICLoss,
    MSELoss,
    SharpeLoss,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = (X[:, 0] + RNG.normal(size=200) > 0).astype(int)
R = X[:, 0] + RNG.normal(size=200)


def test_logits_from_the_decision_function():
    model = LogisticRegression().fit(X, Y)
    expected = -log_loss(Y, model.predict_proba(X))
    assert BinaryCrossEntropy().scorer()(model, X, Y) == pytest.approx(expected, rel=1e-9)


def test_logits_from_probabilities_even_certain_ones():
    model = RandomForestClassifier(20, max_depth=3, random_state=0).fit(X, Y)
    expected = -log_loss(Y, model.predict_proba(X))
    assert BinaryCrossEntropy().scorer()(model, X, Y) == pytest.approx(expected, rel=1e-9)
    certain = RandomForestClassifier(1, bootstrap=False, random_state=0).fit(X, Y)
    assert np.isfinite(FocalLoss().scorer()(certain, X, 1 - Y))


def test_probabilities_where_the_loss_takes_them():
    model = LogisticRegression().fit(X, Y)
    scorer = BinaryCrossEntropy(from_logits=False).scorer()
    assert scorer(model, X, Y) == pytest.approx(-log_loss(Y, model.predict_proba(X)), rel=1e-9)
    with pytest.raises(LossError, match="no predict_proba"):
        scorer(LinearRegression().fit(X, Y), X, Y)
    many = LogisticRegression().fit(X, np.arange(200) % 3)
    with pytest.raises(LossError, match="two classes"):
        scorer(many, X, Y)


def test_predictions_for_the_rest():
    model = LinearRegression().fit(X, R)
    assert MSELoss().scorer()(model, X, R) == -MSELoss()(R, model.predict(X))
    assert MADL().scorer()(model, X, R) == -MADL()(R, model.predict(X))


def test_in_cross_validation_and_search():
    scores = cross_val_score(LinearRegression(), X, R, scoring=MSELoss().scorer(), cv=3)
    expected = cross_val_score(LinearRegression(), X, R, scoring="neg_mean_squared_error", cv=3)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    search = GridSearchCV(LogisticRegression(), {"C": [1e-4, 1.0]}, scoring=BinaryCrossEntropy().scorer(), cv=3)
    assert search.fit(X, Y).best_params_ == {"C": 1.0}


def test_metadata_is_routed():
    weight, costs = RNG.uniform(0.1, 3.0, 200), RNG.uniform(0.1, 3.0, (200, 4))
    loss = CostSensitiveLoss()
    scorer = loss.scorer().set_score_request(sample_weight="importance", costs=True)
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_validate(
            LogisticRegression().set_fit_request(sample_weight=False),
            X,
            Y,
            scoring=scorer,
            cv=KFold(3),
            params={"importance": weight, "costs": costs},
            return_estimator=True,
        )
    for (_, test), model, score in zip(KFold(3).split(X), found["estimator"], found["test_score"], strict=True):
        logits = model.decision_function(X[test])
        expected = -loss(Y[test], logits, sample_weight=weight[test], costs=costs[test])
        assert score == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", [ICLoss(), SharpeLoss(cost=0.001)])
def test_dates_and_assets_are_routed(loss):
    """Search and cross-validation hand each fold its own dates; scikit-learn's own ``groups`` goes to both."""
    dates, assets = np.divmod(np.arange(200), 5)
    scorer = loss.scorer().set_score_request(groups=True, assets=True)
    ids = {"groups": dates, "assets": assets}
    with sklearn.config_context(enable_metadata_routing=True):
        cv = GroupKFold(4)  # it asks for groups of its own accord
        scores = cross_val_score(Ridge(), X, R, scoring=scorer, cv=cv, params=ids)
        search = GridSearchCV(Ridge(), {"alpha": [1.0, 1e4]}, scoring=scorer, cv=cv).fit(X, R, **ids)
    expected = []
    for train, test in GroupKFold(4).split(X, R, dates):
        scored = Ridge().fit(X[train], R[train]).predict(X[test])
        expected.append(-loss(R[test], scored, groups=dates[test], assets=assets[test]))
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(np.mean(expected), rel=1e-12)


def test_what_cannot_be_asked_for():
    scorer = MSELoss().scorer()
    assert scorer.set_score_request(sample_weight=True) is not scorer
    with pytest.raises(ParameterError, match="'costs' cannot be routed"):
        scorer.set_score_request(costs=True)
    with pytest.raises(ParameterError, match="one number"):
        MSELoss(reduction="none").scorer()
