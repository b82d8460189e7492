"""Two processes that train one model make the model of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist
import torchrun_fits

from tradewright.errors import ParameterError, UnsupportedError
from tradewright.models.neural.team import Team, join
from tradewright.runtime.distributed import Launch, launched

pytestmark = [
    pytest.mark.slow,  # four processes import torch
    pytest.mark.skipif(not dist.is_available(), reason="torch has no process groups here"),
]

#: bfloat16 rounds a score differently when its neighbours are others; signs of tiny gradients decide Adam's first steps.
TOLERANCE = {"bfloat16": 0.02}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two processes have left their models."""
    folder = tmp_path_factory.mktemp("torchrun")
    script = Path(torchrun_fits.__file__)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(folder)], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.mark.parametrize("name", torchrun_fits.FITS)
def test_the_model_of_one_process(folder, name):
    found = json.loads((folder / f"{name}.json").read_text())
    weights, logs = torchrun_fits.fit(name)
    np.testing.assert_allclose(found["weights"], weights, atol=TOLERANCE.get(name, 2e-4))
    assert len(found["logs"]) == len(logs)
    for one, other in zip(found["logs"], logs, strict=True):
        assert one == pytest.approx(other, rel=0.02 if name in TOLERANCE else 1e-3)


def test_all_processes_have_the_same_bits(folder):
    first, second = (json.loads((folder / f"digests-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second


def test_under_the_trainer_the_first_process_decides_and_writes(folder):
    first, second = (json.loads((folder / f"trained-{rank}.json").read_text()) for rank in (0, 1))
    assert first["epochs"] == 3  # its callbacks stopped it, and with it the other
    assert second["epochs"] == first["epochs"]
    assert second["seed"] == first["seed"]  # drawn by the first
    assert {"config", "metrics", "model"} <= set(first["artifacts"])
    assert second["artifacts"] == []
    assert len(list((folder / "runs" / "together").iterdir())) == 1


class TestLaunch:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch):
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
            monkeypatch.delenv(name, raising=False)

    def set(self, monkeypatch, **values):
        for name, value in {"MASTER_ADDR": "localhost", "MASTER_PORT": "1", **values}.items():
            monkeypatch.setenv(name, value)

    def test_a_process_that_stands_alone(self, monkeypatch):
        assert launched() is None
        monkeypatch.setenv("RANK", "0")  # something else's
        assert launched() is None
        self.set(monkeypatch, RANK="0", WORLD_SIZE="1")
        assert launched() is None
        assert join(None, "cpu").size == 1

    def test_one_of_several(self, monkeypatch):
        self.set(monkeypatch, RANK="3", WORLD_SIZE="4", LOCAL_RANK="1")
        assert launched() == Launch(3, 4, 1)
        assert not launched().writes
        assert Launch(0, 4, 0).writes

    @pytest.mark.parametrize(
        "values", [{"RANK": "4"}, {"RANK": "x"}, {"RANK": "-1"}, {"RANK": "0", "LOCAL_RANK": "-1"}]
    )
    def test_contradictions(self, monkeypatch, values):
        self.set(monkeypatch, WORLD_SIZE="4", **values)
        with pytest.raises(ParameterError, match="WORLD_SIZE"):
            launched()

    def test_a_device_without_process_groups(self):
        with pytest.raises(UnsupportedError, match="distributed=False"):
            join(Launch(0, 2, 0), "mps")


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("n_rows", [0, 1, 2, 5, 100])
def test_every_row_of_a_step_is_some_process_s(size, n_rows):
    parts = [Team(rank, size).part_of(slice(10, 10 + n_rows)) for rank in range(size)]
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(10, 10 + n_rows))
    assert max(part.stop - part.start for part in parts) <= -(-n_rows // size)
