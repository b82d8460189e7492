"""Writers that are killed, that meet each other, and that find no room: the target is one whole bundle, always."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plain_user import read_only_folder

import tradewright as tw
from tradewright.bundle import read_bundle, write_bundle
from tradewright.errors import ParameterError

HERE = Path(__file__).parent
#: The full run is 200 kills (TRADEWRIGHT_KILLS=200); it takes half a minute.
KILLS = int(os.environ.get("TRADEWRIGHT_KILLS", "40"))


def run_python(*arguments, **options):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=600, check=False, **options
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="its writers are forked")
def test_a_killed_writer_leaves_the_old_bundle_or_the_new_one(tmp_path):
    told = json.loads(run_python(HERE / "killing.py", tmp_path, KILLS))
    assert told["old_bundle"] + told["new_bundle"] == KILLS
    steps = told["steps"]
    until = list(steps).index("before replace")
    assert list(steps.values()) == [0] * (until + 1) + [1] * (len(steps) - until - 1)


WRITER = """
import sys
from tradewright.bundle import write_bundle
number = int(sys.argv[2])
print("go", flush=True)
sys.stdin.readline()
for _ in range(15):
    write_bundle(sys.argv[1], {"writer": number}, {"p.bin": bytes([number]) * 200_000})
"""


def test_writers_of_one_path_end_with_one_whole_bundle(tmp_path):
    path = tmp_path / "model.tw"
    write_bundle(path, {"writer": 0}, {"p.bin": bytes(200_000)})
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in (1, 2, 3)
    ]
    try:
        for process in writers:
            assert process.stdout.readline() == b"go\n"
        for process in writers:  # all at once
            process.stdin.close()
        seen = set()
        while any(process.poll() is None for process in writers):
            found = read_bundle(path)  # readers see whole bundles all the while
            seen.add(found.manifest["writer"])
            assert found.payloads["p.bin"] == bytes([found.manifest["writer"]]) * 200_000
        assert [process.wait() for process in writers] == [0, 0, 0]
    finally:
        for process in writers:
            process.kill()
            process.wait()
            process.stdout.close()
    assert len(seen) > 1, "the writers did not meet"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tw"]


@pytest.fixture(scope="module")
def model():
    X = np.random.default_rng(0).normal(size=(50, 2))
    return tw.ModelRegistry.create("ridge").fit(X, X[:, 0])


@contextlib.contextmanager
def mounted(folder, options):
    """A small file system of its own; skips where none can be mounted."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_full_disk_leaves_the_old_file(model, tmp_path):
    with mounted(tmp_path / "small", "size=128k") as folder:
        path = folder / "model.tw"
        tw.save_model(model, path)
        before = digest(path)
        (folder / "other").write_bytes(bytes(70_000))
        with pytest.raises(OSError, match="No space left"):
            tw.save_model(model, path)
        assert digest(path) == before
        assert sorted(entry.name for entry in folder.iterdir()) == ["model.tw", "other"]


LIMITED = """
import resource, signal, sys
from tradewright.bundle import write_bundle
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_bundle(sys.argv[1], {}, {"p.bin": bytes(200_000)})
except OSError as error:
    print(error.errno)
"""


def test_a_quota_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.tw"
    write_bundle(path, {"old": True}, {})
    before = digest(path)
    assert run_python("-c", LIMITED, path).strip() == "27"  # EFBIG
    assert digest(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tw"]


def test_a_file_system_that_is_read_only(model, tmp_path):
    with mounted(tmp_path / "readonly", "size=256k") as folder:
        path = folder / "model.tw"
        tw.save_model(model, path)
        before = digest(path)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(OSError, match="nothing can be written in this folder \\(Read-only") as caught:
            tw.save_model(model, path)
        assert (caught.value.errno, caught.value.filename) == (errno.EROFS, str(path))
        assert digest(path) == before
        assert tw.load_model(path).is_fitted


@pytest.mark.skipif(os.name == "nt", reason="folders have no write permission there")
def test_a_folder_that_is_read_only(model):
    with read_only_folder(lambda folder: tw.save_model(model, folder / "model.tw")) as folder:
        before = digest(folder / "model.tw")
        for name in ("model.tw", "new.tw"):
            with pytest.raises(PermissionError, match="nothing can be written in this folder") as caught:
                tw.save_model(model, folder / name)
            assert caught.value.filename == str(folder / name)
        assert digest(folder / "model.tw") == before
        assert [entry.name for entry in folder.iterdir()] == ["model.tw"]
        assert tw.load_model(folder / "model.tw").is_fitted


def test_targets_that_are_no_plain_file_are_refused_and_left_alone(model, tmp_path):
    saved = tmp_path / "saved.tw"
    tw.save_model(model, saved)
    before = digest(saved)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(saved)
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "folder": "it is a folder",
        "link": "symbolic link",
        "pipe": "not a plain file",
        "missing/model.tw": "^cannot save to .*does not exist; make it first$",
        "zero\0byte": "is no path",
        "half\ud800a character": "is no path",
    }.items():
        with pytest.raises(ParameterError, match=words):
            tw.save_model(model, f"{tmp_path}/{name}")
    assert digest(saved) == before
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    "name",
    ["modèle.tw", "モデル", "🙂 model .tw", "-rf", "a'b\"c;$(x)", "x" * 255, "ж" * 127, "line\nbreak", "con.tw", ".tw"],
)
def test_any_name_a_file_can_have(model, tmp_path, name):
    folder = tmp_path / "дом 家"
    folder.mkdir()
    tw.save_model(model, folder / name)
    assert tw.load_model(folder / name).metadata == model.metadata
    assert [entry.name for entry in folder.iterdir()] == [name]


def test_a_link_to_a_bundle_is_followed_when_it_is_read(model, tmp_path):
    tw.save_model(model, tmp_path / "model-1.tw")
    (tmp_path / "latest.tw").symlink_to(tmp_path / "model-1.tw")
    assert tw.load_model(tmp_path / "latest.tw").is_fitted
