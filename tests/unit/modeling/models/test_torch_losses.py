"""Losses that look across rows inside TorchModel: which rows a step sees, what is reported and refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tradewright.base import Samples
from tradewright.errors import LossError, ParameterError
from tradewright.loss_functions import GroupIndex, LossRegistry
from tradewright.models import TorchModel
from tradewright.models.neural.batch_order import DateBatches
from tradewright.panel import Panel

DATES, ASSETS = 50, 6


def net(loss, **params):
    params = {"module_params": {"hidden": [8]}, "epochs": 4, "batch_size": 40, "lr": 1e-2, "seed": 0, **params}
    return TorchModel("mlp", loss=loss, device="cpu", **params)


@pytest.fixture
def rows():
    rng = np.random.default_rng(2)
    n = DATES * ASSETS
    order = rng.permutation(n)[:-7]  # dates of different sizes
    X = rng.normal(size=(n, 3))
    y = (0.01 * X[:, 0] + 0.02 * rng.normal(size=n)).astype(np.float32).astype(float)
    dates, assets = np.divmod(np.arange(n), ASSETS)
    return X[order], y[order], dates[order], assets[order]


class Calls(list):
    """Keeps what a loss is called with while training."""

    def __init__(self, monkeypatch):
        from tradewright.loss_functions.adapters.torch_adapter import LossModule

        forward = LossModule.forward

        def keep(module, scores, target, weight=None, groups=None, assets=None):
            self.append((scores.requires_grad, target, groups))
            return forward(module, scores, target, weight, groups, assets)

        monkeypatch.setattr(LossModule, "forward", keep)

    @property
    def steps(self):
        return [(target, groups) for trained, target, groups in self if trained]


@pytest.mark.parametrize("batch_size", [1, 40, 100, 10_000])
def test_batches_are_whole_dates(rows, batch_size):
    dates = rows[2]
    batches = DateBatches(GroupIndex(dates), batch_size)
    generator = torch.Generator().manual_seed(0)
    drawn = [[part.numpy() for part in batches.draw(generator)] for _ in range(2)]
    assert not np.array_equal(np.concatenate(drawn[0]), np.concatenate(drawn[1]))
    for parts in drawn:
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(dates)))
        members = [set(dates[part]) for part in parts]
        assert sum(map(len, members)) == len(set(dates))  # no date is in two
        assert all(0 < len(part) < batch_size + ASSETS for part in parts)
        assert all(len(part) > batch_size - ASSETS for part in parts[:-1])


def test_a_step_of_a_ranking_loss_is_whole_dates(rows, monkeypatch):
    X, y, dates, _ = rows
    calls = Calls(monkeypatch)
    net("pairwise", epochs=1).fit(X, y, groups=dates)
    assert len(calls.steps) > 4
    for target, groups in calls.steps:
        for number in groups.unique():
            mine = np.sort(target[groups == number].numpy())
            np.testing.assert_array_equal(mine, np.sort(y[dates == int(number)]).astype(np.float32))


def test_a_step_of_a_trading_loss_is_everything(rows, monkeypatch):
    X, y, dates, assets = rows
    calls = Calls(monkeypatch)
    net(LossRegistry.create("sharpe_loss", cost=0.001), epochs=3).fit(X, y, groups=dates, assets=assets)
    assert len(calls.steps) == 3
    for target, groups in calls.steps:
        assert groups == GroupIndex(dates, assets)
        assert np.array_equal(target.numpy(), y.astype(np.float32))


@pytest.mark.parametrize("name", ["ic", "pairwise", "listwise", "profit_based_loss", "sharpe_loss"])
def test_each_set_is_measured_by_the_loss_with_its_own_dates(name, rows, watcher):
    loss = LossRegistry.create(name, **({"cost": 0.0005} if name.endswith("_loss") else {}))
    early = rows[2] < 35
    train, val = ([column[kept] for column in rows] for kept in (early, ~early))
    seen = watcher()
    model = net(loss, epochs=30)
    model.fit_samples(
        Samples.collect(train[0], train[1], groups=train[2], assets=train[3]),
        Samples.collect(val[0], val[1], groups=val[2], assets=val[3]),
        observer=seen,
    )
    X, y, dates, assets = val
    expected = loss(y, model.predict(X), groups=dates, assets=assets)
    assert seen.states[-1].logs["val_loss"] == pytest.approx(expected, rel=1e-4)
    assert seen.states[-1].logs["train_loss"] < seen.states[0].logs["train_loss"]


def test_a_panel_brings_dates_and_assets_and_saved_models_predict_the_same_bits(rows, tmp_path):
    X, y, dates, assets = rows
    panel = Panel.from_arrays(X, y, time=dates, asset=assets, label_end=dates + 1)
    loss = LossRegistry.create("sharpe_loss", cost=0.001)
    model = net(loss).fit(panel, eval_set=panel)
    assert np.array_equal(model.predict(X), net(loss).fit(X, y, groups=dates, assets=assets).predict(X))
    model.save(tmp_path / "model.tw")
    back = TorchModel.load(tmp_path / "model.tw")
    assert np.array_equal(back.predict(X), model.predict(X))
    assert back.loss == loss


def test_dates_of_weight_0_still_hold_positions(rows, monkeypatch):
    X, y, dates, assets = rows
    calls = Calls(monkeypatch)
    weight = np.where(dates < 10, 0.0, 1.0)
    loss = LossRegistry.create("profit_based_loss", cost=0.001)
    net(loss, epochs=1).fit(X, y, groups=dates, assets=assets, sample_weight=weight)
    assert len(calls.steps[0][0]) == len(y)


def test_refused(rows):
    X, y, dates, assets = rows
    with pytest.raises(LossError, match=r"the train rows have no dates: pass a Panel.*groups="):
        net("ic").fit(X, y)
    with pytest.raises(LossError, match=r"the validation rows have no dates.*eval_groups="):
        net("sharpe_loss").fit(X, y, groups=dates, eval_set=(X, y))
    with pytest.raises(LossError, match="assets="):
        net(LossRegistry.create("profit_based_loss", cost=0.001)).fit(X, y, groups=dates)
    with pytest.raises(ParameterError, match="takes returns as they are"):
        net("sharpe_loss", scale_target=True).fit(X, y, groups=dates, assets=assets)
    with pytest.raises(ParameterError, match="takes returns as they are"):
        net("sharpe_loss", task="classification").fit(X, y > 0, groups=dates, assets=assets)
