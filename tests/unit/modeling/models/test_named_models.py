"""What the factories by name make of their defaults."""

from __future__ import annotations

import numpy as np
import pytest

import tradewright as tw
from tradewright.errors import ParameterError
from tradewright.runtime.threads import num_threads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
Y = X[:, 0] + 0.5 * RNG.normal(size=400)
create = tw.ModelRegistry.create


@pytest.mark.parametrize("name", ["lasso", "elastic_net", "linear_sgd"])
@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_penalties_do_not_depend_on_the_unit_of_the_labels(name, unit):
    params = {"random_state": 0} if name == "linear_sgd" else {"alpha": 0.1}
    one, other = (create(name, **params).fit(X, Y * scale) for scale in (1.0, unit))
    np.testing.assert_allclose(other.predict(X) / unit, one.predict(X), rtol=1e-6, atol=1e-9)


def test_alpha_of_a_lasso_is_a_correlation():
    correlation = abs(np.corrcoef(X[:, 0], Y)[0, 1])
    assert create("lasso", alpha=correlation * 1.01).fit(X, Y).feature_importances_.sum() == 0.0
    assert create("lasso", alpha=correlation * 0.9).fit(X, Y).feature_importances_.tolist() == [1.0, 0.0, 0.0]


def test_scaled_labels_survive_a_bundle(tmp_path):
    model = create("lasso").fit(X, 100.0 + 0.01 * Y)
    model.save(tmp_path / "model.tw")
    back = tw.load_model(tmp_path / "model.tw")
    assert np.array_equal(back.predict(X), model.predict(X))
    assert back.hyperparameters == model.hyperparameters
    assert back.hyperparameters["scale_target"] is True


def test_classes_have_no_scale():
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(ParameterError, match="scale_target goes with a regressor"):
        tw.SklearnModel(LogisticRegression(), scale_target=True).fit(X, Y > 0)


def test_a_logistic_regression_with_few_coefficients():
    model = create("logistic", C=0.02, l1_ratio=1.0).fit(X, Y > 0)
    assert model.feature_importances_.tolist() == [1.0, 0.0, 0.0]


def test_no_rows_drawn_at_random_are_watched():
    with pytest.raises(ParameterError, match="overlap with the train rows in time"):
        create("hist_gradient_boosting", early_stopping=True)
    assert create("hist_gradient_boosting").hyperparameters["early_stopping"] is False


def test_leaves_of_a_forest_are_a_share_of_the_rows():
    model = create("random_forest", n_estimators=3, min_samples_leaf=0.25, random_state=0).fit(X, Y)
    assert all(tree.tree_.n_leaves <= 4 for tree in model.estimator_.estimators_)


@pytest.mark.parametrize("name", ["random_forest", "extra_trees"])
def test_blocks_of_rows_on_threads_give_the_same_bits(name):
    many = RNG.normal(size=(5000, 3))
    before = num_threads()
    model = create(name, task="classification", n_estimators=3, random_state=0).fit(X, Y > 0)
    outputs = []
    for threads in (1, 2):
        tw.set_num_threads(threads)
        outputs.append(model.predict_proba(many))
    tw.set_num_threads(before)
    assert np.array_equal(*outputs)
    assert model.estimator_.n_jobs is None


@pytest.mark.parametrize("name", ["random_forest", "extra_trees", "hist_gradient_boosting", "linear_sgd"])
def test_another_task(name):
    with pytest.raises(ParameterError, match="task='ranking'"):
        create(name, task="ranking")
