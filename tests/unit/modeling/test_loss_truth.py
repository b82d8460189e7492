"""Values, gradients and curvatures of point losses against formulas in forty digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from tradewright.loss_functions import (
    MADL,
    BinaryCrossEntropy,
    CostSensitiveLoss,
    DirectionalLoss,
    FocalLoss,
    HuberLoss,
    LabelSmoothingBCE,
    MAELoss,
    MSELoss,
    PseudoHuberLoss,
    QuantileLoss,
    WeightedBCE,
)

COSTS = (2.0, 5.0, -0.5, 0.25)


def sigmoid(s):
    return 1 / (1 + mp.exp(-s))


def softplus(s):
    return mp.log1p(mp.exp(s))


def bce(s, y):
    return softplus(s) - s * y


def focal(gamma, alpha):
    def loss(s, y):
        z = s if y == 1 else -s
        a = 1 if alpha is None else alpha if y == 1 else 1 - mp.mpf(alpha)
        return a * sigmoid(-z) ** mp.mpf(gamma) * softplus(-z)

    return loss


def smooth(epsilon):
    return lambda s, y: bce(s, y * (1 - mp.mpf(epsilon)) + mp.mpf(epsilon) / 2)


def weighted(a):
    return lambda s, y: a * y * softplus(-s) + (1 - y) * softplus(s)


def log_cost(s, y):
    return y * COSTS[1] * softplus(-s) + (1 - y) * COSTS[0] * softplus(s)


def expected_cost(s, y):
    p, q = sigmoid(s), sigmoid(-s)
    return y * (q * COSTS[1] + p * COSTS[2]) + (1 - y) * (p * COSTS[0] + q * COSTS[3])


def huber(delta):
    def loss(s, y):
        e = abs(s - y)
        return e * e / 2 if e <= delta else delta * (e - mp.mpf(delta) / 2)

    return loss


def pseudo_huber(delta):
    return lambda s, y: mp.mpf(delta) ** 2 * (mp.sqrt(1 + ((s - y) / delta) ** 2) - 1)


def quantile(level):
    return lambda s, y: max(mp.mpf(level) * (y - s), (mp.mpf(level) - 1) * (y - s))


def directional(k):
    return lambda s, y: abs(y) * softplus(-k * mp.sign(y) * s)


def gmadl(a, b):
    return lambda s, y: -(sigmoid(a * y * s) - mp.mpf(1) / 2) * abs(y) ** mp.mpf(b)


EVERYWHERE = [-40.0, -7.5, -1.0, -1e-3, 1e-9, 0.3, 2.0, 12.0, 40.0]
SMALL = [-0.3, -0.02, -1e-4, 1e-9, 3e-3, 0.05, 0.3]
SOFT, HARD, REAL, RETURNS = [0.0, 0.3, 1.0], [0.0, 1.0], [-7.0, -0.4, 0.25, 3.0], [-0.1, -0.01, 1e-4, 0.02]
CASES = [
    (BinaryCrossEntropy(), bce, EVERYWHERE, SOFT),
    (
        BinaryCrossEntropy(from_logits=False),
        lambda p, y: -y * mp.log(p) - (1 - y) * mp.log1p(-p),
        [1e-5, 0.2, 0.5, 0.999],
        SOFT,
    ),
    *((FocalLoss(gamma=g, alpha=a), focal(g, a), EVERYWHERE, HARD) for g, a in ((2.0, 0.25), (0.5, None), (1.0, 0.7))),
    (FocalLoss(gamma=0.0, alpha=None), focal(0, None), EVERYWHERE, HARD),
    (FocalLoss(gamma=3.7, alpha=0.4), focal(3.7, 0.4), EVERYWHERE, HARD),
    (LabelSmoothingBCE(epsilon=0.2), smooth(0.2), EVERYWHERE, SOFT),
    (WeightedBCE(pos_weight=3.5), weighted(3.5), EVERYWHERE, SOFT),
    (CostSensitiveLoss(cost_fp=2.0, cost_fn=5.0), log_cost, EVERYWHERE, SOFT),
    (
        CostSensitiveLoss(cost_fp=2.0, cost_fn=5.0, cost_tp=-0.5, cost_tn=0.25, form="expected"),
        expected_cost,
        EVERYWHERE,
        SOFT,
    ),
    (MSELoss(), lambda s, y: (s - y) ** 2, EVERYWHERE, REAL),
    (MAELoss(), lambda s, y: abs(s - y), EVERYWHERE, REAL),
    (HuberLoss(delta=1.5), huber(1.5), EVERYWHERE, REAL),
    (PseudoHuberLoss(delta=0.7), pseudo_huber(0.7), EVERYWHERE, REAL),
    (QuantileLoss(quantiles=0.9), quantile(0.9), EVERYWHERE, REAL),
    (DirectionalLoss(sharpness=2.0), directional(2), EVERYWHERE, REAL),
    (DirectionalLoss(kind="gmadl"), gmadl(1000, 2), SMALL, RETURNS),
    (DirectionalLoss(kind="gmadl", a=50.0, b=1.0), gmadl(50, 1), SMALL, RETURNS),
    (DirectionalLoss(kind="gmadl", a=50.0, b=1.7), gmadl(50, 1.7), SMALL, RETURNS),
]


@pytest.mark.parametrize(("loss", "formula", "scores", "targets"), CASES, ids=[repr(case[0]) for case in CASES])
def test_values_gradients_and_curvatures(loss, formula, scores, targets):
    target, prediction = (grid.ravel() for grid in np.meshgrid(targets, scores))
    rows = type(loss)(**{**loss.to_dict()["params"], "reduction": "none", "hessian": None})
    values, gradient = rows.value_and_grad(target, prediction)
    exact = "exact" in loss.hessians
    curvature = None
    if exact:
        sharp = type(loss)(**{**loss.to_dict()["params"], "hessian": "exact"})
        boosting, curvature = sharp.grad_hess(target, prediction)
        # The boosting form of the squared error is half of it.
        half = float(np.median(boosting[gradient != 0] / gradient[gradient != 0]))
    with mp.workdps(60):
        for i, (y, s) in enumerate(zip(target, prediction, strict=True)):
            y, s = mp.mpf(float(y)), mp.mpf(float(s))
            truth = formula(s, y)
            assert abs(values[i] - truth) <= 1e-10 * abs(truth) + mp.mpf(10) ** -300, (float(s), float(y))
            slope = mp.diff(lambda at, y=y: formula(at, y), s, h=mp.mpf(10) ** -20)
            # Differences leave 40 digits; below that a slope is 0.
            assert abs(gradient[i] - slope) <= 1e-10 * abs(slope) + mp.mpf(10) ** -35, (float(s), float(y))
            if exact:
                bend = half * mp.diff(lambda at, y=y: formula(at, y), s, 2, h=mp.mpf(10) ** -15)
                # Where terms cancel, digits are lost to the size of the slope, never more.
                noise = 1e-13 * abs(slope) + mp.mpf(10) ** -25
                floored = max(bend, mp.mpf("1e-6"))
                assert abs(curvature[i] - floored) <= 1e-10 * floored + noise, (float(s), float(y))


def test_metric_of_the_sign():
    loss = MADL(reduction="none")
    np.testing.assert_array_equal(loss([0.5, -0.5, 0.25, 0.0], [2.0, 1.0, 0.0, 3.0]), [-0.5, 0.5, 0.0, 0.0])


def test_single_precision_stays_close_to_the_truth():
    scores = np.linspace(-30, 30, 4001)
    for loss in (BinaryCrossEntropy(), FocalLoss(), FocalLoss(gamma=0.5), LabelSmoothingBCE(), WeightedBCE()):
        rows = type(loss)(**{**loss.to_dict()["params"], "reduction": "none"})
        for label in (0.0, 1.0):
            narrow = scores.astype(np.float32)
            y = np.full(len(scores), label)
            value, gradient = rows.value_and_grad(y, narrow)
            expected, slope = rows.value_and_grad(y, narrow.astype(np.float64))
            np.testing.assert_allclose(value, expected, rtol=2e-5)
            np.testing.assert_allclose(gradient, slope, rtol=2e-5, atol=1e-7)


def test_curvatures_of_gauss_and_newton():
    rng = np.random.default_rng(4)
    s, y, w = rng.normal(0, 2, 300), (rng.random(300) < 0.4) * 1.0, rng.uniform(0.5, 2, 300)
    p = 1 / (1 + np.exp(-s))
    gap = y * (-0.5 - 5.0) + (1 - y) * (2.0 - 0.25)
    r, f = rng.normal(0, 0.02, 300), rng.normal(0, 0.05, 300)
    q = 1 / (1 + np.exp(-1000 * r * f))
    costs = {"cost_fp": 2.0, "cost_fn": 5.0}
    cases = [
        (BinaryCrossEntropy, {}, p * (1 - p)),
        (LabelSmoothingBCE, {}, p * (1 - p)),
        (WeightedBCE, {"pos_weight": 3.0}, (3 * y + 1 - y) * p * (1 - p)),
        (CostSensitiveLoss, costs, (5 * y + 2 * (1 - y)) * p * (1 - p)),
        (CostSensitiveLoss, {**costs, "cost_tp": -0.5, "cost_tn": 0.25, "form": "expected"}, abs(gap) * p * (1 - p)),
        (MSELoss, {}, np.ones(300)),
    ]
    for make, params, expected in cases:
        found = make(**params, hessian="gauss_newton").grad_hess(y, s, sample_weight=w)[1]
        np.testing.assert_allclose(found, np.maximum(w * expected, 1e-6 * w), rtol=1e-10, err_msg=str(make))
    found = DirectionalLoss(kind="gmadl").grad_hess(r, f, sample_weight=w)[1]
    np.testing.assert_allclose(found, np.maximum(w * 1e6 * r**4 * q * (1 - q), 1e-6 * w), rtol=1e-9)
    found = DirectionalLoss(sharpness=2.0, hessian="gauss_newton").grad_hess(r, f)[1]
    z = 1 / (1 + np.exp(2 * np.sign(r) * f))
    np.testing.assert_allclose(found, np.maximum(4 * abs(r) * z * (1 - z), 1e-6), rtol=1e-10)
    found = BinaryCrossEntropy(from_logits=False, hessian="gauss_newton").grad_hess(y, p)[1]
    np.testing.assert_allclose(found, 1 / (p * (1 - p)), rtol=1e-10)
