"""scikit-learn's own checks of an estimator hold for the wrappers, but for the few named here."""

from __future__ import annotations

import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tradewright.models import BoostingModel, SklearnModel, TorchModel

_COLUMN = "labels as a column are taken for what they plainly are, without a warning"

#: Wrapper → check → why it fails. At most five each; one that passes fails the test, as xfail is strict.
EXPECTED = {
    "SklearnModel": {"check_supervised_y_2d": _COLUMN},
    "BoostingModel": {
        "check_supervised_y_2d": _COLUMN,
        "check_sample_weight_equivalence_on_dense_data": (
            "LightGBM bins features and counts the rows of a leaf by rows, whatever they weigh"
        ),
    },
    "TorchModel": {
        "check_supervised_y_2d": _COLUMN,
        "check_sample_weight_equivalence_on_dense_data": (
            "a row of weight 2 is in one batch, two rows of weight 1 may be in two, and steps are taken between them"
        ),
    },
}


def net(task):
    params = {"module_params": {"hidden": [8]}, "epochs": 30, "lr": 0.05, "batch_size": 64}
    return TorchModel("mlp", task=task, seed=0, device="cpu", **params)


ESTIMATORS = [
    SklearnModel(Ridge()),
    SklearnModel(make_pipeline(StandardScaler(), LogisticRegression())),
    BoostingModel(LGBMRegressor(n_estimators=5, min_child_samples=1, n_jobs=1)),
    BoostingModel(LGBMClassifier(n_estimators=5, min_child_samples=1, n_jobs=1)),
    net("regression"),
    net("classification"),
]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:lbfgs failed to converge")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED[type(estimator).__name__])
def test_check(estimator, check):
    check(estimator)


def test_the_list_is_short():
    assert all(len(checks) <= 5 and all(checks.values()) for checks in EXPECTED.values())
