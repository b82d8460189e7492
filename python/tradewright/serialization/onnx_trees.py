"""Tree ensembles as ONNX: one operator in float64, from the arrays every tree library has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from tradewright.serialization.onnx_graph import OnnxGraph

__all__ = ["LEQ", "LT", "MEMBER", "Ensemble", "Tree", "add_scores"]

#: How a node tells its rows apart: x ≤ t, x < t, x among categories; as ONNX numbers them.
LEQ, LT, MEMBER = 0, 1, 6


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree.

    Parameters
    ----------
    feature, mode, threshold, missing : ndarray, shape (n_nodes,)
        Of each inner node: the column it looks at; one of the modes; what it compares with; whether NaN goes to the true
        side.
    true, false : ndarray of int64, shape (n_nodes,)
        Where rows go: a node, or ``-1 - leaf``.
    leaves : ndarray of float64, shape (n_leaves,)
        What each leaf adds to the output.
    output : int
        Which output the tree adds to.
    members : mapping of int to sequence of float
        The categories of the nodes of mode ``MEMBER``.
    """

    feature: NDArray[np.int64]
    mode: NDArray[np.uint8]
    threshold: NDArray[np.float64]
    missing: NDArray[np.bool_]
    true: NDArray[np.int64]
    false: NDArray[np.int64]
    leaves: NDArray[np.float64]
    output: int = 0
    members: Mapping[int, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def single(cls, value: float, output: int = 0) -> Tree:
        """Return a tree that is one leaf: ONNX wants a node, whose both sides are that leaf."""
        leaf = np.array([-1])
        none = np.zeros(1)
        return cls(
            none.astype(np.int64),
            none.astype(np.uint8),
            none,
            none.astype(np.bool_),
            leaf,
            leaf,
            np.array([value], dtype=np.float64),
            output,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Trees and what is made of their sum.

    Parameters
    ----------
    trees : list of Tree
        In any order.
    base : ndarray of float64, shape (n_outputs,)
        Where their sum starts.
    link : {"identity", "exp", "sigmoid", "softmax", "ova", "probability"}
        What is made of the sum: ``ova`` are sigmoids that are brought to a sum of 1, ``probability`` is one already.
    slope : float
        What the sum is multiplied by before a sigmoid.
    divisor : float
        What the sum of the trees is divided by before the base is added.
    rounds_features : bool
        Whether features are float32 before they are compared.
    """

    trees: list[Tree]
    base: NDArray[np.float64]
    link: str
    slope: float = 1.0
    rounds_features: bool = False
    divisor: float = 1.0


def add_scores(graph: OnnxGraph, X: str, ensemble: Ensemble) -> str:
    """Add the sum of all trees and the base, float64; return its name, shape (n_rows, n_outputs)."""
    if ensemble.rounds_features:
        X = graph.cast(graph.cast(X, np.float32), np.float64)
    trees, base = ensemble.trees, ensemble.base
    starts = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    first_leaf = np.cumsum([0, *(len(tree.leaves) for tree in trees)])

    def sides(name: str) -> tuple[list[int], list[int]]:
        ids, are_leaves = [], []
        for tree, start, leaf in zip(trees, starts, first_leaf, strict=False):
            child = getattr(tree, name)
            are_leaves.append(child < 0)
            ids.append(np.where(child < 0, leaf - 1 - child, start + child))
        return np.concatenate(ids).tolist(), np.concatenate(are_leaves).astype(int).tolist()

    def joined(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(tree, name) for tree in trees])

    true, true_is_leaf = sides("true")
    false, false_is_leaf = sides("false")
    members = [value for tree in trees for node in sorted(tree.members) for value in (*tree.members[node], np.nan)]
    optional = {} if not members else {"membership_values": numpy_helper.from_array(np.array(members, np.float64))}
    total = graph.add(
        "TreeEnsemble",
        X,
        domain="ai.onnx.ml",
        aggregate_function=1,  # the sum
        post_transform=0,
        n_targets=len(base),
        tree_roots=starts[:-1].tolist(),
        nodes_featureids=joined("feature").tolist(),
        nodes_modes=numpy_helper.from_array(joined("mode").astype(np.uint8)),
        nodes_splits=numpy_helper.from_array(joined("threshold").astype(np.float64)),
        nodes_missing_value_tracks_true=joined("missing").astype(int).tolist(),
        nodes_truenodeids=true,
        nodes_trueleafs=true_is_leaf,
        nodes_falsenodeids=false,
        nodes_falseleafs=false_is_leaf,
        leaf_targetids=np.concatenate([np.full(len(tree.leaves), tree.output) for tree in trees]).tolist(),
        leaf_weights=numpy_helper.from_array(joined("leaves").astype(np.float64)),
        **optional,
    )
    if ensemble.divisor != 1.0:
        total = graph.add("Div", total, graph.constant(np.float64(ensemble.divisor)))
    return graph.add("Add", total, graph.constant(np.asarray(base, dtype=np.float64)))
