"""Sums and multiples of losses."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from tradewright.errors import LossError, ParameterError, UnsupportedError
from tradewright.loss_functions import (
    MADL,
    BaseLoss,
    BinaryCrossEntropy,
    CombinedLoss,
    CostSensitiveLoss,
    FocalLoss,
    ICLoss,
    MAELoss,
    MSELoss,
    PairwiseLogisticLoss,
    QuantileLoss,
    SharpeLoss,
)
from tradewright.loss_functions.inputs import LossInputs
from tradewright.testing import check_loss

Y = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
S = np.array([0.3, -1.2, 2.0, -0.4, 0.1])
W = np.array([1.0, 2.0, 0.0, 0.5, 1.0])
SUM = 0.9 * BinaryCrossEntropy() + 0.1 * FocalLoss(reduction="sum")


def test_value_and_gradient_are_the_sums():
    parts = [(0.9, BinaryCrossEntropy()), (0.1, FocalLoss(reduction="sum"))]
    value, gradient = SUM.value_and_grad(Y, S, sample_weight=W)
    assert value == SUM(Y, S, sample_weight=W)
    assert value == pytest.approx(sum(f * loss(Y, S, sample_weight=W) for f, loss in parts), rel=1e-15)
    expected = sum(f * loss.value_and_grad(Y, S, sample_weight=W)[1] for f, loss in parts)
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)
    out = np.empty_like(S)
    assert SUM.value_and_grad(Y, S, sample_weight=W, out=out)[1] is out


def test_it_is_a_value():
    assert pickle.loads(pickle.dumps(SUM)) == SUM
    assert hash(pickle.loads(pickle.dumps(SUM))) == hash(SUM)
    for make in (BaseLoss, CombinedLoss):
        assert make.from_dict(json.loads(SUM.to_json())) == SUM
    with pytest.raises(AttributeError):
        SUM.terms = ()


@pytest.mark.parametrize(
    "loss",
    [
        SUM,
        2.0 * MSELoss() + MAELoss(reduction="sum"),
        0.9 * SharpeLoss(cost=0.001) + 0.1 * PairwiseLogisticLoss(),
        ICLoss() + 0.1 * MSELoss(),
    ],
)
def test_contract(loss):
    assert {"terms", "curvature", "boosting", "torch"} <= set(check_loss(loss, rows=300))


def test_contract_finds_a_lost_factor(monkeypatch):
    right = CombinedLoss._value_and_grad

    def wrong(self, inputs, gradient):
        value = right(self, inputs, gradient)
        gradient *= 1.001
        return value

    monkeypatch.setattr(CombinedLoss, "_value_and_grad", wrong)
    with pytest.raises(AssertionError, match="fails terms"):
        check_loss(2.0 * MSELoss())


def test_algebra():
    a, b, c = MSELoss(), MAELoss(), FocalLoss()
    assert a + b + c == a + (b + c)
    assert 2 * (a + 3 * b) == 2 * a + 6 * b
    assert a * np.float32(0.5) == 0.5 * a
    assert sum([a, b]) == a + b
    for wrong in (lambda: a + 1, lambda: 1 + a, lambda: a * b, lambda: a * True, lambda: "x" * a):
        with pytest.raises(TypeError):
            wrong()


def test_boosting_gets_the_gradient_of_this_sum():
    gradient, hessian = (0.5 * MSELoss()).grad_hess(Y, S)
    np.testing.assert_allclose(gradient, S - Y, rtol=1e-14)
    np.testing.assert_allclose(hessian, 1.0, rtol=1e-14)
    both = 0.5 * MSELoss() + 2.0 * MAELoss()
    gradient, hessian = both.grad_hess(Y, S, sample_weight=W)
    np.testing.assert_allclose(gradient, W * (S - Y + 2 * np.sign(S - Y)), rtol=1e-13)
    np.testing.assert_allclose(hessian, 3.0 * W, rtol=1e-13)
    slope = (W.sum() * both).value_and_grad(Y, S, sample_weight=W)[1]
    np.testing.assert_allclose(gradient, slope, rtol=1e-13)
    # A negative factor bends down; the floor holds all the same.
    hessian = (MSELoss() + -5.0 * MAELoss()).grad_hess(Y, S, sample_weight=W)[1]
    np.testing.assert_allclose(hessian, 1e-6 * W, rtol=1e-12)


def test_omitted_rows_get_nothing():
    loss = MSELoss(nan_policy="omit") + MAELoss(nan_policy="omit")
    y = np.where(np.arange(5) == 2, np.nan, Y)
    gradient, hessian = loss.grad_hess(y, S)
    assert gradient[2] == 0
    assert hessian[2] == 0
    kept = np.arange(5) != 2
    np.testing.assert_allclose(gradient[kept], loss.grad_hess(y[kept], S[kept])[0], rtol=1e-13)


def test_arguments_reach_those_who_know_them():
    loss = CostSensitiveLoss() + 0.5 * MSELoss()
    costs = np.tile([3.0, 4.0, 0.0, 0.0], (5, 1))
    expected = CostSensitiveLoss(cost_fp=3.0, cost_fn=4.0)(Y, S) + 0.5 * MSELoss()(Y, S)
    assert loss(Y, S, costs=costs) == pytest.approx(expected, rel=1e-14)
    objective = pickle.loads(pickle.dumps(loss.objective("lightgbm", costs=costs)))
    np.testing.assert_allclose(objective(Y, S)[0], loss.grad_hess(Y, S, costs=costs)[0], rtol=1e-6)
    with pytest.raises(ParameterError, match="no argument 'volatility'"):
        loss(Y, S, volatility=W)
    with pytest.raises(LossError, match="bound to 5 rows"):
        objective(Y[:3], S[:3])


def test_groups_and_assets_reach_every_term(monkeypatch):
    seen = []
    right = MSELoss._value

    def watched(self, inputs: LossInputs):
        seen.append((inputs.groups, inputs.assets))
        return right(self, inputs)

    monkeypatch.setattr(MSELoss, "_value", watched)
    groups, assets = np.arange(5), np.zeros(5, dtype=int)
    (MSELoss() + 2 * MSELoss())(Y, S, groups=groups, assets=assets)
    assert len(seen) == 2
    assert all(g is groups and a is assets for g, a in seen)


def test_torch():
    prediction = torch.tensor(S, requires_grad=True)
    value = SUM(torch.tensor(Y), prediction, sample_weight=torch.tensor(W))
    value.backward()
    expected, gradient = SUM.value_and_grad(Y, S, sample_weight=W)
    assert value.item() == expected
    np.testing.assert_array_equal(prediction.grad.numpy(), gradient)
    inputs = LossInputs(prediction=torch.tensor(S), target=torch.tensor(Y), weight=torch.tensor(W), shape=(5,))
    SUM._check_on_device(torch, inputs)
    assert SUM._on_device(torch, inputs).item() == pytest.approx(expected, rel=1e-12)
    compiled = torch.compile(SUM.module(), fullgraph=True, backend="aot_eager")
    assert compiled(torch.tensor(S), torch.tensor(Y), torch.tensor(W)).item() == expected
    module = pickle.loads(pickle.dumps(SUM.module()))
    assert module(torch.tensor(S), torch.tensor(Y), torch.tensor(W)).item() == expected


def test_several_predictions_a_row():
    loss = QuantileLoss(quantiles=(0.1, 0.9)) + 2 * QuantileLoss(quantiles=(0.2, 0.8))
    scores = np.stack([S, S + 1], axis=1)
    value, gradient = loss.value_and_grad(Y, scores)
    assert gradient.shape == (5, 2)
    gradient, hessian = loss.grad_hess(Y, scores, sample_weight=W)
    assert gradient.shape == hessian.shape == (5, 2)
    assert (hessian[W == 0] == 0).all()
    assert np.isfinite(value)


def test_what_is_no_sum():
    for terms in ((), ((1.0, "mse"),), ((0.0, MSELoss()),), ((float("nan"), MSELoss()),)):
        with pytest.raises(ParameterError, match="a sum of losses"):
            CombinedLoss(terms=terms)
    with pytest.raises(ParameterError, match='reduction="none"'):
        MSELoss() + MAELoss(reduction="none")
    with pytest.raises(ParameterError, match="how many predictions"):
        MSELoss() + QuantileLoss(quantiles=(0.1, 0.9))
    with pytest.raises(UnsupportedError):
        (MSELoss() + MADL()).value_and_grad(Y, S)


def test_start_value_is_the_heaviest_terms():
    loss = 0.5 * MSELoss() + 2.0 * MAELoss()
    y = [0.0, 1.0, 5.0]
    assert loss.init_score(y) == MAELoss().init_score(y) == 1.0
