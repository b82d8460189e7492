"""Splitters and plans inside scikit-learn: routing, nesting, cloning."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, cross_validate

import tradewright as tw
from tradewright.errors import SplitError

DAYS = np.arange("2024-01-01", "2024-07-19", dtype="datetime64[D]")
ENDS = DAYS + 6
SPLITTERS = [
    tw.SequentialSplit(),
    tw.WalkForward(4, embargo="2d"),
    tw.PurgedKFold(4, embargo=2),
    tw.PurgedSplit(0.6),
    tw.CombinatorialPurgedCV(5, 2, embargo=1),
]


def data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(len(DAYS), 3))
    return X, X @ [1.0, -1.0, 0.5] + rng.normal(size=len(DAYS))


@pytest.mark.parametrize("splitter", SPLITTERS, ids=repr)
def test_routed_times_and_a_plan_score_the_same(splitter):
    X, y = data()
    plan = splitter.plan(DAYS, label_end=ENDS)
    scores = cross_val_score(Ridge(), X, y, cv=plan)
    assert len(scores) == plan.get_n_splits() == splitter.get_n_splits() == len(plan)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_val_score(Ridge(), X, y, cv=splitter, params={"time": DAYS, "label_end": ENDS})
        search = GridSearchCV(Ridge(), {"alpha": [0.1, 10.0]}, cv=splitter, n_jobs=2)
        search.fit(X, y, time=DAYS, label_end=ENDS)
    assert np.array_equal(routed, scores)
    assert search.n_splits_ == len(plan)
    frame = pd.DataFrame(X, index=pd.DatetimeIndex(DAYS))
    by_index = cross_val_score(Ridge(), frame, y, cv=splitter)  # another memory order, hence not to the last bit
    assert np.allclose(by_index, cross_val_score(Ridge(), X, y, cv=splitter.plan(DAYS)), rtol=1e-12)
    assert clone(splitter) == splitter
    assert eval(repr(splitter), vars(tw) | {n: getattr(tw, n) for n in tw.__all__}) == splitter
    assert type(splitter)(**splitter.get_params()) == splitter


def test_a_partition_can_be_predicted_and_a_walk_cannot():
    X, y = data()
    assert cross_val_predict(Ridge(), X, y, cv=tw.PurgedKFold(4).plan(DAYS)).shape == y.shape
    with pytest.raises(ValueError, match="partition"):
        cross_val_predict(Ridge(), X, y, cv=tw.WalkForward(4).plan(DAYS))


class Spy(tw.PurgedKFold):
    """Writes down what it splits."""

    seen: ClassVar[list[tuple[np.ndarray, np.ndarray, list]]] = []

    def split(self, X, y=None, groups=None, *, time=None, label_end=None):
        folds = list(super().split(X, y, groups, time=time, label_end=label_end))
        self.seen.append((time, label_end, folds))
        yield from folds


def test_nested_cross_validation_purges_its_inner_folds():
    X, y = data()
    Spy.seen.clear()
    with sklearn.config_context(enable_metadata_routing=True):
        inner = GridSearchCV(Ridge(), {"alpha": [0.1, 10.0]}, cv=Spy(3))
        cross_validate(inner, X, y, cv=tw.PurgedKFold(4), params={"time": DAYS, "label_end": ENDS}, error_score="raise")
    outer = list(tw.PurgedKFold(4).split(X, time=DAYS, label_end=ENDS))
    assert len(Spy.seen) == 4
    for (time, label_end, folds), (train, _) in zip(Spy.seen, outer, strict=True):
        assert np.array_equal(time, DAYS[train])
        assert np.array_equal(label_end, ENDS[train])
        for fit, watch in folds:
            # No label of an inner train row touches an inner test row's, pair by pair.
            touch = (time[fit][:, None] <= label_end[watch]) & (time[watch] <= label_end[fit][:, None])
            assert not touch.any()


def test_assets_are_routed_as_groups():
    X, y = data()
    asset = np.arange(len(DAYS)) // 25 % 2
    splitter = tw.PurgedKFold(4, purge_scope="asset")
    plan = splitter.plan(DAYS, label_end=ENDS, asset=asset)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_val_score(Ridge(), X, y, cv=splitter, params={"time": DAYS, "label_end": ENDS, "groups": asset})
    assert np.array_equal(routed, cross_val_score(Ridge(), X, y, cv=plan))
    assert not np.array_equal(routed, cross_val_score(Ridge(), X, y, cv=tw.PurgedKFold(4).plan(DAYS, label_end=ENDS)))


def test_a_plan_of_other_rows_is_refused_in_a_search():
    X, y = data()
    search = GridSearchCV(Ridge(), {"alpha": [0.1]}, cv=tw.PurgedKFold(4).plan(DAYS), n_jobs=2)
    with pytest.raises(SplitError, match="made for 200 rows, X has 190"):
        search.fit(X[10:], y[10:])
