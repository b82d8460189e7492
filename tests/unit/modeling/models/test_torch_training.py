"""How a TorchModel trains: schedules, accumulation, order, precision, compilation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from tradewright.base import Samples
from tradewright.errors import LossError, ParameterError, UnknownNameError
from tradewright.loss_functions import MSELoss
from tradewright.models import ModuleRegistry, TorchModel

N = 200


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, 4)).astype(np.float32)
    return X, X[:, 0] - 0.5 * X[:, 1] + 0.1 * rng.normal(size=N)


def net(**params):
    params = {"module_params": {"hidden": [8]}, "epochs": 3, "batch_size": 32, "lr": 0.01, "seed": 0, **params}
    return TorchModel("mlp", device="cpu", **params)


def same_weights(first, second, **tolerance):
    for one, other in zip(first.module_.parameters(), second.module_.parameters(), strict=True):
        torch.testing.assert_close(one, other, **(tolerance or {"rtol": 0.0, "atol": 0.0}))


class TestSteps:
    def test_accumulated_batches_are_one_large_batch(self, table):
        many = net(batch_size=16, accumulate=4).fit(*table)
        same_weights(many, net(batch_size=64).fit(*table), rtol=1e-4, atol=1e-6)

    def test_the_module_sees_batches_and_the_optimizer_steps(self, table, watcher, monkeypatch):
        monkeypatch.setattr(ModuleRegistry, "_entries", dict(ModuleRegistry._entries))
        seen = []

        @ModuleRegistry.register("watched")
        class Watched(torch.nn.Linear):
            def __init__(self, n_features, n_outputs):
                super().__init__(n_features, n_outputs)

            def forward(self, X):
                seen.append(len(X))
                return super().forward(X)

        class Listener(watcher):
            wants_batches = True
            losses = ()

            def batch_end(self, batch, logs):
                self.losses += (logs["loss"],)
                return False

        listener = Listener()
        model = TorchModel("watched", epochs=1, batch_size=30, accumulate=3, device="cpu")
        model.fit_samples(Samples.collect(*table), observer=listener)
        assert seen == [30, 30, 30, 30, 30, 30, 20]
        assert len(listener.losses) == 3  # a batch, to those who listen, is a step

    @pytest.mark.parametrize("shuffle", ["full", "block", False])
    def test_every_order_learns(self, table, shuffle):
        assert net(shuffle=shuffle, epochs=15).fit(*table).score(*table) > 0.9

    def test_without_shuffle_the_seed_has_no_say_but_in_the_weights(self, table):
        linear = {"module_params": {"hidden": []}, "epochs": 60, "shuffle": False, "lr": 0.05}
        first, second = (net(**linear, seed=seed).fit(*table) for seed in (0, 1))
        np.testing.assert_allclose(first.predict(table[0]), second.predict(table[0]), atol=0.02)

    def test_weights_count_the_same_in_parts(self, table):
        weight = np.linspace(0.1, 3.0, N)
        many = net(batch_size=8, accumulate=8).fit(*table, sample_weight=weight)
        same_weights(many, net(batch_size=64).fit(*table, sample_weight=weight), rtol=1e-4, atol=1e-6)

    def test_a_limit_of_batches_is_kept_without_shuffle_too(self, table, watcher):
        seen = watcher()
        seen.batch_limit = 2
        model = net(shuffle=False, epochs=1).fit_samples(Samples.collect(*table), observer=seen)
        first = table[0][:64], table[1][:64]
        assert seen.states[0].logs["train_loss"] == pytest.approx(
            float(np.mean((first[1] - model.predict(first[0])) ** 2)), rel=0.3
        )


class TestRate:
    def rates(self, table, watcher, **params):
        seen = watcher()
        net(**params).fit_samples(Samples.collect(*table), Samples.collect(*table), observer=seen)
        return [state.logs["lr"] for state in seen.states]

    def test_the_logs_say_the_rate_that_was_used(self, table, watcher):
        assert self.rates(table, watcher) == [0.01] * 3
        steps = {"schedule": "step", "schedule_params": {"every": 1, "gamma": 0.5}}
        assert self.rates(table, watcher, **steps) == pytest.approx([0.01, 0.005, 0.0025])
        # 7 steps an epoch: the last one of each
        gone = np.array([6, 13, 20]) / 21
        expected = 0.01 * (1 + np.cos(np.pi * gone)) / 2
        assert self.rates(table, watcher, schedule="cosine") == pytest.approx(list(expected))
        assert self.rates(table, watcher, warmup=2) == pytest.approx([0.005, 0.01, 0.01])

    def test_the_rate_reaches_the_weights(self, table):
        still = {"schedule": "exponential", "schedule_params": {"gamma": 1e-12}, "optimizer": "sgd"}
        same_weights(net(**still).fit(*table), net(epochs=1, optimizer="sgd").fit(*table), rtol=1e-6, atol=1e-9)

    def test_plateau_hears_the_validation_loss(self, table, watcher):
        seen = watcher()
        y = table[1]
        model = net(schedule="plateau", schedule_params={"patience": 0, "gamma": 0.5}, epochs=5, lr=0.05)
        model.fit_samples(Samples.collect(*table), Samples.collect(table[0], -3 * y), observer=seen)
        losses = [state.logs["val_loss"] for state in seen.states]
        assert min(losses) == losses[0]  # it learns the wrong thing
        rates = [state.logs["lr"] for state in seen.states]
        assert rates == pytest.approx([0.05, 0.05, 0.025, 0.0125, 0.00625])

    def test_a_rate_set_between_epochs_counts_from_the_next_one(self, table, watcher):
        changed = []

        def halve(state):
            changed.append(model.set_learning_rate(0.004))

        model = net(schedule="step", schedule_params={"every": 2, "gamma": 0.5})
        seen = watcher(then=halve)
        model.fit_samples(Samples.collect(*table), observer=seen)
        assert [state.logs["lr"] for state in seen.states] == pytest.approx([0.01, 0.004, 0.002])
        assert changed == [True] * 3
        assert model.set_learning_rate(0.1) is False

    def test_parameters_of_optimizer_and_schedule(self, table):
        model = net(
            optimizer="sgd", optimizer_params={"momentum": 0.9}, schedule="cosine", schedule_params={"final": 0.1}
        )
        assert model.hyperparameters["optimizer__momentum"] == 0.9
        assert model.hyperparameters["schedule__final"] == 0.1
        plain = net(optimizer="sgd", schedule="cosine", schedule_params={"final": 0.1}).fit(*table)
        assert not np.array_equal(model.fit(*table).predict(table[0]), plain.predict(table[0]))

    @pytest.mark.parametrize("optimizer", ["muon", "adafactor", "rmsprop"])
    def test_other_optimizers_train(self, table, optimizer):
        assert net(optimizer=optimizer, epochs=20, lr=0.02).fit(*table).score(*table) > 0.8


class TestPrecision:
    @pytest.mark.parametrize("amp", ["bf16", "fp16"])
    def test_half_precision_trains_nearly_as_well(self, table, amp, watcher):
        seen = watcher()
        model = net(amp=amp, epochs=20, grad_clip=1.0)
        model.fit_samples(Samples.collect(*table), Samples.collect(*table), observer=seen)
        assert model.score(*table) > 0.9
        assert all(weight.dtype == torch.float32 for weight in model.module_.parameters())
        # what is reported is what float32 predicts
        assert seen.states[-1].logs["val_loss"] == pytest.approx(
            float(np.mean((table[1] - model.predict(table[0])) ** 2)), rel=1e-4
        )
        full = net(epochs=20, grad_clip=1.0).fit(*table)
        assert not np.array_equal(model.predict(table[0]), full.predict(table[0]))

    def test_compiled_training(self, table, monkeypatch):
        compiled = []
        original = torch.compile
        # The compiler itself takes half a minute; its eager stand-in goes the same way through the module.
        monkeypatch.setattr(torch, "compile", lambda module: compiled.append(1) or original(module, backend="eager"))
        model = net(compile=True).fit(*table)
        same_weights(model, net().fit(*table), rtol=1e-5, atol=1e-7)
        assert compiled == [1]
        assert not any("_orig_mod" in name for name in model.module_.state_dict())


class TestRefused:
    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"accumulate": 0}, "accumulate=0"),
            ({"shuffle": True}, "shuffle=True"),
            ({"shuffle": 0}, "shuffle=0"),
            ({"shuffle": "blocks"}, "shuffle='blocks'"),
            ({"amp": "fp8"}, "amp='fp8'"),
            ({"compile": 1}, "compile=1"),
            ({"warmup": -1.0}, "warmup=-1.0"),
            ({"warmup": 3}, "fewer epochs than the 3"),
            ({"distributed": True}, "torchrun"),
            ({"optimizer_params": {"lr": 1.0}}, "lr= of the model"),
            ({"optimizer_params": {"momentun": 0.9}}, "adamw does not take these"),
            ({"optimizer_params": [0.9]}, "mapping of keywords"),
            ({"schedule": "cosine", "schedule_params": {"every": 1}}, "cosine does not take these"),
            ({"schedule": "step", "schedule_params": {"every": 0}}, "every=0"),
        ],
    )
    def test_parameters(self, table, params, words):
        with pytest.raises(ParameterError, match=words):
            net(**params).fit(*table)

    def test_names(self, table):
        with pytest.raises(UnknownNameError, match="'cosine'"):
            net(schedule="cosin").fit(*table)


def test_the_device_is_waited_for_once_an_epoch(table, watcher, monkeypatch):
    """What makes a host wait for its device: reading a tensor's value."""
    reads = []
    for name in ("item", "tolist", "__float__", "__int__", "__bool__", "cpu"):
        original = getattr(torch.Tensor, name)

        def counted(tensor, *args, name=name, original=original, **kwargs):
            reads.append(name)
            return original(tensor, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, counted)
    at_end = []
    params = {"schedule": "cosine", "grad_clip": 1.0, "accumulate": 2, "epochs": 4}
    seen = watcher(then=lambda state: at_end.append(list(reads)))
    net(**params).fit_samples(Samples.collect(*table), Samples.collect(*table), observer=seen)
    per_epoch = [later[len(before) :] for before, later in pairwise(at_end)]
    assert per_epoch == [["tolist"]] * 3


