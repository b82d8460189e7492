"""The same seed gives the same bits in two processes, and the caller's global state is as before."""

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from descent import DescentModel, split_problem

import tradewright as tw
from tradewright import _optional
from tradewright.base import Callback

DATA = split_problem()
SUPPORT = Path(__file__).parents[2] / "support"
LIBRARIES = {"sgd": "sklearn", "mlp": "torch", "lightgbm": "lightgbm", "xgboost": "xgboost"}
NAMES = [name for name in LIBRARIES if name == "sgd" or name in tw.ModelRegistry.list()]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits_in_two_processes(tmp_path, name):
    if not _optional.is_available(LIBRARIES[name]):
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    # Of one thread count: torch promises no more, and the machine may have any.
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MPLBACKEND": "Agg"}
    command = [sys.executable, str(SUPPORT / "child_bits.py"), name, str(tmp_path)]
    children = [
        subprocess.Popen([*command, str(noise)], stdout=subprocess.PIPE, text=True, env=environment) for noise in (1, 2)
    ]
    printed = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    first, second = (json.loads(text) for text in printed)
    assert first == second
    assert first["threads"]["OMP_NUM_THREADS"] == "2"
    if name == "mlp":
        assert first["threads"]["torch"] == 2


def flags(torch):
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_float32_matmul_precision(),
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


class Meddles(Callback):
    """Turns every switch there is, as a module or a callback of the user's might."""

    def __init__(self, fails):
        self.fails = fails

    def on_epoch_end(self, epoch, logs):
        import torch

        torch.manual_seed(1)
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(False)
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark = True
        np.random.seed(5)  # noqa: NPY002
        random.seed(5)
        if self.fails:
            raise RuntimeError("mine")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("deterministic", [False, True])
def test_generators_and_switches_are_as_before(tmp_path, fails, deterministic):
    torch = pytest.importorskip("torch")
    before = flags(torch)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.use_deterministic_algorithms(deterministic, warn_only=deterministic)
        torch.manual_seed(3)
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)
        expected = (flags(torch), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
        run = tw.ModelTrainer(DescentModel(epochs=2), mlflow_uri="off", output_dir=tmp_path)
        with pytest.raises(RuntimeError, match="mine") if fails else contextlib.nullcontext():
            run.train(*DATA, callbacks=[Meddles(fails)], checks=None)
        found = (flags(torch), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
        assert found == expected
        assert run.last_result.status == ("failed" if fails else "completed")
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def test_the_environment_is_recorded(tmp_path):
    run = tw.ModelTrainer(DescentModel(epochs=2), mlflow_uri="off", output_dir=tmp_path)
    result = run.train(*DATA, callbacks=[], checks=None)
    record = result.environment
    assert set(record) == {
        "python",
        "executable",
        "os",
        "cpu",
        "cores",
        "accelerators",
        "versions",
        "threads",
        "git_sha",
    }
    assert {"tradewright", "numpy", "scikit-learn"} <= set(record["versions"])
    assert record["threads"]["tradewright"] >= 1
    assert json.loads(result.artifacts["environment"].read_text()) == record


@pytest.mark.parametrize("default", ["float64", "no_grad", "inference_mode", "meta"])
def test_the_callers_defaults_of_torch_do_not_matter(tmp_path, default):
    torch = pytest.importorskip("torch")

    def predictions():
        model = tw.ModelRegistry.create("mlp", hidden=(4,), epochs=2, batch_size=16, device="cpu")
        trainer = tw.ModelTrainer(model, mlflow_uri="off", output_dir=tmp_path, seed=1)
        result = trainer.train(*DATA, callbacks=[], checks=None)
        return [found.predict(DATA[2]) for found in (result.model, tw.load_model(result.artifacts["model"]))]

    expected = predictions()[0]
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    try:
        with contextlib.ExitStack() as stack:
            if default == "float64":
                torch.set_default_dtype(torch.float64)
            elif default == "meta":
                torch.set_default_device("meta")
            else:
                stack.enter_context(getattr(torch, default)())
            before = (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled())
            found = predictions()
            assert (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()) == before
    finally:
        torch.set_default_dtype(dtype)
        torch.set_default_device(None if device.type == "cpu" else device)
    for each in found:
        np.testing.assert_array_equal(each, expected)
