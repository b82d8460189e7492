"""Seeds repeat, folds have their own, and the caller's generators are left alone."""

import os
import random

import numpy as np
import pytest

from tradewright.errors import ParameterError
from tradewright.runtime.seed import fold_seed, fresh_seed, seeded, set_seed

torch = pytest.importorskip("torch")


def draw():
    return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: NPY002


def test_same_seed_same_draws():
    with seeded(3):
        first = draw()
    with seeded(3):
        assert draw() == first
    with seeded(4):
        assert draw() != first


def test_caller_state_is_left_as_found_even_after_an_error():
    set_seed(11, deterministic=False)
    expected = [draw(), draw()]
    set_seed(11, deterministic=False)
    got = [draw()]
    with pytest.raises(ZeroDivisionError), seeded(5):
        got.append(draw()[0] / 0)
    got.append(draw())
    assert got == expected


def test_deterministic_switches_are_put_back():
    torch.use_deterministic_algorithms(False)
    with seeded(5, deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("before", [None, ":16:8"])
def test_the_cublas_variable_is_put_back(monkeypatch, before):
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv(name, before)
    with seeded(1):
        assert os.environ[name] == (before or ":4096:8")
    assert os.environ.get(name) == before


def test_torch_first_imported_inside_goes_back_to_entropy():
    from tradewright.runtime import seed_torch

    torch.manual_seed(3)
    repeated = float(torch.rand(()))
    torch.manual_seed(3)
    seed_torch.set_state(None)
    assert float(torch.rand(())) != repeated
    assert torch.initial_seed() != 3


def test_fold_seeds_are_the_spawned_children():
    children = np.random.SeedSequence(42).spawn(6)
    assert [fold_seed(42, k) for k in range(6)] == [int(child.generate_state(1)[0]) for child in children]
    assert len({fold_seed(42, k) for k in range(200)}) == 200


def test_fresh_seeds_differ_and_can_be_set():
    seeds = {fresh_seed() for _ in range(20)}
    assert len(seeds) == 20
    with seeded(seeds.pop()):
        pass


@pytest.mark.parametrize("bad", [-1, 2**32, 1.5, True, None, "7"])
def test_bad_seeds_are_refused(bad):
    with pytest.raises(ParameterError, match="seed="):
        set_seed(bad)
