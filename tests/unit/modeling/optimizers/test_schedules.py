"""Learning-rate schedules against torch's own, and their warm-up."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tradewright.errors import ParameterError, UnknownNameError
from tradewright.models.neural.learning_rate import LearningRate
from tradewright.optimizers import Schedule, ScheduleRegistry

EPOCHS = 12


def optimizer(lr=1.0):
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr)


def torchs(make, epochs=EPOCHS):
    """The rates of torch's schedule, one an epoch."""
    inner = optimizer()
    schedule = make(inner)
    rates = []
    for _ in range(epochs):
        rates.append(inner.param_groups[0]["lr"])
        inner.step()
        schedule.step()
    return rates


def rates(schedule, *, warmup=0.0, epochs=EPOCHS, steps=1, lr=1.0):
    inner = optimizer(lr)
    rate = LearningRate(inner, schedule, warmup, epochs)
    found = []
    for epoch in range(epochs):
        for step in range(steps):
            rate.before_step(epoch, step, steps)
            found.append(inner.param_groups[0]["lr"])
        assert rate.now == found[-1]
    return found


@pytest.mark.parametrize(
    ("name", "params", "peer"),
    [
        ("constant", {}, lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0)),
        ("step", {"every": 5, "gamma": 0.3}, lambda o: torch.optim.lr_scheduler.StepLR(o, 5, 0.3)),
        ("exponential", {"gamma": 0.9}, lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
        ("cosine", {"final": 0.1}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, EPOCHS, eta_min=0.1)),
        ("linear", {"final": 0.2}, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.2, EPOCHS)),
    ],
)
def test_as_torch_has_it(name, params, peer):
    assert rates(ScheduleRegistry.create(name, **params)) == pytest.approx(torchs(peer), rel=1e-9)


def test_one_cycle_goes_up_and_down_by_half_cosines():
    # torch's own peaks a step before the share it was asked for, so it is compared where both are told the same place
    schedule = ScheduleRegistry.create("one_cycle", peak=0.25)
    peer = torchs(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 1.0, 101, pct_start=26 / 101, cycle_momentum=False), 100
    )
    assert [schedule.factor(epoch, 100) for epoch in range(100)] == pytest.approx(peer, rel=1e-6, abs=1e-6)
    assert schedule.factor(25.0, 100) == 1.0
    assert schedule.factor(100.0, 100) == pytest.approx(4e-6)


@given(
    losses=st.lists(st.sampled_from([0.01, 0.5, 1.0, 2.0, 3.0, float("inf"), float("nan")]), min_size=1, max_size=30),
    patience=st.integers(0, 4),
    lowest=st.sampled_from([0.0, 0.05]),
)
def test_plateau_as_torch_has_it(losses, patience, lowest):
    inner = optimizer()
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(inner, factor=0.3, patience=patience, min_lr=lowest, eps=0.0)
    ours = ScheduleRegistry.create("plateau", gamma=0.3, patience=patience, lowest=lowest)
    for loss in losses:
        peer.step(loss)
        ours.observe(loss)
        assert ours.factor(0.0, 1.0) == pytest.approx(inner.param_groups[0]["lr"])
        twin = ScheduleRegistry.create("plateau", gamma=0.3, patience=patience, lowest=lowest)
        twin.load_state_dict(ours.state_dict())
        ours = twin


def test_plateau_knows_negative_losses():
    schedule = ScheduleRegistry.create("plateau", gamma=0.5, patience=0)
    for loss in (-1.0, -1.1, -1.2):
        schedule.observe(loss)
        assert schedule.factor(0.0, 1.0) == 1.0
    schedule.observe(-1.2)
    assert schedule.factor(0.0, 1.0) == 0.5


def test_smooth_schedules_move_with_every_step_and_others_with_every_epoch():
    assert len(set(rates(ScheduleRegistry.create("cosine"), steps=4))) == 4 * EPOCHS
    by_epoch = rates(ScheduleRegistry.create("exponential"), steps=4)
    assert by_epoch[0:4] == [1.0] * 4
    assert by_epoch[4:8] == [0.95] * 4


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle", "step", "exponential", "linear", "plateau"])
@pytest.mark.parametrize("warmup", [0.5, 2.0, 2.25])
def test_a_warm_up_goes_before_any_schedule(name, warmup):
    schedule = ScheduleRegistry.create(name)
    found = rates(schedule, warmup=warmup, steps=4, lr=0.1)
    ramp = round(4 * warmup)
    start = 0.1 * schedule.factor(0.0, EPOCHS - warmup)
    assert found[:ramp] == pytest.approx([start * (k + 1) / ramp for k in range(ramp)])
    later = [0.1 * schedule.factor(k / 4 - warmup, EPOCHS - warmup) for k in range(ramp, 4 * EPOCHS)]
    assert found[ramp:] == pytest.approx(later)


def test_groups_keep_their_proportion_and_a_new_base_is_multiplied_on():
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    inner = torch.optim.SGD([{"params": [weights[0]], "lr": 0.1}, {"params": [weights[1]], "lr": 0.4}])
    rate = LearningRate(inner, ScheduleRegistry.create("step", every=1, gamma=0.5), 0.0, 4)
    rate.before_step(1, 0, 1)
    assert [group["lr"] for group in inner.param_groups] == pytest.approx([0.05, 0.2])
    rate.set(1.0)
    rate.before_step(2, 0, 1)
    assert [group["lr"] for group in inner.param_groups] == pytest.approx([0.25, 1.0])
    assert rate.now == 0.25


def test_the_state_is_plain_and_goes_on():
    schedule = ScheduleRegistry.create("plateau", patience=0, gamma=0.5)
    rate = LearningRate(optimizer(), schedule, 1.0, 9)
    rate.after_epoch(0, 1.0)  # of the warm-up: not counted
    rate.after_epoch(1, 5.0)
    rate.after_epoch(2, 6.0)
    inner = optimizer()
    twin = LearningRate(inner, ScheduleRegistry.create("plateau", patience=0, gamma=0.5), 1.0, 9)
    twin.load_state_dict(json.loads(json.dumps(rate.state_dict())))
    twin.before_step(3, 0, 1)
    assert twin.now == 0.5


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("step", {"every": 0}),
        ("step", {"every": 1.5}),
        ("step", {"gamma": 0.0}),
        ("exponential", {"gamma": 1.1}),
        ("cosine", {"final": -0.1}),
        ("linear", {"final": 1.1}),
        ("one_cycle", {"peak": 1.0}),
        ("one_cycle", {"start": 2.0}),
        ("plateau", {"patience": -1}),
        ("plateau", {"min_delta": float("nan")}),
        ("plateau", {"lowest": 2.0}),
    ],
)
def test_refused(name, params):
    with pytest.raises(ParameterError, match=f"{next(iter(params))}="):
        ScheduleRegistry.create(name, **params)


def test_own_schedules_and_unknown_names(monkeypatch):
    monkeypatch.setattr(ScheduleRegistry, "_entries", dict(ScheduleRegistry._entries))

    @ScheduleRegistry.register("halves")
    class Halves(Schedule):
        def factor(self, epoch, epochs):
            return 0.5 ** int(epoch)

    assert rates(ScheduleRegistry.create("halves"), epochs=3) == [1.0, 0.5, 0.25]
    with pytest.raises(UnknownNameError, match="'cosine'"):
        ScheduleRegistry.create("cosin")
