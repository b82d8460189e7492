"""Losses on tensors: torch's own losses are the oracle."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tradewright import _core  # noqa: E402
from tradewright.errors import LossError, UnsupportedError  # noqa: E402
from tradewright.loss_functions import BinaryCrossEntropy, CostSensitiveLoss, HuberLoss, MSELoss  # noqa: E402
from tradewright.loss_functions.adapters import torch_adapter, torch_operators  # noqa: E402

PAIRS = [
    (BinaryCrossEntropy, torch.nn.BCEWithLogitsLoss, torch.randn),
    (lambda **kw: BinaryCrossEntropy(from_logits=False, **kw), torch.nn.BCELoss, torch.rand),
    (MSELoss, torch.nn.MSELoss, torch.randn),
]


def tensors(draw=torch.randn, n=500, dtype=torch.float64, shape=None):
    generator = torch.Generator().manual_seed(1)
    shape = shape or (n,)
    prediction = draw(shape, generator=generator, dtype=dtype).requires_grad_()
    return torch.rand(shape, generator=generator, dtype=dtype), prediction


@pytest.mark.parametrize(("ours", "theirs", "draw"), PAIRS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(500,), (500, 1)])
def test_parity(ours, theirs, draw, reduction, dtype, shape):
    target, prediction = tensors(draw, dtype=dtype, shape=shape)
    module, peer = ours(reduction=reduction).module(), theirs(reduction=reduction)
    value, expected = module(prediction, target), peer(prediction, target)
    torch.testing.assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value.pow(2).sum(), prediction)
    (slope,) = torch.autograd.grad(expected.pow(2).sum(), prediction)
    # torch adds float32 in float32; the square hands the difference on to the gradient.
    rtol = 1e-5 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(gradient, slope, rtol=rtol, atol=rtol * float(slope.abs().max()))


def test_weighted_parity():
    target, prediction = tensors()
    weight = torch.rand(500, dtype=torch.float64)
    peer = torch.nn.BCEWithLogitsLoss(weight=weight)(prediction, target)
    torch.testing.assert_close(BinaryCrossEntropy(reduction="mean_n")(target, prediction, sample_weight=weight), peer)
    mean = BinaryCrossEntropy()(target, prediction, sample_weight=weight)
    torch.testing.assert_close(mean, peer * 500 / weight.sum())


@pytest.mark.parametrize("reduction", ["mean", "mean_n", "sum", "none"])
@pytest.mark.parametrize(("ours", "draw"), [(pair[0], pair[2]) for pair in PAIRS])
def test_gradcheck(ours, draw, reduction):
    target, prediction = tensors(draw, n=12)
    weight = torch.linspace(0.5, 2, 12, dtype=torch.float64)
    loss = ours(reduction=reduction)
    assert torch.autograd.gradcheck(lambda p: loss(target, p, sample_weight=weight), (prediction,))


# opcheck itself looks at the .grad of a tensor that is no leaf.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_opcheck():
    target, prediction = tensors(n=8)
    key = torch_operators.register(BinaryCrossEntropy())
    for names, columns in ((key, [target]), (f"{key}|sample_weight", [target, torch.ones(8)])):
        torch.library.opcheck(torch.ops.tradewright.loss_value_grad, (prediction, columns, names))
        torch.library.opcheck(torch.ops.tradewright.loss_value, (prediction.detach(), columns, names))


@pytest.mark.slow
def test_compile_fullgraph():
    torch.manual_seed(0)
    layer, module = torch.nn.Linear(3, 1), BinaryCrossEntropy().module()
    x, target = torch.randn(64, 3), torch.rand(64, 1)

    def step(x, target, weight):
        return module(layer(x), target, weight) * 2

    compiled = torch.compile(step, fullgraph=True)
    weight = torch.rand(64)
    value = compiled(x, target, weight)
    value.backward()
    gradient = layer.weight.grad.clone()
    layer.weight.grad = None
    expected = step(x, target, weight)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, layer.weight.grad)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_plain_call_compiles(on_device, monkeypatch):
    """Not only modules; and each loss under one compiled function keeps its own parameters."""
    torch._dynamo.reset()
    if on_device:
        for module in (torch_adapter, torch_operators):
            monkeypatch.setattr(module, "in_core", lambda _: False)
    target, prediction = tensors()
    step = torch.compile(lambda loss, p: loss(target, p) * 2, fullgraph=True, backend="aot_eager")
    for delta in (1.0, 0.1):
        loss = HuberLoss(delta=delta)
        value = step(loss, prediction)
        assert value.item() == pytest.approx(2 * loss(target.numpy(), prediction.detach().numpy()))
        (gradient,) = torch.autograd.grad(value, prediction)
        torch.testing.assert_close(gradient, (prediction.detach() - target).clamp(-delta, delta) * 2 / 500)


def test_second_derivative_is_refused():
    target, prediction = tensors()
    with pytest.raises(UnsupportedError, match="no second derivative"):
        torch.autograd.grad(MSELoss()(target, prediction), prediction, create_graph=True)


def test_two_calls_do_not_share_a_buffer():
    target, prediction = tensors()
    a, b = MSELoss()(target, prediction), MSELoss()(-target, prediction)
    (gradient,) = torch.autograd.grad(a + 3 * b, prediction)
    expected = 2 * ((prediction - target) + 3 * (prediction + target)) / 500
    torch.testing.assert_close(gradient, expected)


def test_value_and_gradient_equal_numpy_bit_for_bit():
    target, prediction = tensors(n=2_000, dtype=torch.float32)
    value, gradient = BinaryCrossEntropy().value_and_grad(target, prediction)
    tensor = BinaryCrossEntropy()(target, prediction)
    tensor.backward()
    assert np.array_equal(prediction.grad.numpy(), gradient)
    assert tensor.item() == np.float32(value)


def test_same_bits_at_any_thread_count():
    target, prediction = tensors(n=200_003, dtype=torch.float32)
    before, seen = _core.num_threads(), set()
    try:
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            prediction.grad = None
            value = BinaryCrossEntropy()(target, prediction)
            value.backward()
            seen.add((value.item(), prediction.grad.numpy().tobytes()))
    finally:
        _core.set_num_threads(before)
    assert len(seen) == 1


def test_dtypes_of_the_target_and_layout():
    target, prediction = tensors()
    expected = BinaryCrossEntropy()((target > 0.5).double(), prediction)
    for hard in ((target > 0.5), (target > 0.5).long(), (target > 0.5).float()):
        assert BinaryCrossEntropy()(hard, prediction).item() == expected.item()
    wide = torch.stack([prediction.detach(), target], dim=1).requires_grad_()
    value = BinaryCrossEntropy()(wide[:, 1].detach(), wide[:, 0])
    value.backward()
    torch.testing.assert_close(value, BinaryCrossEntropy()(target, prediction))
    assert wide.grad[:, 1].abs().max() == 0
    expanded = torch.ones(1, dtype=torch.float64).expand(500)
    torch.testing.assert_close(MSELoss()(expanded, prediction), MSELoss()(torch.ones_like(target), prediction))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    target, prediction = tensors(dtype=torch.float32)
    low = prediction.detach().to(dtype).requires_grad_()
    value = BinaryCrossEntropy()(target, low)
    value.backward()
    assert value.dtype == low.grad.dtype == dtype
    reference = low.detach().float().requires_grad_()
    exact = torch.nn.functional.binary_cross_entropy_with_logits(reference, target)
    exact.backward()
    torch.testing.assert_close(value.float(), exact, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(low.grad.float(), reference.grad, rtol=1e-2, atol=1e-4)


def test_without_gradient():
    target, prediction = tensors()
    with torch.no_grad():
        value = MSELoss()(target, prediction)
    assert not value.requires_grad
    assert value.item() == MSELoss()(target.numpy(), prediction.detach().numpy())


def test_missing_targets():
    target, prediction = tensors()
    target[3] = torch.nan
    with pytest.raises(LossError, match="row 3: the target is NaN"):
        MSELoss()(target, prediction)
    MSELoss(nan_policy="omit")(target, prediction).backward()
    assert prediction.grad[3] == 0
    assert prediction.grad[4] != 0


class TestComposition:
    """What runs on accelerators, run here on the CPU: the operations are the same."""

    def run(self, loss, target, prediction, weight=None, check=True):
        given = {} if weight is None else {"sample_weight": weight}
        return torch_operators.compose(loss, target, prediction, given, check=check)

    @pytest.mark.parametrize(("ours", "draw"), [(pair[0], pair[2]) for pair in PAIRS])
    @pytest.mark.parametrize("reduction", ["mean", "mean_n", "sum", "none"])
    def test_equals_the_core(self, ours, draw, reduction):
        target, prediction = tensors(draw, shape=(500, 1))
        target[7::9] = torch.nan
        weight = torch.rand(500, dtype=torch.float64)
        weight[2] = 0
        loss = ours(reduction=reduction, nan_policy="omit")
        value, expected = self.run(loss, target, prediction, weight), loss(target, prediction, sample_weight=weight)
        torch.testing.assert_close(value, expected)
        (gradient,) = torch.autograd.grad(value.sum(), prediction)
        (slope,) = torch.autograd.grad(expected.sum(), prediction)
        torch.testing.assert_close(gradient, slope)

    def test_bad_values_name_their_row(self):
        target, prediction = tensors()
        bad = prediction.detach().clone()
        bad[11] = torch.inf
        with pytest.raises(LossError, match="row 11: the prediction is inf"):
            self.run(MSELoss(), target, bad)
        target[12] = -1
        with pytest.raises(LossError, match="row 12: the target is -1"):
            self.run(BinaryCrossEntropy(), target, prediction)
        weight = torch.ones(500)
        weight[4] = -1
        with pytest.raises(LossError, match="row 4: the weight is -1"):
            self.run(MSELoss(), target, prediction, weight)
        with pytest.raises(LossError, match="undefined"):
            self.run(MSELoss(), target, prediction, torch.zeros(500))
        assert torch.isinf(self.run(MSELoss(), target, bad, check=False))

    def test_per_row_arguments(self):
        target, prediction = (values[:2] for values in tensors())
        for costs, match in (
            ([[1.0, torch.nan, 0, 0], [1, 1, 0, 0]], "row 0: costs"),
            ([[1.0] * 4, [-1.0] * 4], "row 1"),
        ):
            given = {"costs": torch.tensor(costs)}
            with pytest.raises(LossError, match=match):
                torch_operators.compose(CostSensitiveLoss(), target.round(), prediction, given, check=True)

    def test_half_precision_is_computed_in_single(self):
        target, prediction = tensors(dtype=torch.float32)
        low = prediction.detach().bfloat16()
        value = self.run(MSELoss(), target, low)
        assert value.dtype == torch.bfloat16
        torch.testing.assert_close(value, MSELoss()(target, low))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_stays_on_the_device():
    target, prediction = tensors(dtype=torch.float32)
    remote = prediction.detach().cuda().requires_grad_()
    value = BinaryCrossEntropy()(target.cuda(), remote)
    value.backward()
    BinaryCrossEntropy()(target, prediction).backward()
    assert value.device.type == "cuda"
    torch.testing.assert_close(remote.grad.cpu(), prediction.grad)


class TestErrors:
    def test_shapes(self):
        target, prediction = tensors()
        with pytest.raises(LossError, match=r"y_true has shape \(500,\), y_pred has shape \(500, 1\)"):
            MSELoss()(target, prediction[:, None])
        with pytest.raises(LossError, match="sample_weight has shape"):
            MSELoss()(target, prediction, sample_weight=torch.ones(3))

    def test_mixed_worlds(self):
        target, prediction = tensors()
        with pytest.raises(LossError, match=r"y_true is a ndarray.*torch.as_tensor"):
            MSELoss()(target.numpy(), prediction)

    def test_gradients_of_the_target(self):
        target, prediction = tensors()
        with pytest.raises(LossError, match=r"pass y_true.detach\(\)"):
            MSELoss()(target.requires_grad_(), prediction)

    def test_integer_predictions(self):
        with pytest.raises(LossError, match=r"y_pred has dtype torch\.int64"):
            MSELoss()(torch.ones(2), torch.ones(2, dtype=torch.int64))

    def test_other_devices_are_not_copied_quietly(self):
        target, prediction = tensors()
        with pytest.raises(LossError, match="lives on cpu, y_pred on meta"):
            MSELoss()(target, prediction.to("meta"))
        with pytest.raises(UnsupportedError, match="lives on meta"):
            MSELoss().value_and_grad(target, prediction.to("meta"))


def test_module_pickles():
    module = pickle.loads(pickle.dumps(MSELoss(reduction="sum").module(check_on_device=False)))
    assert module.loss == MSELoss(reduction="sum")
    assert not module.check_on_device
    assert "MSELoss" in repr(module)
    assert module(torch.ones(2), torch.zeros(2)).item() == 2.0
