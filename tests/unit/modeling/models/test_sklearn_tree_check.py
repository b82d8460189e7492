"""Trees from files predict only after their arrays hold together."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from tradewright.errors import IntegrityError, UntrustedTypesError
from tradewright.models import skops_payload
from tradewright.models.sklearn_tree_check import check_schema, check_trees

X = np.random.default_rng(0).normal(size=(80, 3))
Y = X[:, 0]


def forest(**params):
    return RandomForestRegressor(n_estimators=3, random_state=0, **params).fit(X, Y)


def hist():
    return HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5).fit(X, Y)


@pytest.mark.parametrize(
    "make",
    [
        forest,
        lambda: forest(max_leaf_nodes=2),
        lambda: forest(min_samples_leaf=0.9),
        lambda: RandomForestClassifier(n_estimators=3).fit(X, np.digitize(Y, [-1, 0, 1])),
        lambda: ExtraTreesClassifier(n_estimators=3).fit(X, Y > 0),
        lambda: DecisionTreeRegressor().fit(X, Y),
        lambda: BaggingRegressor(DecisionTreeRegressor(), n_estimators=2).fit(X, Y),
        lambda: make_pipeline(StandardScaler(), forest()),
        hist,
        lambda: HistGradientBoostingClassifier(max_iter=2).fit(X, np.digitize(Y, [-1, 0, 1])),
    ],
)
def test_what_scikit_learn_grows_comes_back(make):
    estimator = make()
    if hasattr(estimator, "steps"):
        estimator.fit(X, Y)
    back = skops_payload.load(skops_payload.dump(estimator))
    assert np.array_equal(back.predict(X), estimator.predict(X))


def with_nodes(field, place, value, number=0):
    """A forest whose tree was tampered with."""
    made = forest()
    tree = made.estimators_[number].tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][place] = value
    tree.__setstate__(state)
    return made


@pytest.mark.parametrize(
    ("field", "place", "value", "said"),
    [
        ("left_child", 0, 10**6, "child out of range"),
        ("right_child", 0, 10**6, "child out of range"),
        ("left_child", 0, -7, "child out of range"),
        ("left_child", 1, 0, "before its parent"),
        ("left_child", 0, -1, "a single child"),
        ("feature", 0, 3, "beyond the 3 there are"),
        ("feature", 0, -5, "beyond the 3 there are"),
    ],
)
def test_indices_out_of_range(field, place, value, said):
    with pytest.raises(IntegrityError, match=said):
        check_trees(with_nodes(field, place, value))
    with pytest.raises(UntrustedTypesError):
        skops_payload.dump(with_nodes(field, place, value, 2))
    data = skops.io.dumps(with_nodes(field, place, value, 1))
    with pytest.raises(IntegrityError, match=said):
        skops_payload.load(data)


def test_depth_and_width():
    made = forest()
    tree = made.estimators_[0].tree_
    state = tree.__getstate__() | {"max_depth": 1}
    tree.__setstate__(state)
    with pytest.raises(IntegrityError, match="deeper than it says"):
        check_trees(made)
    made = forest()
    made.n_features_in_ = 2
    with pytest.raises(IntegrityError, match="not as wide"):
        check_trees(made)
    made = forest()
    del made.n_features_in_
    with pytest.raises(IntegrityError, match="how many features"):
        check_trees(made)
    made = forest()
    made.estimators_[1].n_features_in_ = 2
    with pytest.raises(IntegrityError, match="not as wide"):
        check_trees(made)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("left", 10**6, "out of range"),
        ("right", 0, "before its parent"),
        ("feature_idx", 3, "beyond"),
        ("feature_idx", -1, "beyond"),
    ],
)
def test_histogram_trees(field, value, said):
    made = hist()
    nodes = made._predictors[1][0].nodes = made._predictors[1][0].nodes.copy()
    nodes[field][0] = value
    with pytest.raises(IntegrityError, match=said):
        skops_payload.load(skops.io.dumps(made))


def test_histogram_trees_of_another_kind():
    for nodes in (np.zeros(3), None, np.zeros((2, 2)), hist()._predictors[0][0].nodes[:0]):
        made = hist()
        made._predictors[0][0].nodes = nodes
        with pytest.raises(IntegrityError):
            check_trees(made)
    made = HistGradientBoostingRegressor(max_iter=2, categorical_features=[2]).fit(
        np.column_stack([X[:, :2], np.arange(80) % 4]), np.arange(80) % 4
    )
    with pytest.raises(UntrustedTypesError):
        skops_payload.dump(made)


def test_trees_of_ensembles_that_are_not_known():
    made = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    with pytest.raises(UntrustedTypesError):
        check_trees(made)
    loose = StandardScaler().fit(X)
    loose.tree = forest().estimators_[0].tree_
    with pytest.raises(UntrustedTypesError, match="Tree"):
        skops_payload.load(skops.io.dumps(loose))


def test_a_tree_that_claims_more_outputs_than_it_has_counts_for():
    """scikit-learn's constructor would read beyond the end of that array."""

    def tampered(change):
        source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(forest())))
        schema = json.loads(source.read("schema.json"))
        change(schema)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for name in source.namelist():
                target.writestr(name, json.dumps(schema) if name == "schema.json" else source.read(name))
        return out.getvalue()

    def trees(value):
        if isinstance(value, dict):
            if value.get("__loader__") == "TreeNode":
                yield value
            for item in value.values():
                yield from trees(item)
        elif isinstance(value, list):
            for item in value:
                yield from trees(item)

    def more_outputs(schema):
        next(trees(schema))["__reduce__"]["args"]["content"][2]["content"] = "1000000000"

    def hidden_behind_an_id(schema):
        tree = next(trees(schema))
        decoy = {**tree["__reduce__"]["args"]["content"][2], "content": "1000000000", "__id__": 424242}
        tree["__reduce__"]["args"]["content"][2]["__id__"] = 424242
        schema["decoy"] = decoy

    def no_arguments(schema):
        next(trees(schema))["__reduce__"] = {}

    check_schema(tampered(lambda schema: None))
    for change in (more_outputs, hidden_behind_an_id, no_arguments):
        with pytest.raises(IntegrityError, match="one output"):
            skops_payload.load(tampered(change))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_of_an_index_is_seen_or_harmless(data):
    """Against the definition: walk every row by hand, and see whether it stays inside."""
    made = forest(max_depth=4)
    state = made.estimators_[0].tree_.__getstate__()
    nodes = state["nodes"] = state["nodes"].copy()
    field = data.draw(st.sampled_from(["left_child", "right_child", "feature"]))
    place = data.draw(st.integers(0, len(nodes) - 1))
    nodes[field][place] = data.draw(st.integers(-3, len(nodes) + 2))
    made.estimators_[0].tree_.__setstate__(state)
    try:
        check_trees(made)
    except IntegrityError:
        return
    for row in X.astype(np.float32):
        at, steps = 0, 0
        while nodes["left_child"][at] != -1:
            assert 0 <= nodes["feature"][at] < 3
            side = "left_child" if row[nodes["feature"][at]] <= nodes["threshold"][at] else "right_child"
            at, steps = int(nodes[side][at]), steps + 1
            assert 0 <= at < len(nodes)
            assert steps <= state["max_depth"]
