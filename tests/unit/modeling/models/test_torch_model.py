"""torch modules as models."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_squared_error
from torch import nn

from tradewright.base import Samples
from tradewright.errors import (
    CallbackError,
    DataError,
    FormatMismatchError,
    LossError,
    ModelLoadError,
    ParameterError,
    UnknownNameError,
)
from tradewright.loss_functions import MSELoss
from tradewright.models import ModelRegistry, ModuleRegistry, TorchModel


def net(**params):
    return ModelRegistry.create(
        "mlp", **{"epochs": 4, "batch_size": 64, "hidden": [8], "seed": 0, "device": "cpu", "lr": 0.01, **params}
    )


class TestLoop:
    def test_every_epoch_is_reported_in_the_units_of_the_labels(self, data, watcher):
        X, y = data
        y = 1000.0 + 50.0 * y
        train, val = Samples.collect(X[:200], y[:200]), Samples.collect(X[200:], y[200:])
        seen = watcher()
        model = net(epochs=30).fit_samples(train, val, observer=seen)
        assert (seen.unit, seen.total, seen.begun) == ("epoch", 30, list(range(30)))
        assert [state.epoch for state in seen.states] == list(range(30))
        logs = seen.states[-1].logs
        assert set(logs) == {"train_loss", "val_loss", "lr", "seconds"}
        assert logs["val_loss"] == pytest.approx(mean_squared_error(y[200:], model.predict(X[200:])), rel=1e-3)
        assert logs["train_loss"] == pytest.approx(mean_squared_error(y[:200], model.predict(X[:200])), rel=0.2)
        assert logs["lr"] == 0.01
        assert model.score(X, y) > 0.8

    @pytest.mark.parametrize("how", ["stop_at", "stop_before"])
    def test_stopping_keeps_the_epochs_so_far(self, data, watcher, how):
        samples = Samples.collect(*data)
        seen = watcher(**{how: 1 if how == "stop_at" else 2})
        model = net().fit_samples(samples, observer=seen)
        assert len(seen.states) == 2
        assert np.array_equal(model.predict(data[0]), net(epochs=2).fit(*data).predict(data[0]))

    def test_stopped_before_the_first_epoch(self, data, watcher):
        with pytest.raises(CallbackError, match="before its first turn"):
            net().fit_samples(Samples.collect(*data), observer=watcher(stop_before=0))

    def test_batches_are_reported_to_those_who_listen(self, data, watcher):
        class Listener(watcher):
            wants_batches = True
            batches, losses = (), ()

            def batch_begin(self, batch):
                self.batches += (batch,)

            def batch_end(self, batch, logs):
                self.losses += (logs["loss"],)
                return batch == 1 and len(self.batches) > 5

        seen = Listener()
        net().fit_samples(Samples.collect(*data), observer=seen)
        assert seen.batches == (0, 1, 2, 3, 4) * 2  # the stop ends the second epoch, not the batch
        assert all(math.isfinite(loss) for loss in seen.losses)
        assert len(seen.states) == 2

    def test_rows_of_weight_zero_are_left_out(self, data):
        X, y = data
        weight = np.where(np.arange(len(y)) < 200, 2.0, 0.0)
        wild = np.where(weight > 0, y, 1e6)
        model = net(epochs=30, scale_target=False).fit(X, wild, sample_weight=weight)
        assert mean_squared_error(y[:200], model.predict(X[:200])) < 1.0

    def test_weights_count(self, data, watcher):
        X, y = data
        seen = watcher()
        weight = np.linspace(0.1, 2.0, len(y))
        val = Samples.collect(X, y, sample_weight=weight)
        model = net().fit_samples(Samples.collect(X, y), val, observer=seen)
        expected = np.average((y - model.predict(X)) ** 2, weights=weight)
        assert seen.states[-1].logs["val_loss"] == pytest.approx(expected, rel=1e-4)

    def test_divergence_is_an_error_that_says_what_to_do(self, data, watcher):
        wild = {"lr": 1e30, "optimizer": "sgd", "epochs": 3}
        with pytest.raises(LossError, match="lower lr"):
            net(**wild).fit(*data)
        # also when the observer, who sees the NaN, asks for the end
        seen = watcher(stop_at=0)
        with pytest.raises(LossError, match="lower lr"):
            net(**wild).fit_samples(Samples.collect(*data), Samples.collect(*data), observer=seen)
        assert math.isnan(seen.states[0].logs["train_loss"])
        assert math.isnan(seen.states[0].logs["val_loss"])

    def test_gradients_are_clipped(self, data):
        X, y = data
        free, clipped = (
            net(epochs=1, batch_size=300, optimizer="sgd", lr=1.0, grad_clip=clip).fit(X, y) for clip in (None, 1e-9)
        )
        assert not np.array_equal(free.predict(X), clipped.predict(X))
        assert np.ptp(clipped.predict(X) - net(epochs=1, lr=1e-30, optimizer="sgd").fit(X, y).predict(X)) < 1e-6


class TestRandomness:
    def test_the_callers_random_state_stays(self, data):
        torch.manual_seed(123)
        expected = torch.rand(3)
        torch.manual_seed(123)
        model = net(dropout=0.3).fit(*data)
        model.predict(data[0])
        assert torch.equal(torch.rand(3), expected)

    def test_what_callbacks_draw_changes_nothing(self, data, watcher):
        samples = Samples.collect(*data)
        quiet = net(dropout=0.3).fit_samples(samples)
        noisy = net(dropout=0.3).fit_samples(samples, observer=watcher(then=lambda state: torch.rand(7)))
        assert np.array_equal(quiet.predict(data[0]), noisy.predict(data[0]))

    def test_seeds(self, data):
        X, _ = data
        samples = Samples.collect(*data)
        first = net(seed=None).fit_samples(samples, seed=1)
        assert np.array_equal(first.predict(X), net(seed=1).fit_samples(samples, seed=9).predict(X))
        assert not np.array_equal(first.predict(X), net(seed=2).fit_samples(samples).predict(X))
        assert first.metadata.seed == 1

    def test_same_bits_in_another_process(self, data):
        code = (
            "import numpy as np, torch; torch.set_num_threads(1)\n"
            "from tradewright.models import ModelRegistry\n"
            "X = np.random.default_rng(0).normal(size=(200, 3))\n"
            "m = ModelRegistry.create('mlp', hidden=[8], dropout=0.2, epochs=3, batch_size=64, seed=5, device='cpu')\n"
            "print(m.fit(X, X[:, 0]).predict(X).tobytes().hex())\n"
        )
        runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
        assert len(runs) == 1


class TestData:
    def test_large_values_keep_their_digits(self):
        seconds = 1.7e9 + np.arange(256.0)  # float32 knows them to 128 s only
        model = net(epochs=200, hidden=[], lr=0.05).fit(seconds[:, None], np.arange(256.0))
        np.testing.assert_allclose(model.predict(seconds[:, None]), np.arange(256.0), atol=2.0)

    def test_missing_values_are_filled_and_may_be_indicated(self, data):
        X, _ = data
        y = np.isnan(X[:, 2]).astype(float)
        assert np.isfinite(net().fit(X, y).predict(X)).all()
        assert net(epochs=40, missing_indicator=True).fit(X, y).score(X, y) > 0.9

    def test_constant_labels(self, data):
        X, _ = data
        model = net(epochs=50).fit(X, np.full(len(X), 5.0))
        np.testing.assert_allclose(model.predict(X), 5.0, atol=0.5)

    def test_infinite_features_are_named(self, data):
        X, y = data
        X[4, 1] = np.inf
        with pytest.raises(DataError, match="row 4, column 'x1'") as caught:
            net().fit(X, y)
        assert caught.value.fields == {"row": 4, "column": "x1"}

    def test_labels_are_scaled_only_where_that_is_harmless(self, data):
        assert net().fit(*data)._labels.scale != 1.0
        assert net(loss="mse", scale_target=False).fit(*data)._labels.scale == 1.0
        assert net(task="classification").fit(data[0], data[1] > 0)._labels.scale == 1.0


class TestClassification:
    @pytest.mark.parametrize("labels", [(0, 1), (False, True), ("down", "up"), (-1, 7)])
    def test_labels_come_back_as_they_were(self, data, labels, watcher, tmp_path):
        X, y = data
        target = np.where(y > 0, labels[1], labels[0])
        samples = Samples.collect(X, target)
        seen = watcher()
        model = net(task="classification", epochs=30).fit_samples(samples, samples, observer=seen)
        proba = model.predict_proba(X)
        assert model.classes == labels
        assert model.score(X, target) > 0.85
        assert seen.states[-1].logs["val_loss"] == pytest.approx(log_loss(target, proba), rel=1e-3)
        model.save(tmp_path / "model.tw")
        back = TorchModel.load(tmp_path / "model.tw")
        assert np.array_equal(back.predict_proba(X), proba)
        assert np.array_equal(back.predict(X), model.predict(X))

    def test_two_classes_are_needed_and_no_others_allowed(self, data):
        X, y = data
        with pytest.raises(DataError, match="have 3 classes"):
            net(task="classification").fit(X, np.digitize(y, [-1, 1]))
        with pytest.raises(DataError, match="validation row 0 is of class"):
            net(task="classification").fit(X, y > 0, eval_set=(X, np.full(len(y), 3)))

    def test_no_probabilities_from_a_regression(self):
        assert not hasattr(net(), "predict_proba")
        assert hasattr(net(task="classification"), "predict_proba")


class TestGoingBackAndSaving:
    def test_restore(self, data, watcher):
        X, _ = data
        model, kept, seen = net(), [], []

        def keep(state):
            kept.append(model.snapshot())
            seen.append(model.predict(X))

        model.fit_samples(Samples.collect(*data), observer=watcher(then=keep))
        assert not np.array_equal(seen[1], seen[3])
        model.restore(kept[1])
        assert kept[1].epoch == 1
        assert np.array_equal(model.predict(X), seen[1])

    def test_predicting_between_epochs_changes_nothing(self, data, watcher):
        X, _ = data
        model = net(dropout=0.3)
        model.fit_samples(Samples.collect(*data), observer=watcher(then=lambda state: model.predict(X)))
        assert np.array_equal(model.predict(X), net(dropout=0.3).fit(*data).predict(X))

    def test_round_trip(self, data, tmp_path):
        X, _ = data
        model = net(missing_indicator=True, loss=MSELoss(reduction="sum"), lr=1e-4).fit(*data)
        model.save(tmp_path / "model.tw")
        back = TorchModel.load(tmp_path / "model.tw")
        assert np.array_equal(back.predict(X), model.predict(X))
        assert back.metadata == model.metadata
        assert back.get_params() == model.get_params()
        assert back.loss == MSELoss(reduction="sum")
        assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))

    def test_same_model_same_file(self, data, tmp_path):
        model = net().fit(*data)
        for name in ("a", "b"):
            model.save(tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    def test_loading_leaves_the_callers_random_state(self, data, tmp_path):
        net().fit(*data).save(tmp_path / "model.tw")
        torch.manual_seed(123)
        expected = torch.rand(3)
        torch.manual_seed(123)
        TorchModel.load(tmp_path / "model.tw")
        assert torch.equal(torch.rand(3), expected)

    def test_modules_of_users(self, data, tmp_path, monkeypatch):
        monkeypatch.setattr(ModuleRegistry, "_entries", dict(ModuleRegistry._entries))

        def build(n_features, n_outputs, *, bias):
            return nn.Linear(n_features, n_outputs, bias=bias)

        free = TorchModel(build, module_params={"bias": False}, epochs=1, device="cpu").fit(*data)
        with pytest.raises(ParameterError, match=r"ModuleRegistry\.register"):
            free.save(tmp_path / "model.tw")
        ModuleRegistry.register("line", build)
        named = TorchModel("line", module_params={"bias": False}, epochs=1, device="cpu").fit(*data)
        named.save(tmp_path / "model.tw")
        assert np.array_equal(TorchModel.load(tmp_path / "model.tw").predict(data[0]), named.predict(data[0]))
        del ModuleRegistry._entries["line"]
        with pytest.raises(ModelLoadError, match="no torch module is called 'line'"):
            TorchModel.load(tmp_path / "model.tw")

    def test_weights_that_do_not_fit_the_module(self, data):
        model = net().fit(*data)
        config, (payload_format, payloads) = model._config(), model._to_payloads()
        config["params"]["module_params"] = {"pairs": [["hidden", [9]]]}
        from tradewright.bundle import Bundle

        manifest = {**model.manifest(payload_format), "config": config}
        with pytest.raises(ModelLoadError, match="does not belong together"):
            TorchModel.from_bundle(Bundle(manifest, payloads))
        with pytest.raises(FormatMismatchError, match="rebuilt from safetensors"):
            TorchModel._from_bundle(config, "pickle", payloads)


class TestParameters:
    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"epochs": 0}, "epochs=0"),
            ({"batch_size": 0}, "batch_size=0"),
            ({"task": "ranking"}, "task='ranking'"),
            ({"loss": MSELoss(reduction="none")}, "one number"),
            ({"dropout": 1.0}, "dropout"),
            ({"activation": "step"}, "activation"),
            ({"hidden": [0]}, "hidden"),
        ],
    )
    def test_refused(self, data, params, words):
        with pytest.raises(ParameterError, match=words):
            net(**params).fit(*data)

    def test_unknown_names(self, data):
        with pytest.raises(UnknownNameError, match="'adamw'"):
            net(optimizer="adamww").fit(*data)
        with pytest.raises(UnknownNameError):
            net(loss="msee").fit(*data)
        with pytest.raises(UnknownNameError):
            TorchModel("mpl").fit(*data)

    def test_clone_and_hyperparameters(self, data):
        model = net(dropout=0.5).fit(*data)
        copy = model.clone()
        assert copy.get_params() == model.get_params()
        assert not copy.is_fitted
        assert copy.hyperparameters["module__dropout"] == 0.5
        assert copy.hyperparameters["loss"] == "mse"
        assert "epochs=4" in repr(model)
        assert model.metadata.device == "cpu"

    def test_an_absent_device_is_replaced_with_a_warning(self, data):
        if torch.cuda.is_available():
            pytest.skip("a CUDA device is here")
        with pytest.warns(UserWarning, match="CPU"):
            model = net(device="cuda:7", epochs=1).fit(*data)
        assert model.metadata.device == "cpu"
        assert model.device == "cuda:7"
