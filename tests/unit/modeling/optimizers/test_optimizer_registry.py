"""Optimizers by name: each is the class of torch, trains, and goes on from its state with the same bits."""

from __future__ import annotations

import copy

import pytest
import torch

from tradewright.errors import ParameterError, UnknownNameError
from tradewright.optimizers import OptimizerRegistry

CLASSES = {
    "sgd": torch.optim.SGD,
    "asgd": torch.optim.ASGD,
    "rprop": torch.optim.Rprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "adafactor": torch.optim.Adafactor,
}


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


def steps(optimizer, module, count):
    X = torch.linspace(-1, 1, 60).reshape(20, 3)
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = ((module(X)[:, 0] - X.sum(dim=1)) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_every_optimizer_of_torch_that_steps_by_itself_is_there():
    offered = {name for name in dir(torch.optim) if isinstance(getattr(torch.optim, name), type)}
    ours = {made.__name__ for made in CLASSES.values()} | {"Muon"}
    assert offered - ours == {"LBFGS", "Optimizer", "SparseAdam"}
    assert OptimizerRegistry.list() == sorted([*CLASSES, "muon"])


@pytest.mark.parametrize(("name", "expected"), CLASSES.items())
def test_names_make_torch_optimizers(name, expected):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = OptimizerRegistry.create(name, params=[weight], lr=0.1, weight_decay=0.0)
    assert type(optimizer) is expected
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0].get("weight_decay", 0.0) == 0.0


@pytest.mark.parametrize("name", [*CLASSES, "muon"])
def test_each_trains_and_goes_on_from_its_state(name):
    module = network()
    make = OptimizerRegistry.get(name)
    optimizer = make(module.parameters(), lr=1.0 if name == "adadelta" else 0.02, weight_decay=0.0)
    losses = steps(optimizer, module, 40)
    assert losses[-1] < 0.7 * losses[0]
    other = copy.deepcopy(module)
    twin = make(other.parameters(), lr=0.5, weight_decay=0.0)
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps(optimizer, module, 5)
    steps(twin, other, 5)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", [name for name in [*CLASSES, "muon"] if name != "rprop"])
def test_weight_decay_makes_weights_smaller(name):
    sizes = []
    for decay in (0.0, 0.1):
        module = network()
        steps(
            OptimizerRegistry.create(
                name, params=module.parameters(), lr=1.0 if name == "adadelta" else 0.05, weight_decay=decay
            ),
            module,
            100,
        )
        sizes.append(sum(float((weight.detach() ** 2).sum()) for weight in module.parameters()))
    assert sizes[1] < sizes[0]


def test_rprop_has_no_weight_decay():
    with pytest.raises(ParameterError, match="weight_decay"):
        OptimizerRegistry.create("rprop", params=[torch.nn.Parameter(torch.ones(3))], weight_decay=0.1)


class TestMuon:
    def test_matrices_go_to_muon_and_the_rest_to_adamw(self):
        module = network()
        optimizer = OptimizerRegistry.create("muon", params=module.parameters(), lr=0.1, weight_decay=0.3)
        assert [type(part) for part in optimizer._parts] == [torch.optim.Muon, torch.optim.AdamW]
        matrices, others = (group["params"] for group in optimizer.param_groups)
        assert [tuple(weight.shape) for weight in matrices] == [(8, 3)]
        assert [tuple(weight.shape) for weight in others] == [(8,), (1, 8), (1,)]
        assert {(group["lr"], group["weight_decay"]) for group in optimizer.param_groups} == {(0.1, 0.3)}

    def test_a_rate_set_on_the_groups_counts(self):
        module = network()
        before = [weight.detach().clone() for weight in module.parameters()]
        optimizer = OptimizerRegistry.create("muon", params=module.parameters(), lr=0.1)
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        steps(optimizer, module, 2)
        assert all(torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))

    @pytest.mark.parametrize("shape", [(4,), (4, 4)])
    def test_one_kind_alone(self, shape):
        weight = torch.nn.Parameter(torch.ones(shape))
        optimizer = OptimizerRegistry.create("muon", params=[weight], lr=0.1)
        (weight**2).sum().backward()
        optimizer.step()
        assert (weight < 1).any()

    def test_groups_are_refused(self):
        with pytest.raises(ParameterError, match="groups"):
            OptimizerRegistry.create("muon", params=[{"params": [torch.nn.Parameter(torch.ones(2, 2))]}])


def test_further_options_reach_torch():
    weight = torch.nn.Parameter(torch.ones(3))
    assert OptimizerRegistry.create("sgd", params=[weight], momentum=0.9).param_groups[0]["momentum"] == 0.9
    assert OptimizerRegistry.create("adam", params=[weight], betas=(0.5, 0.6)).param_groups[0]["betas"] == (0.5, 0.6)
    assert OptimizerRegistry.create("adam", params=[weight]).param_groups[0]["fused"] is True
    assert not OptimizerRegistry.create("adam", params=[weight], foreach=True).param_groups[0]["fused"]


def test_listing():
    assert OptimizerRegistry.search("first_order") == ["asgd", "rprop", "sgd"]
    with pytest.raises(UnknownNameError):
        OptimizerRegistry.create("adamm")
