"""Ranking and trading losses on tensors."""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tradewright import GroupIndex, LossRegistry  # noqa: E402
from tradewright.errors import LossError  # noqa: E402
from tradewright.loss_functions import ListNetLoss, PairwiseLogisticLoss, ProfitBasedLoss, SharpeLoss  # noqa: E402
from tradewright.loss_functions.adapters import torch_adapter, torch_operators  # noqa: E402

NAMES = [*LossRegistry.search("ranking"), *LossRegistry.search("series")]


def tensors(name, n_dates=6, n_assets=5, dtype=torch.float64, seed=0):
    rng = np.random.default_rng(seed)
    n = n_dates * n_assets
    relevance = name in ("lambdarank", "approx_ndcg")
    y = rng.integers(0, 4, n) if relevance else rng.normal(0.0, 0.05, n)
    # No two scores are a margin of 1 apart.
    s = (rng.permutation(n) - n / 2 + 0.25) * (1.9 / n)
    dates, assets = np.repeat(np.arange(n_dates), n_assets), np.tile(np.arange(n_assets), n_dates)
    return (
        torch.tensor(y, dtype=dtype),
        torch.tensor(s, dtype=dtype, requires_grad=True),
        torch.tensor(dates),
        torch.tensor(assets),
    )


def made(name):
    return LossRegistry.create(name, full_gradient=True) if name == "differential_sharpe" else LossRegistry.create(name)


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck(name):
    target, prediction, dates, assets = tensors(name)
    weight = 1.0 + (dates % 3).double()
    loss = made(name)

    def call(p):
        return loss(target, p, sample_weight=weight, groups=dates, assets=assets)

    assert torch.autograd.gradcheck(call, (prediction,))


@pytest.mark.parametrize("name", LossRegistry.search("ranking"))
def test_values_per_group(name):
    target, prediction, dates, _ = tensors(name)
    loss = LossRegistry.create(name, reduction="none")
    each = loss(target, prediction, groups=dates)
    np.testing.assert_allclose(
        each.detach(), loss(target.numpy(), prediction.detach().numpy(), groups=dates.numpy()), rtol=1e-10
    )
    (gradient,) = torch.autograd.grad(each @ torch.arange(6.0, dtype=torch.float64), prediction)
    slopes = loss.value_and_grad(target, prediction, groups=dates)[1]
    np.testing.assert_allclose(gradient, slopes * dates.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["pairwise", "listwise", "sharpe_loss"])
@pytest.mark.parametrize("ready", [False, True])
def test_compile_fullgraph(name, ready):
    torch._dynamo.reset()
    torch.manual_seed(0)
    target, _, dates, assets = tensors(name, dtype=torch.float32)
    layer, module = torch.nn.Linear(3, 1), LossRegistry.create(name).module()
    x = torch.randn(len(target), 3)
    ids = {"groups": GroupIndex(dates.numpy(), assets.numpy())} if ready else {"groups": dates, "assets": assets}

    def step(x, target):
        return module(layer(x).squeeze(1), target, **ids) * 2

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    value = compiled(x, target)
    value.backward()
    gradient = layer.weight.grad.clone()
    layer.weight.grad = None
    expected = step(x, target)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, layer.weight.grad)


