"""Every file of the gallery ends in its error, in a process that lives on, and is left as it was."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import gallery
import numpy as np
import pytest

import tradewright as tw
from tradewright import _optional

CHILD = Path(__file__).parent / "child.py"


#: Format of the gallery → the model, its parameters, and how it is saved.
HONEST = {
    "skops": ("ridge", {}, "auto"),
    "lightgbm_text": ("lightgbm", {"n_estimators": 4, "num_leaves": 6, "n_jobs": 1}, "auto"),
    "xgboost_ubj": ("xgboost", {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}, "auto"),
    "catboost_cbm": ("catboost", {"n_estimators": 5, "depth": 3, "thread_count": 1}, "auto"),
    "safetensors": ("mlp", {"hidden": [4], "epochs": 1, "seed": 0, "device": "cpu"}, "auto"),
    "torch_archives": ("mlp", {"hidden": [4], "epochs": 1, "seed": 0, "device": "cpu"}, "auto"),
    "pickle": ("ridge", {}, "pickle"),
    "joblib": ("ridge", {}, "joblib"),
    "onnx": ("ridge", {}, "onnx"),
}
LIBRARIES = {
    "lightgbm_text": "lightgbm",
    "xgboost_ubj": "xgboost",
    "catboost_cbm": "catboost",
    "safetensors": "torch",
    "torch_archives": "torch",
    "onnx": "onnxruntime",
}


def save_honest(format_, path):
    """Save a small fitted model in this format."""
    X = np.random.default_rng(0).normal(size=(200, 3))
    name, params, how = HONEST[format_]
    tw.save_model(tw.ModelRegistry.create(name, **params).fit(X, X[:, 0]), path, how)


def run_child(cases, folder):
    """How each case ended; a case that ended the process is told by its signal, and the rest goes on in another."""
    ended = []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    while len(ended) < len(cases):
        text = "\n".join(json.dumps(case) for case in cases[len(ended) :])
        done = subprocess.run(
            [sys.executable, str(CHILD)],
            input=text,
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
            timeout=300,
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line != "begin"]
        ended += [json.loads(line) for line in lines]
        if done.returncode == 0:
            assert len(ended) == len(cases), done.stderr
        else:
            assert done.stdout.rstrip().endswith("begin"), f"the child did not start: {done.stderr[-2000:]}"
            ended.append([f"the process ended with {done.returncode}", done.stderr[-500:]])
    return ended


def state_of(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Every exhibit by format, with how it ended and whether its file was left alone; one child for all of them."""
    folder = tmp_path_factory.mktemp("gallery")
    exhibits, cases = [], []
    for format_ in sorted(gallery.FORMATS):
        if format_ in LIBRARIES and not _optional.is_available(LIBRARIES[format_]):
            continue
        honest = tmp_path_factory.mktemp("honest") / f"{format_}.tw"
        save_honest(format_, honest)
        for exhibit in gallery.exhibits(format_):
            path = folder / f"{len(cases)}{exhibit.extension}"
            path.write_bytes(exhibit.make(honest))
            exhibits.append((format_, exhibit))
            cases.append({"path": str(path), "options": exhibit.options})
    before = state_of(folder)
    ended = run_child(cases, folder)
    assert state_of(folder) == before, "a file was changed, or another one written"
    found = {}
    for (format_, exhibit), result in zip(exhibits, ended, strict=True):
        found.setdefault(format_, []).append((exhibit, result))
    return found


@pytest.mark.parametrize("format_", sorted(gallery.FORMATS))
def test_gallery(format_, shown):
    if format_ not in shown:
        pytest.skip(f"{LIBRARIES[format_]} is not installed")
    wrong = {
        exhibit.name: result
        for exhibit, result in shown[format_]
        if not set(exhibit.errors) & set(result)
        # an error that says nothing is no error for people
        or (result != ["loads"] and len(result[-1]) < 30)
    }
    assert not wrong, "\n".join(f"{name}: {result}" for name, result in wrong.items())


def test_the_gallery_can_tell_a_dead_process(tmp_path):
    """The hostile CatBoost file of the gallery, loaded without isolate=True, does end the process: the test can fail."""
    pytest.importorskip("catboost")
    honest, hostile = tmp_path / "honest.tw", tmp_path / "hostile.tw"
    save_honest("catboost_cbm", honest)
    exhibit = next(exhibit for exhibit in gallery.of_catboost() if exhibit.options)
    hostile.write_bytes(exhibit.make(honest))
    ((result, _),) = run_child([{"path": str(hostile), "options": {}}], tmp_path)
    assert result.startswith("the process ended with -")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="its parsers are forked")
def test_catboost_payloads_cut_off_or_flipped_anywhere(tmp_path):
    """With a forger's digests, so that its parser meets them: in a process of its own, whatever happens is an error."""
    pytest.importorskip("catboost")
    honest = tmp_path / "honest.tw"
    save_honest("catboost_cbm", honest)
    before = state_of(tmp_path)
    done = subprocess.run(
        [sys.executable, str(CHILD.with_name("catboost_damage.py")), str(honest)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(CHILD.parent), *sys.path])},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("whole") == ["loads", ""]
    assert len(found) == 80
    cut = {name: result for name, result in found.items() if name.startswith("cut")}
    assert all(result[0] != "loads" for result in cut.values()), cut
    family = {"loads", "ModelLoadError", "IntegrityError"}
    assert {result[0] for result in found.values()} <= family, found
    # The damage did reach the parser.
    assert {"loads", "ModelLoadError"} <= {result[0] for result in found.values()}
    assert state_of(tmp_path) == before
