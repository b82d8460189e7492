"""A range check of XGBoost's UBJSON models, before its parser sees a byte.

XGBoost believes the sizes and indices in a model: a wrong one is followed all the same, and ends the process. The check
follows the format as XGBoost 3 writes it for trees with one number a leaf. It is no proof that such a file is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import IntegrityError
from tradewright.models.tree_based.ubjson import read_ubjson

__all__ = ["check_ubj"]

_PER_NODE = (
    *("left_children", "right_children", "parents", "split_indices", "split_type", "split_conditions"),
    *("default_left", "base_weights", "loss_changes", "sum_hessian"),
)
_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_TREE_KEYS = frozenset((*_PER_NODE, *_CATEGORIES, "id", "tree_param"))
#: How XGBoost writes that a node has no child, and that the root has no parent.
_NONE, _ROOT = -1, 2**31 - 1
#: What a pruned node, which stays in the arrays, has for its feature.
_DELETED = 2**31 - 1
#: XGBoost allows no more categories of one feature.
_MAX_CATEGORY = 1 << 24
_COUNT = re.compile(r"[0-9]{1,9}")


def check_ubj(data: bytes) -> None:
    """Refuse an XGBoost model whose sizes and indices do not hold together.

    Checked are the counts of features, classes and trees, the length of every array, and that children, features and
    categories are in range and each reachable node has one parent, so that no path is endless. Takes time in proportion
    to the model.

    Raises
    ------
    IntegrityError
        With the number of the tree in ``fields["tree"]``, None for what is not in a tree; or the byte in
        ``fields["at"]``.
    """
    document = _table(read_ubjson(data), None, "the model")
    learner = _table(document.get("learner"), None, "learner")
    n_features, n_outputs = _learner(learner)
    booster = _table(learner.get("gradient_booster"), None, "gradient_booster")
    weights = None
    if booster.get("name") == "dart":
        weights = _array(None, booster, "weight_drop", None)
        booster = _table(booster.get("gbtree"), None, "gbtree")
    if booster.get("name") != "gbtree":
        _refuse(None, f"its booster is {booster.get('name')!r:.40}, not trees")
    model = _table(booster.get("model"), None, "model")
    trees = model.get("trees")
    if not isinstance(trees, list) or not trees:
        _refuse(None, "there are no trees")
    if weights is not None and len(weights) != len(trees):
        _refuse(None, "weight_drop has not one entry a tree")
    _forest(model, len(trees), n_outputs)
    for number, tree in enumerate(trees):
        _tree(number, _table(tree, number, "the tree"), n_features)


def _learner(learner: Mapping[str, Any]) -> tuple[int, int]:
    """Check the counts of the learner; return how many features there are and how many outputs a row."""
    param = _table(learner.get("learner_model_param"), None, "learner_model_param")
    n_features, n_classes = _count(None, param, "num_feature"), _count(None, param, "num_class")
    n_targets = _count(None, param, "num_target", 1)
    if n_features < 1 or n_targets < 1 or (n_classes > 1 and n_targets > 1):
        _refuse(None, f"num_feature={n_features}, num_class={n_classes}, num_target={n_targets}")
    n_outputs = max(n_classes, n_targets)
    score = param.get("base_score")
    if not isinstance(score, str) or len(score.split(",")) not in (1, n_outputs):
        _refuse(None, "base_score has not one entry an output")
    objective = _table(learner.get("objective"), None, "objective")
    name = objective.get("name")
    # Prediction turns scores into probabilities in place, as many as the objective says.
    several = isinstance(name, str) and name.startswith("multi:")
    settings = _table(objective.get("softmax_multiclass_param", {}), None, "softmax_multiclass_param")
    if several != (n_classes > 1) or (several and _count(None, settings, "num_class") != n_classes):
        _refuse(None, f"objective {name!r:.40} does not go with num_class={n_classes}")
    for key in ("feature_names", "feature_types"):
        names = learner.get(key, [])
        if (
            not isinstance(names, list)
            or len(names) not in (0, n_features)
            or not all(isinstance(n, str) for n in names)
        ):
            _refuse(None, f"{key} has not one entry a feature")
    return n_features, n_outputs


def _forest(model: Mapping[str, Any], n_trees: int, n_outputs: int) -> None:
    """Check how trees belong to rounds and outputs."""
    param = _table(model.get("gbtree_model_param"), None, "gbtree_model_param")
    parallel = _count(None, param, "num_parallel_tree", 1)
    info = _array(None, model, "tree_info", n_trees)
    if _count(None, param, "num_trees") != n_trees or parallel < 1 or n_trees % (parallel * n_outputs):
        _refuse(None, "num_trees does not match the trees, or those the classes")
    _within(None, "tree_info", info, 0, n_outputs)
    rounds = _array(None, model, "iteration_indptr", None)
    if len(rounds) < 2 or rounds[0] != 0 or rounds[-1] != n_trees or (np.diff(rounds) < 1).any():
        _refuse(None, "iteration_indptr does not rise from 0 to the number of trees")
    for name, values in _table(model.get("cats", {}), None, "cats").items():
        if len(values):
            _refuse(None, f"cats.{name[:40]} holds categories of a table; features are numbers here")


def _tree(number: int, tree: Mapping[str, Any], n_features: int) -> None:
    unknown = set(tree) - _TREE_KEYS
    if unknown:
        _refuse(number, f"the key {min(unknown)[:40]!r} is unknown")
    param = _table(tree.get("tree_param"), number, "tree_param")
    n_nodes = _count(number, param, "num_nodes")
    if (
        n_nodes < 1
        or _count(number, param, "size_leaf_vector", 1) > 1
        or _count(number, param, "num_feature") != n_features
    ):
        _refuse(number, "its counts of nodes and features are out of range, or it has several numbers a leaf")
    arrays = {name: _array(number, tree, name, n_nodes) for name in _PER_NODE}
    left, right, parents = arrays["left_children"], arrays["right_children"], arrays["parents"]
    for name in ("left_children", "right_children"):
        _within(number, name, arrays[name], _NONE, n_nodes)
    if ((left == _NONE) != (right == _NONE)).any():
        _refuse(number, "a node has one child")
    if parents[0] != _ROOT:
        _refuse(number, "its root has a parent")
    _within(number, "parents", parents[1:], 0, n_nodes)
    inner = _inner_nodes(number, left, right, parents)
    deleted = np.ones(n_nodes, dtype=np.bool_)
    deleted[[0, *left[inner], *right[inner]]] = False
    if not (np.array_equal(deleted, arrays["split_indices"] == _DELETED) and (left[deleted] == _NONE).all()):
        _refuse(number, "a node that nothing leads to is not marked as deleted")
    if _count(number, param, "num_deleted", 0) != deleted.sum():
        _refuse(number, "num_deleted does not match the nodes")
    _within(number, "split_indices", arrays["split_indices"][inner], 0, n_features)
    _within(number, "split_type", arrays["split_type"], 0, 2)
    _categories(number, tree, np.sort(inner[arrays["split_type"][inner] == 1]))


def _inner_nodes(
    number: int, left: NDArray[np.int64], right: NDArray[np.int64], parents: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the nodes with children that the root leads to, level by level; refuse a way that comes back."""
    found: list[NDArray[np.int64]] = []
    level, seen = np.zeros(1, dtype=np.int64), 1
    while True:
        level = level[left[level] != _NONE]
        if not len(level):
            return np.concatenate(found) if found else level
        found.append(level)
        children = np.concatenate([left[level], right[level]])
        seen += len(children)
        # With one parent each, and none for the root, no node is met twice.
        twins = (left[level] == right[level]).any()
        if twins or (parents[children] != np.tile(level, 2)).any() or seen > len(left):
            _refuse(number, "a node is the child of none or of two")
        level = children