@pytest.mark.parametrize(
    "name", ["lambdarank", "ic", "listmle", "sharpe_loss", "differential_sharpe", "cvar_loss", "sum"]
)
@pytest.mark.parametrize("ready", [False, True])
def test_compile_fullgraph_where_a_composition_runs(name, ready, monkeypatch):
    """As on an accelerator: sizes depend on values, so the graph calls an operator that composes and differentiates."""
    torch._dynamo.reset()
    target, prediction, dates, assets = tensors("sharpe_loss" if name == "sum" else name)
    loss = SharpeLoss(cost=0.001) + 0.1 * ListNetLoss() if name == "sum" else made(name)
    ids = {"groups": GroupIndex(dates.numpy(), assets.numpy())} if ready else {"groups": dates, "assets": assets}
    if name == "sum" and ready:
        ids = {"groups": dates, "assets": assets, "sample_weight": 1.0 + (dates % 3).double()}

    def step(prediction, target):
        return loss(target, prediction * 1.5, **ids) * 2

    (expected,) = torch.autograd.grad(step(prediction, target), prediction)
    with monkeypatch.context() as patch:
        for module in (torch_adapter, torch_operators):
            patch.setattr(module, "in_core", lambda _: False)
        value = torch.compile(step, fullgraph=True, backend="aot_eager")(prediction, target)
        (gradient,) = torch.autograd.grad(value, prediction)
        bad = target.clone()
        bad[7] = torch.nan
        with pytest.raises(LossError, match="row 7: the target is nan"):
            torch.compile(step, fullgraph=True, backend="aot_eager")(prediction, bad)
    torch.testing.assert_close(value, step(prediction, target), rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-13)


# opcheck itself looks at the .grad of a tensor that is no leaf.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
@pytest.mark.parametrize("composed", [False, True])
def test_opcheck(composed, monkeypatch):
    monkeypatch.setattr(torch_operators, "in_core", lambda _: not composed)
    target, prediction, dates, assets = tensors("sharpe_loss")
    spec = f"{torch_operators.register(SharpeLoss(cost=0.001))}|groups|assets"
    columns = [target, dates, assets]
    torch.library.opcheck(torch.ops.tradewright.loss_value_grad, (prediction, columns, spec))
    torch.library.opcheck(torch.ops.tradewright.loss_value, (prediction.detach(), columns, spec))


def outcome(call):
    try:
        return call()
    except LossError as error:
        return error.code


