"""A fit that is broken off and resumed has the bits of one that was not."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright.base import Resume, Samples
from tradewright.errors import FormatMismatchError, IntegrityError
from tradewright.models import TorchModel
from tradewright.models.neural.state_bytes import copied, pack, unpack

N = 150
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
Y = X[:, 0] + 0.1 * RNG.normal(size=N)
DATES = np.arange(N) // 6
TRAIN, VAL = Samples.collect(X[:100], Y[:100]), Samples.collect(X[100:], Y[100:])

#: What a fit carries from epoch to epoch beside its weights.
FITS = {
    "dropout, adamw": {},
    "momentum": {"optimizer": "sgd", "optimizer_params": {"momentum": 0.9, "nesterov": True}},
    "two optimizers": {"optimizer": "muon"},
    "averages": {"optimizer": "nadam"},
    "factored": {"optimizer": "adafactor"},
    "plateau": {"schedule": "plateau", "schedule_params": {"patience": 0, "min_delta": 0.2}, "lr": 0.03},
    "warm-up and cosine": {"schedule": "cosine", "warmup": 2.5},
    "one cycle": {"schedule": "one_cycle", "accumulate": 2},
    "scaled gradients": {"amp": "fp16"},
    "blocks": {"shuffle": "block", "batch_size": 4},
    "in order": {"shuffle": False},
    "dates": {"loss": "ic"},
    "series": {"loss": "sharpe_loss"},
}


def net(epochs=6, **params):
    module_params = {"hidden": [8], "dropout": 0.3}
    params = {"batch_size": 16, "lr": 0.01, "seed": 5, **params}
    return TorchModel("mlp", module_params=module_params, epochs=epochs, device="cpu", **params)


def samples(params):
    dated = params.get("loss") is not None
    return tuple(
        Samples.collect(X[part], Y[part], groups=DATES[part] if dated else None) for part in (slice(100), slice(100, N))
    )


class Kept(list):
    """What a checkpoint would hold, after each epoch."""

    def __init__(self, watcher):
        self.watcher = watcher(then=self.keep)

    def keep(self, state):
        payload_format, payloads = self.model._to_payloads()
        done = state.epoch + 1
        self.append(Resume(done, payload_format, payloads, self.model._training_state(), self.model._config()))


@pytest.mark.parametrize("name", FITS)
def test_the_same_bits(name, watcher):
    params = FITS[name]
    train, val = samples(params)
    kept = Kept(watcher)
    kept.model = net(**params)
    whole = kept.model.fit_samples(train, val, observer=kept.watcher)
    for epoch in (1, 4):
        torch.manual_seed(99)  # whatever the other process drew
        seen = watcher()
        again = net(**params).fit_samples(train, val, observer=seen, resume=kept[epoch - 1])
        assert seen.begun == list(range(epoch, 6))
        for one, other in zip(again.module_.parameters(), whole.module_.parameters(), strict=True):
            assert torch.equal(one, other)
        for first, second in zip(seen.states, kept.watcher.states[epoch:], strict=True):
            assert {**first.logs, "seconds": 0} == {**second.logs, "seconds": 0}
        assert again._resumes_exactly(None)


def test_the_state_is_safetensors_and_json(watcher):
    kept = Kept(watcher)
    kept.model = net(epochs=1)
    kept.model.fit_samples(TRAIN, observer=kept.watcher)
    state = kept[0].state
    assert set(state) == {"torch_state.json", "torch_state.safetensors"}
    json.loads(state["torch_state.json"])
    assert safetensors.torch.load(state["torch_state.safetensors"])
    assert kept.model._training_state() == {}  # outside of a fit


def test_a_rate_that_was_set_is_kept(watcher):
    kept = Kept(watcher)
    kept.model = model = net()

    class Sets(watcher):
        def epoch_end(self, state):
            model.set_learning_rate(0.002)
            kept.keep(state)
            return False

    whole = model.fit_samples(TRAIN, observer=Sets())
    seen = watcher(then=lambda state: again.set_learning_rate(0.002))
    again = net()
    again.fit_samples(TRAIN, observer=seen, resume=kept[2])
    assert seen.states[0].logs["lr"] == 0.002
    assert np.array_equal(again.predict(X), whole.predict(X))


def test_more_epochs_go_on_with_the_same_rows(watcher):
    kept = Kept(watcher)
    kept.model = net(epochs=3)
    kept.model.fit_samples(TRAIN, observer=kept.watcher)
    longer = net(epochs=6).fit_samples(TRAIN, resume=kept[-1])
    assert np.array_equal(longer.predict(X), net(epochs=6).fit_samples(TRAIN).predict(X))


def test_nothing_left_to_do(watcher):
    kept = Kept(watcher)
    kept.model = net(epochs=2)
    whole = kept.model.fit_samples(TRAIN, observer=kept.watcher)
    again = net(epochs=2).fit_samples(TRAIN, resume=kept[-1])
    assert np.array_equal(again.predict(X), whole.predict(X))


def test_snapshots_without_pickle(watcher):
    model = net(epochs=2).fit_samples(TRAIN)
    state = model.snapshot()
    expected = model.predict(X)
    back = model._snapshot_from_bytes(state.epoch, model._snapshot_to_bytes(state))
    with torch.no_grad():
        for weight in model.module_.parameters():
            weight.zero_()
    model.restore(back)
    assert back.epoch == 1
    assert np.array_equal(model.predict(X), expected)


class TestRefused:
    @pytest.fixture
    def resume(self, watcher):
        kept = Kept(watcher)
        kept.model = net(epochs=1)
        kept.model.fit_samples(TRAIN, observer=kept.watcher)
        return kept[0]

    def test_another_format(self, resume):
        with pytest.raises(FormatMismatchError):
            net().fit_samples(TRAIN, resume=Resume(1, "pickle", resume.payloads, resume.state))

    def test_another_module(self, resume):
        other = TorchModel("mlp", module_params={"hidden": [9]}, device="cpu")
        with pytest.raises(IntegrityError, match="shape"):
            other.fit_samples(TRAIN, resume=resume)

    @pytest.mark.parametrize("damage", ["missing", "cut", "other"])
    def test_a_damaged_state(self, resume, damage):
        state = dict(resume.state)
        if damage == "missing":
            del state["torch_state.safetensors"]
        elif damage == "cut":
            state["torch_state.safetensors"] = state["torch_state.safetensors"][:-5]
        else:
            state["torch_state.json"] = b'{"dict": [[{"tensor": "t999"}, 1]]}'
        with pytest.raises(IntegrityError, match="training state"):
            net().fit_samples(TRAIN, resume=Resume(1, resume.payload_format, resume.payloads, state))


plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text(max_size=5)
)
tensors = st.sampled_from(
    [torch.ones(3), torch.tensor(2.0), torch.arange(4).reshape(2, 2).T, torch.zeros(0), torch.ones(2).bfloat16()]
)
keys = st.one_of(st.integers(0, 9), st.text(max_size=4))
states = st.recursive(
    st.one_of(plain, tensors),
    lambda inner: st.one_of(
        st.dictionaries(keys, inner, max_size=4),
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=8,
)


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return one == other and type(one) is type(other)


@given(states)
@settings(deadline=None)
def test_states_come_back_as_they_were(state):
    assert equal(unpack(pack(state)), state)
    assert equal(copied(state), state)


def test_what_a_state_cannot_hold():
    with pytest.raises(TypeError, match="a set"):
        pack({"seen": {1, 2}})
