"""Proof of use: models trained on trading losses trade better on their own train rows than those trained on MSE.

Out of sample nothing is asserted, since nothing is promised there: the figures go into the test's properties (junit) and
its output (``pytest -s``). These twenty stocks survived; no profit is claimed.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tradewright.datasets import sp500_panel
from tradewright.loss_functions import LossRegistry
from tradewright.models import ModelRegistry, TorchModel
from tradewright.statistics import portfolio_returns, sharpe_ratio

COST = 0.0005
LOSSES = {
    "mse": LossRegistry.create("mse"),
    "profit": LossRegistry.create("profit_based_loss", cost=COST),
    "sharpe": LossRegistry.create("sharpe_loss", cost=COST, periods_per_year=252),
}
LEAVES = 15


@pytest.fixture(scope="module")
def panels():
    """A year to train on, and the next one."""
    panel = sp500_panel(horizon=1)
    year = panel.times.astype("datetime64[Y]").astype(int) + 1970
    return [panel.take(np.flatnonzero(year == wanted)) for wanted in (2015, 2016)]


def learning_rate(name, train):
    """Return how far a tree may go; no rate is fitted to a result.

    MSE has LightGBM's own. Sharpe's curvature is that of the ratio, so that 1 is a whole step of Gauss and Newton. Profit's
    is 1 whatever its gradients, which are shares of a return: a leaf of noise moves positions by a tenth.
    """
    if name != "profit":
        return {"mse": 0.1, "sharpe": 1.0}[name]
    gradient, _ = LOSSES[name].grad_hess(train.y, np.zeros(len(train.y)), groups=train.time, assets=train.asset)
    noise = np.sqrt((gradient**2).mean() / (len(gradient) / LEAVES))
    return 0.1 / noise


def lightgbm(name, train):
    rate = learning_rate(name, train)
    settings = {"n_estimators": 50, "num_leaves": LEAVES, "n_jobs": 1, "random_state": 0}
    return ModelRegistry.create("lightgbm", loss=LOSSES[name], learning_rate=rate, **settings)


def mlp(name, train):
    """The same network, rate (Adam's steps do not grow with gradients) and number of steps on all rows."""
    settings = {"epochs": 200, "batch_size": 1 << 20, "lr": 0.03, "seed": 0, "device": "cpu"}
    return TorchModel("mlp", module_params={"hidden": [32]}, loss=LOSSES[name], **settings)


def net_returns(scores, panel, rule):
    return portfolio_returns(rule(scores), panel.returns, panel.time, panel.asset, cost=COST)


@pytest.mark.parametrize("build", [lightgbm, mlp])
def test_trained_on_what_is_measured(build, panels, record_property, tmp_path):
    train, later = panels
    sharpe = {}
    for name, loss in LOSSES.items():
        model = build(name, train).fit(train)
        for which, panel in (("in", train), ("out", later)):
            scores = model.predict(panel)
            for rule in (np.tanh, np.sign):
                returns = net_returns(scores, panel, rule)
                sharpe[name, which, rule.__name__] = sharpe_ratio(returns)
                key = f"{build.__name__} {name}, {rule.__name__}(score), {which} of sample"
                figures = f"net Sharpe {sharpe_ratio(returns):.2f}, net profit {252 * returns.mean():.4f} a year"
                record_property(key, figures)
                print(f"{key}: {figures}")
        if name == "sharpe":
            # The loss and the statistics are independent code; scores may be so small that eps counts.
            index = {"groups": train.time, "assets": train.asset}
            exact = dataclasses.replace(loss, eps=1e-15)
            assert exact(train.y, model.predict(train), **index) == pytest.approx(-sharpe[name, "in", "tanh"], rel=1e-6)
            model.save(tmp_path / "model.tw")
            assert np.array_equal(type(model).load(tmp_path / "model.tw").predict(later), model.predict(later))
    # Positions are tanh of the score, as in the losses, for all three.
    for name in ("profit", "sharpe"):
        assert sharpe[name, "in", "tanh"] > sharpe["mse", "in", "tanh"]
    # Of the sign of a forecast, where its size doesn't matter, the ratio's own loss is still the better.
    assert sharpe["sharpe", "in", "tanh"] > sharpe["mse", "in", "sign"]
