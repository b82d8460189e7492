"""The contract suite itself: each broken promise is found. A suite that passes everything proves nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tradewright.loss_functions import (
    BinaryCrossEntropy,
    ICLoss,
    LambdaRankLoss,
    MSELoss,
    ProfitBasedLoss,
    QuantileLoss,
    SharpeLoss,
    series_device,
)
from tradewright.testing import check_loss

pytest.importorskip("torch")

LOSSES = [
    BinaryCrossEntropy(),
    MSELoss(),
    QuantileLoss(quantiles=(0.1, 0.9)),
    LambdaRankLoss(),
    ICLoss(),
    SharpeLoss(cost=0.01),
]


def gradient(change):
    """Break what value_and_grad fills in."""

    def make(right):
        def wrong(self, inputs, gradient):
            value = right(self, inputs, gradient)
            change(self, inputs, gradient)
            return value

        return wrong

    return "_value_and_grad", make


def boosting(change):
    """Break what grad_hess fills in."""

    def make(right):
        def wrong(self, inputs, gradient, hessian):
            right(self, inputs, gradient, hessian)
            change(self, inputs, gradient, hessian)

        return wrong

    return "_grad_hess", make


def times(factor):
    def change(loss, inputs, gradient):
        gradient *= factor

    return change


def without_weights(loss, inputs, gradient):
    if inputs.weight is not None:
        weight = np.repeat(np.asarray(inputs.weight, dtype=float), len(gradient) // len(inputs.target))
        np.divide(gradient, weight, out=gradient, where=weight > 0, casting="unsafe")


def scaled_slopes(loss, inputs, gradient, hessian):
    gradient *= 1.01


def no_floor(loss, inputs, gradient, hessian):
    hessian[hessian < 3e-6] = 0.0


def named(*choices, factor):
    def change(loss, inputs, gradient, hessian):
        if loss.hessian in choices:
            hessian *= factor

    return change


BREAKS = {
    "sign": gradient(times(-1.0)),
    "factor": gradient(times(1.001)),
    "weights": gradient(without_weights),
    "slopes of boosting": boosting(scaled_slopes),
    "composition": ("_on_device", lambda right: lambda self, torch, inputs: 1.001 * right(self, torch, inputs)),
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_broken_derivative_is_found(loss, how, monkeypatch):
    name, make = BREAKS[how]
    monkeypatch.setattr(type(loss), name, make(getattr(type(loss), name)))
    with pytest.raises(AssertionError, match="fails"):
        check_loss(loss, rows=150)


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), LambdaRankLoss(), SharpeLoss()], ids=lambda loss: loss.name)
@pytest.mark.parametrize(
    "change", [named(None, factor=2.0), no_floor, named("exact", "gauss_newton", "abs", factor=1.01)]
)
def test_a_broken_curvature_is_found(loss, change, monkeypatch):
    name, make = boosting(change)
    monkeypatch.setattr(type(loss), name, make(getattr(type(loss), name)))
    with pytest.raises(AssertionError, match=r"fails (hessian|extremes)"):
        check_loss(loss, rows=150)


@pytest.mark.parametrize("loss", [*LOSSES, ProfitBasedLoss()], ids=lambda loss: loss.name)
def test_what_is_maximised_is_no_loss(loss, monkeypatch):
    """The sign is wrong everywhere, so that all faces agree."""
    kind = type(loss)
    value, slopes, boost, composed = kind._value, kind._value_and_grad, kind._grad_hess, kind._on_device

    def minus_slopes(self, inputs, gradient):
        found = slopes(self, inputs, gradient)
        np.negative(gradient, out=gradient)
        return -found

    def minus_boost(self, inputs, gradient, hessian):
        boost(self, inputs, gradient, hessian)
        np.negative(gradient, out=gradient)

    monkeypatch.setattr(kind, "_value", lambda self, inputs: -value(self, inputs))
    monkeypatch.setattr(kind, "_value_and_grad", minus_slopes)
    monkeypatch.setattr(kind, "_grad_hess", minus_boost)
    monkeypatch.setattr(kind, "_on_device", lambda self, torch, inputs: -composed(self, torch, inputs))
    with pytest.raises(AssertionError, match=r"fails (foresight|hessian)"):
        check_loss(loss, rows=150)


@pytest.mark.parametrize("changes", [{"cost": 0.005}, {"initial_position": 0.0}])
def test_a_book_that_cheats_is_found(changes, monkeypatch):
    """Core and composition agree on half the cost, or on another start: only the broker knows better."""
    right, composed = ProfitBasedLoss._trading, series_device.returns
    monkeypatch.setattr(ProfitBasedLoss, "_trading", lambda self: right(dataclasses.replace(self, **changes)))
    monkeypatch.setattr(
        series_device, "returns", lambda loss, *given: composed(dataclasses.replace(loss, **changes), *given)
    )
    with pytest.raises(AssertionError, match="fails book"):
        check_loss(ProfitBasedLoss(cost=0.01, initial_position=0.5), rows=150)
