"""as_model: anything that learns becomes a model, and no library is imported to find out."""

from __future__ import annotations

import subprocess
import sys

import lightgbm
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import tradewright as tw
from tradewright.errors import ParameterError, UnknownNameError


class Net(nn.Module):
    def __init__(self, n_features, n_outputs=1, width=3):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_features, width), nn.Tanh(), nn.Linear(width, n_outputs))

    def forward(self, x):
        return self.layers(x)


def build(n_features, n_outputs):
    return Net(n_features, n_outputs)


class TestWrappers:
    @pytest.mark.parametrize(
        ("obj", "wrapper", "task"),
        [
            (Ridge(), "SklearnModel", "regression"),
            (make_pipeline(StandardScaler(), LogisticRegression()), "SklearnModel", "classification"),
            (GridSearchCV(Ridge(), {"alpha": [1.0]}), "SklearnModel", "regression"),
            (lightgbm.LGBMRegressor(), "BoostingModel", "regression"),
            (lightgbm.LGBMClassifier(), "BoostingModel", "classification"),
            (Net(2), "TorchModel", "regression"),
            (Net, "TorchModel", "regression"),
            (build, "TorchModel", "regression"),
            ("ridge", "SklearnModel", "regression"),
            ("lgbm", "BoostingModel", "regression"),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_each_finds_its_own(self, obj, wrapper, task):
        model = tw.as_model(obj)
        assert type(model).__name__ == wrapper
        assert model.task == task
        assert not model.is_fitted

    def test_a_model_stays_itself(self):
        model = tw.ModelRegistry.create("ridge")
        assert tw.as_model(model) is model
        with pytest.raises(ParameterError, match="alpha: this SklearnModel is a model already"):
            tw.as_model(model, alpha=2.0)

    def test_parameters_go_to_the_wrapper_or_the_factory(self):
        assert tw.as_model("ridge", alpha=3.0).hyperparameters["ridge__alpha"] == 3.0
        assert tw.as_model(Ridge(), scale_target=True).scale_target
        assert tw.as_model(Net, task="classification", epochs=2).task == "classification"

    @pytest.mark.parametrize("other", ["XGBRegressor", "CatBoostRegressor"])
    def test_the_other_boosting_libraries(self, other):
        library = pytest.importorskip({"X": "xgboost", "C": "catboost"}[other[0]])
        try:
            model = tw.as_model(getattr(library, other)())
        except ParameterError as error:
            pytest.skip(f"BoostingModel does not know it yet: {error}")
        assert type(model).__name__ == "BoostingModel"


class TestModules:
    def test_each_fit_starts_from_the_weights_the_module_came_with(self):
        X = np.random.default_rng(0).normal(size=(64, 2))
        module = Net(2)
        before = {name: value.clone() for name, value in module.state_dict().items()}
        model = tw.as_model(module, epochs=2, batch_size=32, seed=0, device="cpu")
        first = model.fit(X, X[:, 0]).predict(X)
        assert np.array_equal(model.fit(X, X[:, 0]).predict(X), first)
        assert np.array_equal(model.clone().fit(X, X[:, 0]).predict(X), first)
        assert all((module.state_dict()[name] == value).all() for name, value in before.items())

    def test_a_module_is_named_in_the_hyperparameters(self):
        assert tw.as_model(Net(2)).hyperparameters["module"].endswith("Net")


class TestRefused:
    @pytest.mark.parametrize(
        ("obj", "words"),
        [
            (3.0, "a float is nothing that can be trained here: pass a tradewright model, a name of ModelRegistry"),
            (None, "a NoneType is nothing"),
            (StandardScaler(), "a StandardScaler is nothing"),
            (Ridge, r"Ridge is a class: pass an instance, Ridge\(\.\.\.\)"),
            (KMeans(), "neither a regressor nor a classifier"),
            (lightgbm.LGBMRanker(), "not one of the boosting estimators"),
            (np.dot, "nothing that can be trained"),
            (len, "nothing that can be trained"),
        ],
    )
    def test_with_what_is_accepted(self, obj, words):
        with pytest.raises(ParameterError, match=words):
            tw.as_model(obj)

    def test_an_unknown_name(self):
        with pytest.raises(UnknownNameError, match="did you mean 'ridge'"):
            tw.as_model("rigde")


def test_no_library_is_imported_to_find_out():
    code = (
        "import sys; from sklearn.linear_model import Ridge; import tradewright as tw; tw.as_model(Ridge());"
        "print([name for name in ('torch', 'lightgbm', 'xgboost', 'catboost') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