@pytest.mark.filterwarnings("ignore:.*groups were skipped:RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_composition_gives_and_refuses_what_the_core_does(name):
    """Random small panels: missing targets, dates of no weight, too few dates, weights that differ."""
    rng = np.random.default_rng(5)
    extra = {} if name in LossRegistry.search("ranking") else {"cost": 0.01, "initial_position": 0.2}
    seen = set()
    for trial in range(40):
        dates, assets = (rng.permuted(ids) for ids in np.divmod(np.flatnonzero(rng.random(20) < 0.5), 4))
        n = len(dates)
        y = rng.integers(0, 4, n).astype(float) if name in ("lambdarank", "approx_ndcg") else rng.normal(0, 0.05, n)
        y[rng.random(n) < 0.2] = np.nan
        w = [None, np.take([0.0, 1.0, 2.0, 0.0, 0.0], dates), rng.choice([0.0, 1.0], n)][trial % 3]
        s, assets = rng.normal(size=n), np.arange(n)
        for reduction in LossRegistry.get(name).reductions:
            loss = LossRegistry.create(name, reduction=reduction, nan_policy="omit", **extra)

            def core(loss=loss, y=y, s=s, w=w, dates=dates, assets=assets):
                return loss.value_and_grad(y, s, sample_weight=w, groups=dates, assets=assets)

            def composition(loss=loss, y=y, s=s, w=w, dates=dates, assets=assets):
                prediction = torch.tensor(s, requires_grad=True)
                given = {"groups": dates, "assets": assets} | ({} if w is None else {"sample_weight": w})
                given = {key: torch.tensor(values) for key, values in given.items()}
                value = torch_operators.compose(loss, torch.tensor(y), prediction, given, check=True)
                return value.detach().numpy(), torch.autograd.grad(value.sum(), prediction)[0].numpy()

            expected, found = outcome(core), outcome(composition)
            if isinstance(expected, str):
                assert found == expected, loss
                seen.add(expected)
                continue
            np.testing.assert_allclose(found[0], expected[0], rtol=1e-9, atol=1e-12, err_msg=repr(loss))
            np.testing.assert_allclose(found[1], expected[1], rtol=1e-8, atol=1e-11, err_msg=repr(loss))
    assert len(seen) >= 1


def test_equals_numpy_bit_for_bit():
    target, prediction, dates, assets = tensors("sharpe_loss", 50, 40, torch.float32)
    for loss in (SharpeLoss(cost=0.001), ListNetLoss(temperature=0.05)):
        prediction.grad = None
        value = loss(target, prediction, groups=dates, assets=assets)
        value.backward()
        expected, gradient = loss.value_and_grad(target, prediction, groups=dates, assets=assets)
        assert value.item() == np.float32(expected)
        np.testing.assert_array_equal(prediction.grad.numpy(), gradient)


def test_an_index_lives_as_long_as_its_owner():
    target, prediction, dates, assets = tensors("sharpe_loss")
    index = GroupIndex(dates, assets)
    value = SharpeLoss()(target, prediction, groups=index)
    key = index._key
    del index
    gc.collect()
    value.backward()
    assert prediction.grad.abs().sum() > 0
    from tradewright.loss_functions.group_index import _LIVE

    assert key not in _LIVE


def test_half_precision():
    target, prediction, dates, _ = tensors("listwise", dtype=torch.float32)
    low = prediction.detach().bfloat16().requires_grad_()
    value = ListNetLoss()(target, low, groups=dates)
    value.backward()
    assert value.dtype == low.grad.dtype == torch.bfloat16
    exact = ListNetLoss()(target, low.detach().float(), groups=dates)
    torch.testing.assert_close(value.float(), exact, rtol=1e-2, atol=1e-3)


def test_module_pickles():
    module = pickle.loads(pickle.dumps(SharpeLoss(cost=0.001).module()))
    target, prediction, dates, assets = tensors("sharpe_loss")
    value = module(prediction, target, groups=dates, assets=assets)
    assert value.item() == SharpeLoss(cost=0.001)(target, prediction, groups=dates, assets=assets).item()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_cuda_stays_on_the_device(name):
    target, prediction, dates, assets = tensors(name)
    loss = made(name)
    remote = prediction.detach().cuda().requires_grad_()
    value = loss(target.cuda(), remote, groups=dates.cuda(), assets=assets.cuda())
    value.backward()
    loss(target, prediction, groups=dates, assets=assets).backward()
    assert value.device.type == "cuda"
    torch.testing.assert_close(remote.grad.cpu(), prediction.grad, rtol=1e-8, atol=1e-12)


class TestErrors:
    def test_an_index_of_other_rows(self):
        target, prediction, _, _ = tensors("listwise")
        index = GroupIndex([1, 2, 3])
        with pytest.raises(LossError, match="index of 3 rows, y_pred has 30"):
            ListNetLoss()(target, prediction, groups=index)
        with pytest.raises(LossError, match="index of 3 rows, y_pred has 30"):
            torch_operators.compose(ListNetLoss(), target, prediction, {"groups": index}, check=True)

    def test_composition_refuses_what_the_core_refuses(self):
        target, prediction, dates, assets = tensors("sharpe_loss")
        ids = {"groups": dates, "assets": assets}

        def run(loss, target=target, prediction=prediction, **given):
            return torch_operators.compose(loss, target, prediction, {**ids, **given}, check=True)

        bad = target.clone()
        bad[11] = torch.nan
        with pytest.raises(LossError, match="row 11: the target is nan"):
            run(SharpeLoss(), target=bad)
        weight = torch.ones(30)
        weight[7] = 2
        for loss in (ListNetLoss(), SharpeLoss()):
            with pytest.raises(LossError, match="row 7: the weight is 2"):
                run(loss, sample_weight=weight)
        run(PairwiseLogisticLoss(), sample_weight=weight)
        with pytest.raises(LossError, match="nothing is left"):
            run(LossRegistry.create("crra_loss", position="identity"), prediction=prediction * 1e4)
        with pytest.raises(LossError, match="too few"):
            torch_operators.compose(SharpeLoss(), target[:1], prediction[:1], {}, check=True)
        with pytest.raises(LossError, match="pass assets="):
            torch_operators.compose(ProfitBasedLoss(cost=0.1), target, prediction, {"groups": dates}, check=True)
        with pytest.raises(LossError, match="pass groups="):
            torch_operators.compose(ListNetLoss(), target, prediction, {}, check=True)
