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

CHILD = Path(__file__).parent / "child.py"


def honest_model(format_):
    """A small fitted model that is saved in this format."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    names = {
        "skops": ("ridge", {}),
        "lightgbm_text": ("lightgbm", {"n_estimators": 4, "num_leaves": 6, "n_jobs": 1}),
        "xgboost_ubj": ("xgboost", {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}),
        "catboost_cbm": ("catboost", {"n_estimators": 5, "depth": 3, "thread_count": 1}),
        "safetensors": ("mlp", {"hidden": [4], "epochs": 1, "seed": 0, "device": "cpu"}),
        "pickle": ("ridge", {}),
    }
    name, params = names[format_]
    return tw.ModelRegistry.create(name, **params).fit(X, X[:, 0])


def run_child(cases):
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
            cwd=cases[0]["folder"],
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


@pytest.mark.parametrize("format_", sorted(gallery.FORMATS))
def test_gallery(format_, tmp_path):
    pytest.importorskip(
        {"lightgbm_text": "lightgbm", "xgboost_ubj": "xgboost", "catboost_cbm": "catboost", "safetensors": "torch"}.get(
            format_, "sklearn"
        )
    )
    honest = tmp_path / "honest.tw"
    tw.save_model(honest_model(format_), honest, "pickle" if format_ == "pickle" else "auto")
    folder = tmp_path / "gallery"
    folder.mkdir()
    cases, shown = [], gallery.exhibits(format_)
    for number, exhibit in enumerate(shown):
        path = folder / f"{number}{exhibit.extension}"
        path.write_bytes(exhibit.make(honest))
        cases.append({"path": str(path), "options": exhibit.options, "folder": str(folder)})
    before = state_of(folder)
    ended = run_child(cases)
    wrong = {
        exhibit.name: result
        for exhibit, result in zip(shown, ended, strict=True)
        if not set(exhibit.errors) & set(result)
        # an error that says nothing is no error for people
        or (result != ["loads"] and len(result[-1]) < 30)
    }
    assert not wrong, "\n".join(f"{name}: {result}" for name, result in wrong.items())
    assert state_of(folder) == before


def test_the_gallery_can_tell_a_dead_process(tmp_path):
    """The hostile CatBoost file of the gallery, loaded without isolate=True, does end the process: the test can fail."""
    pytest.importorskip("catboost")
    honest = tmp_path / "honest.tw"
    tw.save_model(honest_model("catboost_cbm"), honest)
    cases = []
    for exhibit in gallery.of_catboost():
        path = tmp_path / f"{len(cases)}.tw"
        path.write_bytes(exhibit.make(honest))
        cases.append({"path": str(path), "options": {}, "folder": str(tmp_path)})
    ended = run_child(cases)
    assert any(result[0].startswith("the process ended with -") for result in ended), ended
