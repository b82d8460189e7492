"""scikit-learn estimators as ONNX: their trees by themselves, everything else by skl2onnx."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _optional
from tradewright.errors import UnsupportedError
from tradewright.serialization.onnx_graph import OnnxGraph
from tradewright.serialization.onnx_trees import LEQ, Ensemble, Tree

__all__ = ["add_estimator", "add_first_steps", "read_trees"]


def read_trees(estimator: Any) -> Ensemble | None:
    """Return a tree, a forest or a HistGradientBoosting estimator as trees; None for other estimators."""
    bases = {base.__name__ for base in type(estimator).__mro__}
    if "BaseHistGradientBoosting" in bases:
        return _hist(estimator)
    if "BaseForest" in bases:
        return _forest(estimator, [tree.tree_ for tree in estimator.estimators_])
    return _forest(estimator, [estimator.tree_]) if "BaseDecisionTree" in bases else None


def _forest(estimator: Any, grown: list[Any]) -> Ensemble:
    n_outputs = len(estimator.classes_) if hasattr(estimator, "classes_") else 1
    trees = []
    for tree in grown:
        values = np.asarray(tree.value, dtype=np.float64)[:, 0, :]
        # With two classes, one probability is enough.
        for output in range(1 if n_outputs == 2 else n_outputs):
            kept = values[:, 1 if n_outputs == 2 else output]
            trees.append(
                _of_nodes(
                    tree.children_left,
                    tree.children_right,
                    tree.feature,
                    tree.threshold,
                    np.asarray(tree.missing_go_to_left, dtype=np.bool_),
                    kept,
                    output,
                )
            )
    link = "identity" if n_outputs == 1 else "probability"
    # Divided after the sum, as scikit-learn does: ties of an even number of trees stay ties.
    return Ensemble(
        trees, np.zeros(1 if n_outputs <= 2 else n_outputs), link, rounds_features=True, divisor=float(len(grown))
    )


_HIST_LINKS = {
    "HalfSquaredError": "identity",
    "AbsoluteError": "identity",
    "PinballLoss": "identity",
    "HalfPoissonLoss": "exp",
    "HalfGammaLoss": "exp",
    "HalfBinomialLoss": "sigmoid",
    "HalfMultinomialLoss": "softmax",
}


def _hist(estimator: Any) -> Ensemble:
    if any(tree.nodes["is_categorical"].any() for turn in estimator._predictors for tree in turn):
        raise UnsupportedError(
            "categorical_features of HistGradientBoosting have no ONNX form here: save the model with format='auto'",
            code="onnx.unsupported",
        )
    trees = []
    for turn in estimator._predictors:
        for output, tree in enumerate(turn):
            nodes = tree.nodes
            leaf = nodes["is_leaf"].astype(bool)
            left, right = (np.where(leaf, -1, nodes[name].astype(np.int64)) for name in ("left", "right"))
            missing = nodes["missing_go_to_left"].astype(bool)
            trees.append(
                _of_nodes(left, right, nodes["feature_idx"], nodes["num_threshold"], missing, nodes["value"], output)
            )
    base = np.asarray(estimator._baseline_prediction, dtype=np.float64).ravel()
    return Ensemble(trees, base, _HIST_LINKS[type(estimator._loss).__name__])


def _of_nodes(
    left: NDArray[Any],
    right: NDArray[Any],
    feature: NDArray[Any],
    threshold: NDArray[Any],
    missing: NDArray[np.bool_],
    value: NDArray[Any],
    output: int,
) -> Tree:
    """Return a tree whose leaves stand among its nodes, marked by children of −1."""
    inner, leaves = np.flatnonzero(left != -1), np.flatnonzero(left == -1)
    if not len(inner):
        return Tree.single(float(value[0]), output)
    place = np.zeros(len(left), dtype=np.int64)
    place[inner], place[leaves] = np.arange(len(inner)), -1 - np.arange(len(leaves))
    return Tree(
        np.asarray(feature[inner], dtype=np.int64),
        np.full(len(inner), LEQ, dtype=np.uint8),
        np.asarray(threshold[inner], dtype=np.float64),
        missing[inner],
        place[left[inner]],
        place[right[inner]],
        np.asarray(value[leaves], dtype=np.float64),
        output,
    )


def add_first_steps(graph: OnnxGraph, estimator: Any, X: str) -> tuple[str, Any]:
    """Add the scalers and imputers a pipeline begins with, in float64, which skl2onnx's imputer has not.

    Return what comes out of them, and the rest of the pipeline.
    """
    steps = list(getattr(estimator, "steps", ()))
    while len(steps) > 1:
        step = steps[0][1]
        name = type(step).__name__
        if name == "StandardScaler":
            if step.with_mean:
                X = graph.add("Sub", X, graph.constant(step.mean_))
            if step.with_std:
                X = graph.add("Div", X, graph.constant(step.scale_))
        elif name == "SimpleImputer" and _fills_in_place(step):
            filled = graph.constant(np.asarray(step.statistics_, dtype=np.float64))
            X = graph.add("Where", graph.add("IsNaN", X), filled, X)
        elif step is not None and step != "passthrough":
            break
        steps = steps[1:]
    if not steps:
        return X, estimator
    return X, steps[0][1] if len(steps) == 1 else type(estimator)(steps)


def _fills_in_place(imputer: Any) -> bool:
    whole = not np.isnan(np.asarray(imputer.statistics_, dtype=np.float64)).any()  # such columns are left out
    missing = imputer.missing_values
    return bool(whole and not imputer.add_indicator and isinstance(missing, float) and np.isnan(missing))


def add_estimator(graph: OnnxGraph, estimator: Any, X: str, *, probabilities: bool) -> list[str]:
    """Add what skl2onnx makes of an estimator; return the name of its numbers, or of its labels and probabilities.

    Raises
    ------
    UnsupportedError
        When skl2onnx does not know the estimator, or a step of it.
    """
    skl2onnx = _optional.require("skl2onnx", "the ONNX export of scikit-learn estimators")
    kinds = skl2onnx.common.data_types
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    options = {id(final): {"zipmap": False}} if probabilities else None

    def convert(kind: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own coming changes
            return skl2onnx.convert_sklearn(
                estimator,
                initial_types=[("X", kind([None, int(estimator.n_features_in_)]))],
                target_opset={"": 18, "ai.onnx.ml": 3},
                options=options,
            )

    try:
        return graph.embed(convert(kinds.DoubleTensorType), X)
    except Exception:  # noqa: BLE001  some converters know float32 alone; the parity says what that costs
        pass
    try:
        return graph.embed(convert(kinds.FloatTensorType), graph.cast(X, np.float32))
    except Exception as error:  # whatever a converter raises
        raise UnsupportedError(
            f"skl2onnx cannot convert this {type(final).__name__} ({_first_line(error)}): save it with format='auto', and"
            " serve it with tradewright",
            code="onnx.unsupported",
        ) from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).split("\n") if line.strip()), type(error).__name__)[:200]
