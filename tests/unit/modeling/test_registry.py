"""The generic registry and the names of models."""

from __future__ import annotations

from importlib import metadata

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
        assert registry.list() == ["ours", "theirs"]
        assert registry.search("plugin") == ["theirs"]
        assert type(registry.create("theirs")).__name__ == "OrderedDict"
        assert registry.create("ours") == {}


class TestModelRegistry:
    def test_built_in_names(self):
        assert {"ridge", "lightgbm", "mlp"} <= set(ModelRegistry.list())
        assert ModelRegistry.search("linear") == ["ridge"]
        assert ModelRegistry.search("tree_based") == ["lightgbm"]
        assert ModelRegistry.search("neural") == ["mlp"]
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
