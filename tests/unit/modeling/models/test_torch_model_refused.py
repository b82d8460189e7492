"""What a TorchModel refuses: parameters, diverged weights, bundles that ask for more than they hold."""

from __future__ import annotations

import numpy as np
import pytest

from tradewright.base import Samples
from tradewright.bundle import read_bundle, write_bundle
from tradewright.errors import IntegrityError, LossError, ParameterError
from tradewright.models import TorchModel

X = np.random.default_rng(0).normal(size=(64, 2))
Y = X[:, 0]
SMALL = {"module_params": {"hidden": [4]}, "epochs": 2, "device": "cpu"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("grad_clip", value) for value in (0, -1.0, float("nan"), "1")),
        *(("lr", value) for value in (0.0, -1e-3, float("inf"), None)),
        *(("weight_decay", value) for value in (-1e-3, float("nan"))),
        *((name, value) for name in ("epochs", "batch_size") for value in (0, -1, 1.5, 2.0, True, "3")),
    ],
)
def test_parameters_are_checked_at_fit(name, value):
    model = TorchModel(**{**SMALL, name: value})
    with pytest.raises(ParameterError, match=f"{name}=") as caught:
        model.fit(X, Y)
    assert caught.value.code == f"model.{name}"
    assert not model.is_fitted


def test_weights_that_diverged_are_not_handed_out(watcher):
    def spoil(state):
        model.module_.layers[0].weight.data[0, 0] = np.nan

    model = TorchModel(**SMALL)
    with pytest.raises(LossError, match="lr="):
        model.fit_samples(Samples.collect(X, Y), observer=watcher(stop_at=0, then=spoil))
    assert not model.is_fitted


def test_a_drawn_seed_is_recorded_and_gives_the_same_again():
    model = TorchModel(**SMALL).fit(X, Y)
    again = TorchModel(**SMALL, seed=model.metadata.seed).fit(X, Y)
    assert isinstance(model.metadata.seed, int)
    assert np.array_equal(model.predict(X), again.predict(X))


def test_a_bundle_that_asks_for_more_than_it_holds(tmp_path):
    TorchModel(**SMALL).fit(X, Y).save(tmp_path / "good.tw")
    bundle = read_bundle(tmp_path / "good.tw")
    manifest = {key: bundle.manifest[key] for key in ("model_class", "payload_format", "config", "metadata")}
    manifest["config"]["params"]["module_params"] = {"pairs": [["hidden", [1 << 40]]]}
    write_bundle(tmp_path / "bad.tw", manifest, bundle.payloads)
    with pytest.raises(IntegrityError, match="shape"):
        TorchModel.load(tmp_path / "bad.tw")
