"""Devices, threads, versions and the environment record."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tradewright
from tradewright import _optional
from tradewright.errors import ParameterError
from tradewright.runtime.device import resolve_device
from tradewright.runtime.environment import environment, git_sha, library_versions, show_versions
from tradewright.runtime.threads import num_threads, set_num_threads


def test_absent_device_warns_and_falls_back():
    torch = pytest.importorskip("torch")
    absent = f"cuda:{torch.cuda.device_count() + 3}"
    with pytest.warns(UserWarning, match=absent):
        assert resolve_device(absent) == "cpu"


def test_auto_is_the_best_device_there_is():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        expected = f"cuda:{torch.cuda.current_device()}"
    else:
        expected = "mps" if torch.backends.mps.is_available() else "cpu"
    assert resolve_device("auto") == expected


def test_without_torch_the_cpu_is_used(monkeypatch):
    monkeypatch.setattr(_optional, "is_available", lambda module: module != "torch")
    assert resolve_device("auto") == "cpu"
    with pytest.warns(UserWarning, match="cuda"):
        assert resolve_device("cuda") == "cpu"


@pytest.mark.parametrize("bad", ["gpu", "cuda:", "cuda:x", "CPU", "", None, 0])
def test_unknown_device_is_refused(bad):
    with pytest.raises(ParameterError, match="device="):
        resolve_device(bad)


def test_threads_round_trip():
    before = num_threads()
    try:
        set_num_threads(3)
        assert num_threads() == 3
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("bad", [0, -1, True, 2.0, "2"])
def test_bad_thread_counts_are_refused(bad):
    with pytest.raises(ParameterError, match="threads="):
        set_num_threads(bad)


def test_library_versions():
    versions = library_versions("numpy", "sklearn", "tradewright", "surely-not-installed")
    assert versions["numpy"] == np.__version__
    assert versions["tradewright"] == tradewright.__version__
    assert "sklearn" in versions
    assert "surely-not-installed" not in versions
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))


def _git(folder, *arguments):
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, env={**os.environ, **names})


def test_git_sha(tmp_path, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(outside)
    assert git_sha() is None
    repository = tmp_path / "repository"
    repository.mkdir()
    _git(repository, "init", "-q")
    (repository / "file").write_text("one")
    _git(repository, "add", "file")
    _git(repository, "commit", "-q", "-m", "one")
    monkeypatch.chdir(repository)
    sha = git_sha()
    assert sha is not None
    assert len(sha) == 40
    (repository / "file").write_text("second")
    assert git_sha() == f"{sha}-dirty"
    _git(repository, "commit", "-q", "-a", "-m", "two")
    assert git_sha() not in (None, sha, f"{sha}-dirty")


def test_git_sha_without_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert git_sha() is None


def test_environment_is_plain_json():
    record = environment()
    assert json.loads(json.dumps(record)) == record
    assert record["versions"]["numpy"] == np.__version__
    assert record["cores"] == os.cpu_count()
    assert record["threads"]["tradewright"] == num_threads()


def test_show_versions(capsys):
    show_versions()
    text = capsys.readouterr().out
    for word in ("tradewright", "numpy", np.__version__, "Python", "CPU"):
        assert word in text


def test_runtime_loads_no_heavy_library():
    code = (
        "import tradewright.runtime, tradewright.runtime.device, sys\n"
        "tradewright.runtime.set_seed(1); tradewright.runtime.environment.environment()\n"
        "print([m for m in ('torch', 'sklearn', 'polars', 'pandas', 'mlflow', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
