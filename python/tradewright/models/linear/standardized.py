"""What every linear model is built on: features of one scale, without NaN."""

from __future__ import annotations

from typing import Any

from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tradewright.models.sklearn_model import SklearnModel

__all__ = ["standardized"]


def standardized(name: str, estimator: Any, *, scale_target: bool = False) -> SklearnModel:
    """Build a model on features of mean 0 and deviation 1, where NaN is 0, which is the mean.

    Means and deviations come from the train rows alone, by their weights. A feature that is constant or missing in all
    train rows stays, as a column of zeros: the width must not change.
    """
    steps = [
        ("scaler", StandardScaler()),
        ("imputer", SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)),
        (name, estimator),
    ]
    return SklearnModel(Pipeline(steps), scale_target=scale_target)
