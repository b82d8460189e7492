"""A device that runs out of memory: what is tried again, what stays the same, when it is given up."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch

from tradewright.base import Samples
from tradewright.errors import DeviceMemoryError
from tradewright.models import ModuleRegistry, TorchModel
from tradewright.models.neural import fit_setup
from tradewright.runtime.device_layer_torch import CpuLayer, open_layer

N = 96


class FakeDevice:
    """The CPU, posing as a device of little memory: a pass over too many rows, or the k-th pass, does not fit."""

    recovers = True

    def __init__(self):
        self.calls, self.passes = [], []
        self.most_rows, self.fails_at = None, ()

    def start(self):
        self.calls.append("start")

    def synchronize(self):
        self.calls.append("synchronize")

    def empty_cache(self):
        self.calls.append("empty_cache")
        self.alive = [ref() for ref in self.leaked if ref() is not None]

    def peak_memory(self):
        return 12345

    def ran_out(self, error):
        return isinstance(error, torch.OutOfMemoryError)

    leaked = ()

    def take(self, X, training):
        self.passes.append((len(X), training))
        if (self.most_rows is not None and len(X) > self.most_rows) or len(self.passes) - 1 in self.fails_at:
            # What the failed pass had taken: it must be gone when memory is given back.
            taken = torch.zeros(10)
            self.leaked = (*self.leaked, weakref.ref(taken))
            raise torch.OutOfMemoryError("the fake device is full")


@pytest.fixture
def device(monkeypatch):
    fake = FakeDevice()
    for module in ("torch_model", "neural.fit_setup", "neural.model_inputs", "neural.sequences"):
        monkeypatch.setattr(f"tradewright.models.{module}.open_layer", lambda name: fake)
    monkeypatch.setattr(ModuleRegistry, "_entries", dict(ModuleRegistry._entries))

    @ModuleRegistry.register("hungry")
    class Hungry(torch.nn.Module):
        def __init__(self, n_features, n_outputs, dropout=0.0):
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(n_features, 8), torch.nn.Dropout(dropout), torch.nn.Linear(8, n_outputs)
            )

        def forward(self, X):
            fake.take(X, self.training)
            return self.layers(X)

    return fake


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3))
    return X, X[:, 0] + 0.1 * rng.normal(size=N)


def net(**params):
    params = {"epochs": 2, "batch_size": 32, "lr": 0.01, "seed": 0, **params}
    return TorchModel("hungry", device="cpu", **params)


def same(first, second, **tolerance):
    for one, other in zip(first.module_.parameters(), second.module_.parameters(), strict=True):
        torch.testing.assert_close(one, other, **(tolerance or {"rtol": 0.0, "atol": 0.0}))


def test_smaller_parts_take_the_same_steps(device, table):
    whole = net().fit(*table)
    device.most_rows, device.passes = 9, []
    with pytest.warns(UserWarning, match="rows at a time") as warned:
        halved = net().fit(*table)
    assert [str(warning.message).split(" rows at")[0][-2:] for warning in warned] == ["16", " 8"]
    same(halved, whole, rtol=1e-4, atol=1e-6)
    assert [rows for rows, training in device.passes if training] == [32, 16] + [8] * 24
    assert not device.alive  # nothing pins the memory of the failed passes


def test_memory_is_asked_back_between_the_attempts(device, table):
    device.most_rows = 16
    with pytest.warns(UserWarning, match="16 rows at a time"):
        net().fit(*table)
    assert device.calls[:3] == ["start", "synchronize", "empty_cache"]
    assert device.calls[-1] == "empty_cache"  # and after the fit


def test_the_epochs_are_told_once(device, table, watcher):
    device.fails_at = (2, 9)
    seen = watcher()
    with pytest.warns(UserWarning, match="out of device memory"):
        net(epochs=4).fit_samples(Samples.collect(*table), observer=seen)
    assert seen.begun == [0, 1, 2, 3]
    assert [state.epoch for state in seen.states] == [0, 1, 2, 3]


@pytest.mark.parametrize("optimizer", ["adamw", "nadam", "muon"])
def test_the_start_of_an_epoch_is_put_back_bit_by_bit(device, table, monkeypatch, optimizer):
    """Weights, optimizer, schedule, order and dropout: nothing stays of the batches that went before the failed one."""
    params = {"module_params": {"dropout": 0.5}, "schedule": "cosine", "epochs": 3, "optimizer": optimizer}
    expected = net(**params).fit(*table)
    # The batches stay as they are: what is left is the putting back alone.
    monkeypatch.setattr("tradewright.models.neural.fit_run.FitRun._halve", lambda run, words: None)
    for fails_at in [(1,), (4, 7, 9), (0, 1, 2)]:
        device.passes, device.fails_at = [], fails_at
        same(net(**params).fit(*table), expected)


def test_losses_across_rows_are_recovered_too(device, table):
    groups = np.arange(N) // 6
    params = {"loss": "ic", "batch_size": 48, "optimizer": "sgd"}
    whole = net(**params).fit(*table, groups=groups)
    device.most_rows = 30
    with pytest.warns(UserWarning, match="24 rows at a time"):
        same(net(**params).fit(*table, groups=groups), whole, rtol=1e-3, atol=1e-5)
    with pytest.warns(UserWarning, match="rows at a time"):  # 96 → 48 → 24
        net(loss="sharpe_loss").fit(*table)


def test_given_up_when_a_single_row_does_not_fit(device, table):
    device.most_rows = 0
    model = net(batch_size=4)
    with (
        pytest.warns(UserWarning, match="rows at a time"),
        pytest.raises(
            DeviceMemoryError, match=r"no room for a pass over 1 of the 4 rows.*the fake device is full"
        ) as caught,
    ):
        model.fit(*table)
    assert isinstance(caught.value, MemoryError)
    # Raised outside of the except block, whose traceback would hold the memory.
    assert not isinstance(caught.value.__context__, torch.OutOfMemoryError)
    assert not model.is_fitted
    assert [rows for rows, _ in device.passes] == [4, 2, 1]


def test_validation_and_prediction_go_on_in_smaller_batches(device, table):
    model = net().fit(*table)
    expected = model.predict(table[0])
    device.most_rows, device.passes = 40, []
    assert np.array_equal(model.predict(table[0]), expected)
    assert [rows for rows, _ in device.passes] == [96, 48, 24, 24, 24, 24]
    device.most_rows = 0
    with pytest.raises(torch.OutOfMemoryError):
        model.predict(table[0])


def test_other_errors_are_not_taken_for_it(device, table, monkeypatch):
    def broken(X, training):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(device, "take", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        net().fit(*table)


def test_rows_that_do_not_fit_stay_on_the_host(device, table, monkeypatch):
    expected = net().fit(*table)
    original = torch.Tensor.to

    def full(tensor, *args, **kwargs):
        if tensor.ndim == 2 and len(tensor) == N and args == ("cpu",):
            raise torch.OutOfMemoryError("no room for all of it")
        return original(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", full)
    with pytest.warns(UserWarning, match="stay on the host"):
        same(net().fit(*table), expected)


def test_the_peak_goes_on_record(device, table):
    assert net().fit(*table).metadata.peak_memory == 12345


def test_the_cpu_has_no_second_try(table, monkeypatch):
    assert isinstance(open_layer("cpu"), CpuLayer)
    assert fit_setup.open_layer("cpu").recovers is False
    model = TorchModel(epochs=1, device="cpu").fit(*table)
    assert model.metadata.peak_memory is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestCuda:
    def test_a_real_device_recovers(self, table):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200_000, 20)).astype(np.float32)
        y = X[:, 0].astype(np.float64)
        params = {"module_params": {"hidden": [512, 512]}, "epochs": 2, "batch_size": 200_000, "seed": 0}
        free = TorchModel(device="cuda", **params).fit(X, y)
        peak = free.metadata.peak_memory
        assert peak > 500 << 20
        total = torch.cuda.get_device_properties(0).total_memory
        del free
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(0.4 * peak / total)
        try:
            with pytest.warns(UserWarning, match="out of device memory"):
                tight = TorchModel(device="cuda", **params).fit(X, y)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert tight.metadata.peak_memory < 0.5 * peak
        assert tight.score(X, y) > 0.5

    def test_memory_is_given_back_between_fits(self, table):
        held = []
        for _ in range(3):
            TorchModel(device="cuda", epochs=1, seed=0).fit(*table)
            gc.collect()
            held.append(torch.cuda.memory_reserved())
        assert held[2] <= held[0]

    @pytest.mark.parametrize("amp", ["bf16", "fp16"])
    def test_half_precision(self, table, amp):
        assert TorchModel(device="cuda", amp=amp, epochs=40, lr=0.01, seed=0).fit(*table).score(*table) > 0.8
