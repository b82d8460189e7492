"""Boosters as trees: LightGBM from its text, XGBoost from its UBJSON, CatBoost from its JSON.

All three write every number of a model exactly, and the first two were checked when they were written or read; so the
trees of the ONNX file are the very trees of the model. Their sums are float64; XGBoost and CatBoost round features to
float32 first, as they do themselves.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import UnsupportedError
from tradewright.models.tree_based.ubjson import read_ubjson
from tradewright.serialization.onnx_trees import LEQ, LT, MEMBER, Ensemble, Tree

__all__ = ["read_booster"]


def read_booster(library: Any, booster: Any, n_rounds: int) -> Ensemble:
    """Read the first rounds of a booster.

    Raises
    ------
    UnsupportedError
        When its trees are not of the kind ONNX has, or its objective is unknown here.
    """
    readers: dict[str, Callable[[bytes], Ensemble]] = {
        "lightgbm": _lightgbm,
        "xgboost": _xgboost,
        "catboost": lambda data: _catboost(library, data),
    }
    return readers[library.framework](library.to_bytes(booster, n_rounds))


# --- LightGBM -----------------------------------------------------------------------------------------------------

_LIGHTGBM_LINKS = {
    "": "identity",
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank"), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exp"),
    **dict.fromkeys(("binary", "cross_entropy"), "sigmoid"),
    "multiclass": "softmax",
    "multiclassova": "ova",
}


def _lightgbm(data: bytes) -> Ensemble:
    head, _, rest = data.decode().partition("\nTree=")
    blocks = rest.partition("\nend of trees")[0].split("\nTree=")
    header = _lines(head)
    name, *settings = header.get("objective", "").split(" ")
    if "sqrt" in settings:
        raise _unsupported("reg_sqrt of LightGBM")
    slope = next((float(item.partition(":")[2]) for item in settings if item.startswith("sigmoid:")), 1.0)
    n_outputs = int(header["num_class"])
    share = n_outputs / len(blocks) if "average_output" in head.split("\n") else 1.0
    trees = [_lightgbm_tree(_lines(block), number % n_outputs, share) for number, block in enumerate(blocks)]
    return Ensemble(trees, np.zeros(n_outputs), _link(name, _LIGHTGBM_LINKS, "LightGBM"), slope)


def _lightgbm_tree(keys: dict[str, str], output: int, share: float) -> Tree:
    if keys.get("is_linear", "0") != "0":
        raise _unsupported("linear_tree of LightGBM")

    def numbers(name: str, dtype: Any) -> NDArray[Any]:
        return np.array(keys[name].split(), dtype=dtype)

    leaves = numbers("leaf_value", np.float64) * share
    if len(leaves) == 1:
        return Tree.single(float(leaves[0]), output)
    threshold, kind = numbers("threshold", np.float64), numbers("decision_type", np.int64)
    categorical, to_left, missing_kind = kind & 1 == 1, kind & 2 == 2, kind >> 2 & 3
    if (missing_kind[~categorical] == 1).any():
        raise _unsupported("zero_as_missing of LightGBM")
    # Where a column had no NaN in training, LightGBM reads NaN as 0.
    missing = np.where(missing_kind == 2, to_left, threshold >= 0.0) & ~categorical
    members = {}
    if categorical.any():
        bounds, words = numbers("cat_boundaries", np.int64), numbers("cat_threshold", np.uint64)
        for node in np.flatnonzero(categorical).tolist():
            place = int(threshold[node])
            bits = words[bounds[place] : bounds[place + 1]].astype("<u4").view(np.uint8)
            members[node] = np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.float64).tolist()
    return Tree(
        numbers("split_feature", np.int64),
        np.where(categorical, MEMBER, LEQ).astype(np.uint8),
        np.where(categorical, 0.0, threshold),
        missing,
        numbers("left_child", np.int64),
        numbers("right_child", np.int64),
        leaves,
        output,
        members,
    )


def _lines(block: str) -> dict[str, str]:
    return {name: value for name, equals, value in (line.partition("=") for line in block.split("\n")) if equals}


# --- XGBoost ------------------------------------------------------------------------------------------------------

_XGBOOST_LINKS = {
    **dict.fromkeys(
        (
            *("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror"),
            *("reg:quantileerror", "reg:expectileerror", "binary:logitraw"),
        ),
        "identity",
    ),
    **dict.fromkeys(("reg:logistic", "binary:logistic"), "sigmoid"),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), "exp"),
    **dict.fromkeys(("multi:softprob", "multi:softmax"), "softmax"),
}


def _xgboost(data: bytes) -> Ensemble:
    learner = read_ubjson(data)["learner"]
    link = _link(learner["objective"]["name"], _XGBOOST_LINKS, "XGBoost")
    booster, weights = learner["gradient_booster"], None
    if booster["name"] == "dart":
        booster, weights = booster["gbtree"], np.asarray(booster["weight_drop"], dtype=np.float64)
    model = booster["model"]
    outputs = np.asarray(model["tree_info"], dtype=np.int64).tolist()
    scales = np.ones(len(outputs)) if weights is None else weights
    trees = [
        _xgboost_tree(tree, output, scale) for tree, output, scale in zip(model["trees"], outputs, scales, strict=True)
    ]
    param = learner["learner_model_param"]
    n_outputs = max(int(param["num_class"]), int(param.get("num_target", 1)), 1)
    start = np.array([float(value) for value in param["base_score"].strip("[]").split(",")])
    start = np.broadcast_to(start, n_outputs)
    # XGBoost keeps the start in the units of the prediction.
    if link == "sigmoid":
        start = np.log(start / (1.0 - start))
    elif link == "exp":
        start = np.log(start)
    return Ensemble(trees, start, link, rounds_features=True)


def _xgboost_tree(tree: dict[str, Any], output: int, scale: float) -> Tree:
    left, right = (np.asarray(tree[name], dtype=np.int64) for name in ("left_children", "right_children"))
    conditions = np.asarray(tree["split_conditions"], dtype=np.float64)
    # In float32, as XGBoost does.
    values = np.asarray(np.float32(scale) * conditions.astype(np.float32), dtype=np.float64)
    inner, leaves = np.flatnonzero(left != -1), np.flatnonzero(left == -1)
    if not len(inner):
        return Tree.single(float(values[0]), output)
    place = np.zeros(len(left), dtype=np.int64)
    place[inner], place[leaves] = np.arange(len(inner)), -1 - np.arange(len(leaves))
    categorical = np.asarray(tree["split_type"], dtype=np.int64)[inner] == 1
    to_left = np.asarray(tree["default_left"], dtype=np.bool_)[inner]
    members = {}
    sets = (tree.get(f"categories{part}", ()) for part in ("_nodes", "_segments", "_sizes"))
    for node, start, size in zip(*sets, strict=True):
        chosen = np.asarray(tree["categories"][int(start) : int(start) + int(size)], dtype=np.float64)
        members[int(place[int(node)])] = chosen.tolist()
    # The categories of a node go to the right.
    first, second = place[left[inner]], place[right[inner]]
    return Tree(
        np.asarray(tree["split_indices"], dtype=np.int64)[inner],
        np.where(categorical, MEMBER, LT).astype(np.uint8),
        np.where(categorical, 0.0, conditions[inner]),
        np.where(categorical, ~to_left, to_left),
        np.where(categorical, second, first),
        np.where(categorical, first, second),
        values[leaves],
        output,
        members,
    )


# --- CatBoost -----------------------------------------------------------------------------------------------------

_CATBOOST_LINKS = {
    **dict.fromkeys(
        (
            *("RMSE", "MAE", "Quantile", "Huber", "Expectile", "LogLinQuantile", "MAPE", "Lq", "LogCosh"),
            *("CatBoostObjective", "PythonUserDefinedPerObject", ""),
        ),
        "identity",
    ),
    **dict.fromkeys(("Poisson", "Tweedie"), "exp"),
    **dict.fromkeys(("Logloss", "CrossEntropy"), "sigmoid"),
    "MultiClass": "softmax",
    "MultiClassOneVsAll": "ova",
}


def _catboost(library: Any, data: bytes) -> Ensemble:
    booster = library.from_bytes(data)[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        booster.save_model(str(path), format="json")
        model = json.loads(path.read_text())
    if "oblivious_trees" not in model:
        raise _unsupported("grow_policy of CatBoost, other than SymmetricTree,")
    features = model["features_info"]["float_features"]
    nan_is_small = np.array([feature.get("nan_value_treatment") != "AsTrue" for feature in features])
    columns = np.array([feature["flat_feature_index"] for feature in features])
    scale, bias = model["scale_and_bias"]
    bias = np.atleast_1d(np.asarray(bias, dtype=np.float64))
    n_outputs = _catboost_outputs(model["oblivious_trees"][0])
    trees = [
        tree
        for given in model["oblivious_trees"]
        for tree in _catboost_trees(given, n_outputs, float(scale), columns, nan_is_small)
    ]
    objective = booster.get_all_params().get("loss_function", "")
    link = _link(str(objective).partition(":")[0], _CATBOOST_LINKS, "CatBoost")
    return Ensemble(trees, np.broadcast_to(bias, n_outputs), link, rounds_features=True)


def _catboost_outputs(tree: dict[str, Any]) -> int:
    n_leaves: int = 2 ** len(tree["splits"] or ())
    return len(tree["leaf_values"]) // n_leaves


def _catboost_trees(
    given: dict[str, Any],
    n_outputs: int,
    scale: float,
    columns: NDArray[np.int64],
    nan_is_small: NDArray[np.bool_],
) -> list[Tree]:
    """Return a symmetric tree, whose levels each ask one question, as one tree an output."""
    splits = given["splits"] or []
    depth = len(splits)
    values = scale * np.asarray(given["leaf_values"], dtype=np.float64).reshape(2**depth, n_outputs)
    if not depth:
        return [Tree.single(float(values[0, output]), output) for output in range(n_outputs)]
    if any(split["split_type"] != "FloatFeature" for split in splits):
        raise _unsupported("a categorical split of CatBoost")
    # Nodes level by level; what is asked first is the highest bit of the leaf, where CatBoost has its last split.
    level = np.concatenate([np.full(2**i, depth - 1 - i) for i in range(depth)])
    node = np.arange(2**depth - 1)
    children = 2 * node + 1
    is_leaf = children >= 2**depth - 1
    true = np.where(is_leaf, -1 - (children - (2**depth - 1)), children)
    false = np.where(is_leaf, true - 1, children + 1)
    feature = np.array([split["float_feature_index"] for split in splits])
    border = np.array([split["border"] for split in splits], dtype=np.float32)
    return [
        Tree(
            columns[feature[level]],
            np.full(len(node), LEQ, dtype=np.uint8),
            border[level].astype(np.float64),
            nan_is_small[feature[level]],
            true,
            false,
            values[:, output],
            output,
        )
        for output in range(n_outputs)
    ]


def _link(objective: str, known: dict[str, str], library: str) -> str:
    if objective not in known:
        raise _unsupported(f"objective={objective!r} of {library}")
    return known[objective]


def _unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} has no ONNX form here: save the model with format='auto', and serve it with tradewright",
        code="onnx.unsupported",
    )
