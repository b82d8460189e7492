"""A step in parts is the step at once, for losses of rows and for losses that look across them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tradewright.loss_functions import GroupIndex, HuberLoss, LossRegistry, MSELoss
from tradewright.models.neural.batch_source import Rows, TensorSource
from tradewright.models.neural.precision import Precision
from tradewright.models.neural.step_gradient import StepGradient, row_reduction
from tradewright.models.neural.team import Team

DATES, ASSETS, FEATURES = 12, 5, 3
N = DATES * ASSETS

LOSSES = {
    "mse": MSELoss(),
    "mse of n": MSELoss(reduction="mean_n"),
    "mse summed": MSELoss(reduction="sum"),
    "two of rows": 0.7 * MSELoss() + 0.3 * HuberLoss(),
    "mixed": 0.7 * MSELoss() + 0.3 * HuberLoss(reduction="sum"),
    "ranking": LossRegistry.create("pairwise"),
    "sharpe": LossRegistry.create("sharpe_loss", cost=0.001),
    "rows and dates": MSELoss() + LossRegistry.create("ic"),
}
DATED = ("ranking", "sharpe", "rows and dates")


class Counting(torch.nn.Module):
    """A small network that keeps how many rows it was given."""

    def __init__(self, dropout):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(FEATURES, 8), torch.nn.Tanh(), torch.nn.Dropout(dropout), torch.nn.Linear(8, 1)
        )
        self.seen = []

    def forward(self, X):
        self.seen.append(len(X))
        return self.layers(X)


def rows(weighted=False, dated=False):
    rng = np.random.default_rng(0)
    dates = GroupIndex(np.repeat(np.arange(DATES), ASSETS), np.tile(np.arange(ASSETS), DATES)) if dated else None
    weight = torch.from_numpy(rng.uniform(0.5, 2.0, N).astype(np.float32)) if weighted else None
    X = torch.from_numpy(rng.normal(size=(N, FEATURES)).astype(np.float32))
    return Rows(TensorSource(X), torch.from_numpy(0.02 * rng.normal(size=N).astype(np.float32)), weight, dates)


def gradient(loss, train, step, part_rows, *, dropout=0.0, amp=None):
    module = Counting(dropout)
    taken = StepGradient(module, module, loss, train, train.y, Precision(amp, "cpu"), Team())
    torch.manual_seed(1)
    value = taken.run(step, part_rows)
    return value, [weight.grad.clone() for weight in module.parameters()], module.seen, taken.scores


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_parts_add_up(name, weighted):
    loss = LOSSES[name]
    train = rows(weighted and name not in ("ranking", "sharpe"), name in DATED)
    step = slice(0, N) if name in DATED else torch.randperm(N, generator=torch.Generator().manual_seed(2))[:37]
    whole, expected, seen, scores = gradient(loss, train, step, None)
    assert seen == [len(scores[step])]
    value, found, seen, again = gradient(loss, train, step, 10)
    assert max(seen) == 10
    # only losses that look across rows, or mix reductions, are computed a second time
    assert sum(seen) == len(scores[step]) * (1 if row_reduction(loss) else 2)
    torch.testing.assert_close(value.detach(), whole.detach(), rtol=1e-5, atol=1e-7)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(again, scores)


def test_parts_that_are_computed_twice_drop_the_same_units():
    train, loss = rows(dated=True), LOSSES["ranking"]
    module, reference = Counting(0.5), Counting(0.5)
    taken = StepGradient(module, module, loss, train, train.y, Precision(None, "cpu"), Team())
    torch.manual_seed(3)
    taken.run(slice(0, N), 16)
    # the gradient of those very scores, with each mask drawn once
    torch.manual_seed(3)
    scores = torch.cat([reference(train.source.X[at : at + 16])[:, 0] for at in range(0, N, 16)])
    loss(train.y, scores, groups=train.dates).backward()
    for one, other in zip(module.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-7)


def test_scores_that_are_not_finite_give_up_the_step():
    train = rows()
    module = Counting(0.0)
    with torch.no_grad():
        module.layers[0].bias.fill_(torch.nan)
    for part in (None, 10):
        taken = StepGradient(module, module, MSELoss(), train, train.y, Precision(None, "cpu"), Team())
        assert taken.run(slice(0, N), part) is None


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_half_precision_keeps_weights_and_losses_in_float32(amp):
    train = rows()
    module = Counting(0.0)
    precision = Precision(amp, "cpu")
    taken = StepGradient(module, module, MSELoss(), train, train.y, precision, Team())
    value = taken.run(slice(0, N), None)
    assert value.dtype == torch.float32
    assert taken.scores.dtype == torch.float32
    _, expected, _, scores = gradient(MSELoss(), train, slice(0, N), None)
    assert not torch.equal(taken.scores, scores)
    torch.testing.assert_close(taken.scores, scores, rtol=0.02, atol=0.01)
    scale = precision.state_dict().get("scale", 1.0)
    for weight, other in zip(module.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad / scale, other, rtol=0.1, atol=0.02)
