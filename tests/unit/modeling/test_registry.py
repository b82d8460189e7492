"""The generic registry and the names of models."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import tradewright as tw
from tradewright.errors import MissingExtraError, RegistryError, TradewrightError, UnknownNameError
from tradewright.models import ModelRegistry
from tradewright.registry import Registry


@pytest.fixture
def shapes():
    registry = Registry("shape")

    @registry.register("circle", aliases=["disc"], tags=["round"])
    class Circle:
        def __init__(self, radius=1.0):
            self.radius = radius

    registry.register("counter", "collections:Counter", tags=["lazy"])
    return registry


class TestRegistry:
    def test_create_get_list_search(self, shapes):
        assert shapes.create("circle", radius=2.0).radius == 2.0
        assert shapes.get("disc") is shapes.get("circle")
        assert shapes.list() == ["circle", "counter"]
        assert shapes.search("round") == ["circle"]
        assert "disc" in shapes
        assert "square" not in shapes

    def test_a_name_may_be_a_parameter_too(self, shapes):
        shapes.register("named", lambda name: name)
        assert shapes.create("named", name="x") == "x"

    def test_lazy_target_is_imported_when_asked_for(self, shapes):
        from collections import Counter

        assert isinstance(shapes.create("counter"), Counter)
        assert shapes.search("lazy") == ["counter"]

    def test_unknown_name_lists_the_nearest(self, shapes):
        with pytest.raises(UnknownNameError, match="did you mean 'circle'") as caught:
            shapes.create("circel")
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, KeyError)
        assert caught.value.fields["near"] == ["circle"]

    @pytest.mark.parametrize("name", ["circle", "disc"])
    def test_taken_names_are_refused(self, shapes, name):
        with pytest.raises(RegistryError, match="is taken"):
            shapes.register(name, dict)
        with pytest.raises(RegistryError, match="is taken"):
            shapes.register("new", dict, aliases=[name])
        assert "new" not in shapes

    def test_missing_library_names_the_extra(self, shapes):
        shapes.register("boosted", "no.such:Thing", requires=["catboost_is_not_here"])
        with pytest.raises(MissingExtraError, match="pip install"):
            shapes.create("boosted")
        assert list(shapes.unavailable()) == ["boosted"]

    def test_entry_points_of_other_packages(self, monkeypatch):
        point = metadata.EntryPoint("theirs", "collections:OrderedDict", "group")
        ours = metadata.EntryPoint("ours", "no.such:Thing", "group")
        monkeypatch.setattr(metadata, "entry_points", lambda group: [point, ours] if group == "group" else [])
        registry = Registry("thing", entry_points="group")
        registry.register("ours", dict)
        with pytest.warns(RuntimeWarning, match=r"the package no\.such announces a thing 'ours', a name that is taken"):
            assert registry.list() == ["ours", "theirs"]
        assert registry.search("plugin") == ["theirs"]
        assert type(registry.create("theirs")).__name__ == "OrderedDict"
        assert registry.create("ours") == {}

    @pytest.mark.parametrize("aliases", [["one"], ["two", "two"]])
    def test_a_name_twice_in_one_call(self, aliases):
        registry = Registry("thing")
        with pytest.raises(RegistryError, match="is taken"):
            registry.register("one", dict, aliases=aliases)
        assert registry.list() == []

    @pytest.mark.parametrize("target", ["collections", "collections:", ":Counter"])
    def test_a_string_target_names_an_object(self, target):
        with pytest.raises(RegistryError, match=r"write 'package\.module:Class'"):
            Registry("thing").register("x", target)

    def test_entries_say_what_is_known(self, shapes):
        shapes.register("boosted", "no.such:Thing", tags=["b", "a"], requires=["catboost_is_not_here"])
        boosted, circle, _ = shapes.entries()
        assert (circle.name, circle.aliases, circle.tags, circle.package, circle.reason) == (
            "circle",
            ("disc",),
            ("round",),
            None,
            None,
        )
        assert boosted.tags == ("a", "b")
        assert "pip install" in boosted.reason


PLUGIN = """
from tradewright.models import SklearnModel
from sklearn.linear_model import Ridge

class Shop:
    @staticmethod
    def steady(alpha=1.0):
        return SklearnModel(Ridge(alpha=alpha))
"""
POINTS = """
[tradewright.models]
steady = their_models:Shop.steady
gone = their_models:gone
ridge = their_models:Shop.steady
"""


class TestInstalledPackages:
    """A package on the path, as an installer leaves it there."""

    @pytest.fixture
    def in_child(self, tmp_path):
        (tmp_path / "their_models.py").write_text(PLUGIN)
        info = tmp_path / "their_models-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-models\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(POINTS)
        path = os.pathsep.join([str(tmp_path), str(Path(tw.__file__).parents[1])])

        def run(code):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", f"import tradewright as tw\n{code}"],
                env={**os.environ, "PYTHONPATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            return done.stdout.strip() + done.stderr

        return run

    def test_their_models_are_there(self, in_child):
        code = (
            "print('steady' in tw.ModelRegistry.list(), tw.ModelRegistry.search('plugin'));"
            "entry = [entry for entry in tw.ModelRegistry.entries() if entry.name == 'steady'][0];"
            "print(entry.package, tw.as_model('steady', alpha=2.0).hyperparameters['alpha']);"
            "print(type(tw.ModelRegistry.create('ridge').estimator).__name__)"
        )
        assert in_child(code).splitlines() == ["True ['gone', 'steady']", "their-models 2.0", "Pipeline"]

    def test_what_cannot_be_imported_names_the_package(self, in_child):
        said = in_child("tw.ModelRegistry.create('gone')")
        assert "RegistryError: the package their-models announces the model 'gone' as their_models:gone" in said

    def test_the_command_lists_them(self, in_child):
        said = in_child("from tradewright.cli import main; main(['models'])")
        assert "steady" in said
        assert "plugin" in said


class TestModelRegistry:
    def test_built_in_names(self):
        assert {"ridge", "lightgbm", "mlp"} <= set(ModelRegistry.list())
        assert ModelRegistry.search("linear") == ["elastic_net", "lasso", "linear_sgd", "logistic", "ridge"]
        trees = {"extra_trees", "hist_gradient_boosting", "lightgbm", "random_forest"}
        assert trees <= set(ModelRegistry.search("tree_based"))
        assert {"gru", "lstm", "mlp", "tcn", "transformer"} <= set(ModelRegistry.search("neural"))
        assert tw.ModelRegistry is ModelRegistry

    @pytest.mark.parametrize(
        ("name", "wrapper"), [("ridge", "SklearnModel"), ("lightgbm", "BoostingModel"), ("mlp", "TorchModel")]
    )
    def test_names_make_models(self, name, wrapper):
        model = ModelRegistry.create(name)
        assert isinstance(model, getattr(tw, wrapper))
        assert isinstance(model, tw.BaseModel)
        assert model.task == "regression"

    def test_unknown_model(self):
        with pytest.raises(UnknownNameError, match="did you mean 'lightgbm'"):
            ModelRegistry.create("lightgmb")

    def test_wrong_parameter_is_an_error(self):
        with pytest.raises(TypeError):
            ModelRegistry.create("ridge", alhpa=1.0)
        with pytest.raises(TradewrightError):
            ModelRegistry.create("lightgbm", task="clustering")
