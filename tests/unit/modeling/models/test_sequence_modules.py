"""The modules that read windows: shapes, order in time, parameters, and the numbers of small cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tradewright.errors import ParameterError
from tradewright.models import ModelRegistry, ModuleRegistry
from tradewright.models.neural.tcn import TCN
from tradewright.models.neural.transformer import Transformer, sinusoids

NAMES = ["gru", "lstm", "tcn", "transformer"]


def build(name, n_features=3, n_outputs=1, **params):
    torch.manual_seed(0)
    return ModuleRegistry.get(name)(n_features=n_features, n_outputs=n_outputs, hidden=8, **params).eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("window", [1, 2, 20])
def test_shapes(name, window):
    module = build(name, n_features=5, n_outputs=2)
    assert module(torch.zeros(7, window, 5)).shape == (7, 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_of_a_batch_does_not_see_the_others(name):
    module, x = build(name), torch.randn(6, 5, 3)
    with torch.inference_mode():
        before = module(x)
        x[1:] = torch.randn(5, 5, 3)
        assert torch.equal(module(x)[0], before[0])
    module.train()  # and so in training: nothing is normalised over a batch
    torch.manual_seed(1)
    first = module(x)
    x[1:] = 100.0
    torch.manual_seed(1)
    assert torch.allclose(module(x)[0], first[0], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_steps_counts(name):
    module, x = build(name), torch.randn(4, 5, 3)
    with torch.inference_mode():
        swapped = x[:, [1, 0, 2, 3, 4]]
        assert not torch.allclose(module(swapped), module(x))


@pytest.mark.parametrize(("layers", "kernel"), [(1, 2), (2, 3), (3, 2)])
def test_a_convolutional_network_reads_what_it_says(layers, kernel):
    module = TCN(2, hidden=4, layers=layers, kernel=kernel).eval()
    reach = 1 + 2 * (kernel - 1) * (2**layers - 1)
    x = torch.randn(1, reach + 3, 2, requires_grad=True)
    module(x).sum().backward()
    read = x.grad[0].abs().sum(dim=1) > 0
    assert not read[:3].any()
    assert read[-1]
    assert read[3:].any()


@pytest.mark.parametrize("window", [1, 2, 20, 29, 30, 61])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_by_default_it_reads_the_whole_window(window, kernel):
    params = ModelRegistry.create("tcn", window=window, kernel=kernel).module_params
    reach = [1 + 2 * (kernel - 1) * (2**layers - 1) for layers in (params["layers"], params["layers"] - 1)]
    assert reach[0] >= window
    assert reach[1] < window or params["layers"] == 1


def test_steps_of_a_transformer_attend_backwards():
    """What a step of the first layer has computed does not depend on later steps."""
    module = Transformer(3, hidden=8, heads=2, layers=2).eval()
    seen = []
    for layer in module.layers:
        layer.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    x = torch.randn(1, 6, 3)
    with torch.no_grad():
        module(x)
        x[:, 4:] = 9.0
        module(x)
    for before, after in zip(seen[:2], seen[2:], strict=True):
        assert torch.equal(before[:, :4], after[:, :4])
        assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_positions_count_back_from_the_row():
    codes = sinusoids(5, 6, torch.device("cpu"))
    assert codes.shape == (5, 6)
    assert torch.equal(codes[-1], torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]))
    assert torch.equal(sinusoids(9, 6, torch.device("cpu"))[4:], codes)
    back = 3 * 10_000.0 ** (-np.arange(3) / 3)
    np.testing.assert_allclose(codes[1], np.concatenate([np.sin(back), np.cos(back)]), rtol=1e-5)


def test_learned_positions():
    module = build("transformer", positions="learned", max_window=6)
    assert module(torch.zeros(2, 6, 3)).shape == (2, 1)
    assert module.places.requires_grad
    with pytest.raises(ParameterError, match="window=7 is longer than the 6 learned positions"):
        module(torch.zeros(2, 7, 3))
    assert ModelRegistry.create("transformer", window=33, positions="learned").module_params["max_window"] == 33


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_recurrent_weights_start_orthogonal_and_forget_gates_open(name):
    module = build(name, layers=2).recurrent
    for gate in module.weight_hh_l1.data.split(8):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    if name == "lstm":
        assert torch.equal(module.bias_ih_l1.data[8:16], torch.ones(8))
        assert not torch.equal(module.bias_ih_l1.data[:8], torch.ones(8))


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        *((name, {"hidden": 0}, "hidden=0") for name in NAMES),
        *((name, {"layers": 1.5}, "layers=1.5") for name in NAMES),
        *((name, {"dropout": 1.0}, "dropout=1.0") for name in NAMES),
        ("tcn", {"kernel": 0}, "kernel=0"),
        ("transformer", {"heads": 3}, "heads=3"),
        ("transformer", {"hidden": 9, "heads": 3}, "hidden=9"),
        ("transformer", {"positions": "none"}, "positions='none'"),
        ("transformer", {"feedforward": True}, "feedforward=True"),
        ("transformer", {"max_window": 0}, "max_window=0"),
    ],
)
def test_refused(name, params, words):
    with pytest.raises(ParameterError, match=words):
        ModuleRegistry.get(name)(n_features=3, n_outputs=1, **params)
