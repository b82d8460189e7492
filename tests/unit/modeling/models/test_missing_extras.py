"""Without torch or LightGBM the rest works, and the error names the extra."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tradewright.models import ModelRegistry

BLOCKED = """
import importlib.abc, importlib.util, sys
ABSENT = set(sys.argv[1].split(","))
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None
sys.meta_path.insert(0, Absent())
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ABSENT else find(name, *rest)
import tradewright as tw
from tradewright.errors import MissingExtraError
def extra(act):
    try:
        act()
    except MissingExtraError as error:
        assert isinstance(error, ImportError) and "pip install" in str(error), error
        return error.fields["extra"]
    raise AssertionError("no error")
"""


def run(absent, code, *args):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKED + code, absent, *map(str, args)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_without_torch():
    run(
        "torch,safetensors",
        """
assert extra(lambda: tw.TorchModel) == "torch"
assert extra(lambda: tw.ModelRegistry.create("mlp")) == "torch"
assert extra(lambda: tw.OptimizerRegistry.create("adam", params=[], lr=0.1)) == "torch"
assert sorted(tw.ModelRegistry.unavailable()) == ["gru", "lstm", "mlp", "tcn", "transformer"]
assert "tradewright[torch]" in tw.ModelRegistry.unavailable()["mlp"]
import numpy as np
X = np.arange(60.0).reshape(30, 2)
for name in ("ridge", "lightgbm"):
    assert tw.ModelRegistry.create(name).fit(X, X[:, 0]).predict(X).shape == (30,)
assert "torch" not in sys.modules
""",
    )


@pytest.mark.parametrize(("name", "absent", "extra"), [("lightgbm", "lightgbm", "lightgbm"), ("mlp", "torch", "torch")])
def test_loading_a_bundle_whose_library_is_missing(tmp_path, name, absent, extra):
    X = np.arange(60.0).reshape(30, 2)
    params = {"mlp": {"epochs": 1, "hidden": [2]}, "lightgbm": {"n_estimators": 2}}[name]
    ModelRegistry.create(name, **params).fit(X, X[:, 0]).save(tmp_path / "model.tw")
    run(absent, f"assert extra(lambda: tw.load_model(sys.argv[2])) == {extra!r}", tmp_path / "model.tw")


def test_without_lightgbm():
    run(
        "lightgbm",
        """
assert extra(lambda: tw.ModelRegistry.create("lightgbm")) == "lightgbm"
assert tw.BoostingModel is not None
assert list(tw.ModelRegistry.unavailable()) == ["lightgbm"]
""",
    )


def test_the_registries_load_no_heavy_library():
    run(
        "none",
        """
tw.ModelRegistry, tw.OptimizerRegistry, tw.ModelRegistry.list()
heavy = {"torch", "lightgbm", "sklearn", "skops", "pandas", "polars", "mlflow"} & set(sys.modules)
assert not heavy, heavy
""",
    )