class TestDivergence:
    @pytest.mark.parametrize("loss", ["mse", MSELoss(reduction="sum")])
    @pytest.mark.parametrize("accumulate", [1, 2])
    def test_ends_the_training(self, table, loss, accumulate):
        with pytest.raises(LossError, match="lower lr") as caught:
            net(lr=1e30, optimizer="sgd", loss=loss, accumulate=accumulate).fit(*table)
        assert caught.value.code == "model.diverged"

    def test_a_model_that_diverged_is_not_handed_out_when_a_callback_stopped_first(self, table, watcher):
        model = net(lr=1e38, optimizer="sgd")
        with pytest.raises(LossError):
            model.fit_samples(Samples.collect(*table), observer=watcher(stop_at=0))
        assert not model.is_fitted


def test_the_callers_flags_stay(table):
    def flags():
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            torch.get_float32_matmul_precision(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.is_autocast_enabled("cpu"),
            torch.get_default_dtype(),
        )

    before = flags()
    net(amp="bf16", compile=False, accumulate=2).fit(*table)
    assert flags() == before


def test_old_bundles_load(table, tmp_path):
    model = net().fit(*table)
    config, (payload_format, payloads) = model._config(), model._to_payloads()
    for name in (
        "schedule",
        "schedule_params",
        "warmup",
        "optimizer_params",
        "accumulate",
        "shuffle",
        "amp",
        "compile",
    ):
        del config["params"][name]
    back = TorchModel._from_bundle(config, payload_format, payloads)
    assert np.array_equal(back._predict(table[0]), model.predict(table[0]))
    assert back.schedule == "constant"


def test_a_fit_inside_no_grad(table):
    expected = net().fit(*table)
    with torch.no_grad():
        same_weights(net().fit(*table), expected)
