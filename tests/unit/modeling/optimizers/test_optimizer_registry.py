"""Optimizers by name."""

from __future__ import annotations

import pytest
import torch

from tradewright.errors import UnknownNameError
from tradewright.optimizers import OptimizerRegistry


@pytest.mark.parametrize(
    ("name", "expected"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_names_make_torch_optimizers(name, expected):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = OptimizerRegistry.create(name, params=[weight], lr=0.1, weight_decay=0.0)
    assert type(optimizer) is expected
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["weight_decay"] == 0.0
    (weight**2).sum().backward()
    optimizer.step()
    assert (weight < 1).all()


def test_further_options_reach_torch():
    weight = torch.nn.Parameter(torch.ones(3))
    assert OptimizerRegistry.create("sgd", params=[weight], momentum=0.9).param_groups[0]["momentum"] == 0.9
    assert OptimizerRegistry.create("adam", params=[weight], betas=(0.5, 0.6)).param_groups[0]["betas"] == (0.5, 0.6)


def test_listing():
    assert OptimizerRegistry.list() == ["adam", "adamw", "sgd"]
    assert OptimizerRegistry.search("adaptive") == ["adam", "adamw"]
    with pytest.raises(UnknownNameError):
        OptimizerRegistry.create("adamm")