def _categories(number: int, tree: Mapping[str, Any], chosen: NDArray[np.int64]) -> None:
    """Check the sets of categories, one for each categorical split."""
    values, nodes, segments, sizes = (_array(number, tree, name, None) for name in _CATEGORIES)
    if not len(nodes) == len(segments) == len(sizes):
        _refuse(number, "its sets of categories have no beginning or no end each")
    # Deleted nodes may have kept theirs; each split needs one.
    if (np.diff(nodes) <= 0).any() or not np.isin(chosen, nodes).all():
        _refuse(number, "a categorical split has no set of categories")
    _within(number, "categories", values, 0, _MAX_CATEGORY)
    _within(number, "categories_nodes", nodes, 0, len(tree["left_children"]))
    _within(number, "categories_segments", segments, 0, len(values) + 1)
    _within(number, "categories_sizes", sizes, 0, len(values) + 1)
    if (segments + sizes > len(values)).any():
        _refuse(number, "a set of categories ends after the last one")


def _table(value: Any, number: int | None, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(number, f"{name} is missing, or no table")
    return value


def _array(number: int | None, table: Mapping[str, Any], name: str, count: int | None) -> NDArray[Any]:
    value = table.get(name)
    if isinstance(value, list) and all(type(item) in (int, float) for item in value):
        value = np.array(value or (), dtype=np.float64 if any(type(item) is float for item in value) else np.int64)
    if not isinstance(value, np.ndarray):
        _refuse(number, f"{name} is missing, or no array of numbers")
    if count is not None and len(value) != count:
        _refuse(number, f"{name} has {len(value)} entries instead of {count}")
    return value if value.dtype.kind == "f" else value.astype(np.int64)


def _count(number: int | None, table: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """Return a count; XGBoost writes them as text."""
    value = table.get(name, default if default is None else str(default))
    if not isinstance(value, str) or not _COUNT.fullmatch(value):
        _refuse(number, f"{name} is not a count")
    return int(value)


def _within(number: int | None, name: str, values: NDArray[Any], low: int, high: int) -> None:
    outside = (values < low) | (values >= high)
    if values.dtype.kind == "f" or outside.any():
        got = "fractions" if values.dtype.kind == "f" else int(values[outside][0])
        _refuse(number, f"{name} holds {got}, outside of {low} to {high - 1}")


def _refuse(number: int | None, what: str) -> NoReturn:
    where = "its frame" if number is None else f"tree {number}"
    raise IntegrityError(
        f"the XGBoost model is damaged or crafted, {where}: {what}. Get the file again from where it was saved, or save"
        " the model again; don't load it from elsewhere",
        code="bundle.payload",
        tree=number,
    )
