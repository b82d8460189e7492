"""A range check of scikit-learn's trees that come out of a file, before anything predicts with them.

scikit-learn follows the children and features of a tree without looking at the length of its arrays: a wrong number is
followed all the same, and ends the process. Trees are therefore built from files only where they hang in estimators that
are known here, and only after their arrays hold together.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import IntegrityError, UntrustedTypesError

__all__ = ["TREE_TYPES", "check_schema", "check_trees"]

_TREE = "sklearn.tree._tree.Tree"
_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
#: The types that are built from a file for the sake of trees, all of them checked here.
TREE_TYPES = frozenset({_TREE, _PREDICTOR})


def check_schema(data: bytes) -> None:
    """Refuse skops bytes that would build a tree of other than one output.

    The constructor reads as many class counts as there are outputs, whether they are there or not; so this must be seen
    before skops builds anything. Takes time in proportion to the schema, and none where there is no tree.

    Raises
    ------
    IntegrityError
        When a tree has several outputs, or hides how many it has.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read("schema.json")
    if b"TreeNode" not in text:
        return
    tables = list(_tables(json.loads(text)))
    plain: dict[Any, dict[str, Any]] = {}
    for tree in (table for table in tables if table.get("__loader__") == "TreeNode"):
        try:
            arguments = tree["__reduce__"]["args"]
            _, _, outputs = arguments["content"]
            one = arguments["__loader__"] == "TupleNode" and outputs["__loader__"] == "JsonNode"
            one &= outputs["content"] == "1"
            plain |= {arguments["__id__"]: arguments, outputs["__id__"]: outputs}
        except (KeyError, TypeError, ValueError):
            one = False
        if not one:
            _refuse("a tree does not say plainly that it has one output")
    # skops builds each id once, from the first table that has it: what was looked at must be what is built.
    for table in tables:
        if table.get("__id__") in plain and table != plain[table["__id__"]]:
            _refuse("a tree does not say plainly that it has one output")


def check_trees(estimator: Any) -> None:
    """Refuse an estimator from a file whose trees do not hold together.

    Checked are children (in range, after their parents), features, the recorded depth, and that every tree of a forest
    is as wide as the forest; trees in ensembles that are not known here are refused. Takes time in proportion to the
    number of nodes.

    Raises
    ------
    IntegrityError
        With what does not hold.
    UntrustedTypesError
        When trees stand elsewhere than in a tree estimator, a forest or a HistGradientBoosting estimator.
    """
    known: set[int] = set()
    trees: list[Any] = []
    for part in _parts(estimator):
        bases = {base.__name__ for base in type(part).__mro__}
        if _kind(part) in TREE_TYPES:
            trees.append(part)
        elif "BaseForest" in bases:
            known |= _check_forest(part)
        elif "BaseHistGradientBoosting" in bases:
            known |= _check_hist(part)
        elif "BaseDecisionTree" in bases:
            if id(getattr(part, "tree_", None)) not in known:  # those of a forest have been
                known |= _check_tree("its tree", part, None)
        elif "BaseGradientBoosting" in bases:
            _refuse_owner(part)
    for tree in trees:
        if id(tree) not in known:
            _refuse_owner(tree)


# --- walking ------------------------------------------------------------------------------------------------------


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__name__}"


def _tables(value: Any) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) is dict:
            yield item
            item = item.values()
        # Only what holds more is put on the stack: a schema is mostly text.
        stack += [part for part in item if type(part) is dict or type(part) is list]


def _parts(value: Any) -> Iterator[Any]:
    """Each object an estimator holds, itself included, once."""
    stack, seen = [value], set()
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, str | bytes | int | float | type):
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            stack.extend(item)
        elif isinstance(item, np.ndarray):
            if item.dtype.hasobject:
                stack.extend(item.ravel().tolist())
        else:
            yield item
            stack.extend(getattr(item, "__dict__", {}).values())
            if hasattr(item, "func") and hasattr(item, "keywords"):  # functools.partial
                stack += [item.func, item.args, item.keywords]


# --- forests ------------------------------------------------------------------------------------------------------


def _check_forest(forest: Any) -> set[int]:
    """Check the trees of a forest; return their ids."""
    width = _width(forest)
    known: set[int] = set()
    for number, estimator in enumerate(getattr(forest, "estimators_", ())):
        known |= _check_tree(f"tree {number}", estimator, width)
    return known


def _check_tree(which: str, estimator: Any, width: int | None) -> set[int]:
    tree = getattr(estimator, "tree_", None)
    if tree is None:
        return set()
    width = _width(estimator) if width is None else width
    if _kind(tree) != _TREE or _width(estimator) != width or tree.n_features != width:
        _refuse(f"{which} is none, or not as wide as its estimator")
    if tree.n_outputs != 1 or tree.node_count != tree.capacity:
        _refuse(f"{which} has several outputs, or does not count its nodes")
    if _depth_of(which, tree.children_left, tree.children_right, tree.feature, width) > tree.max_depth:
        _refuse(f"{which} is deeper than it says")
    return {id(tree)}


def _check_hist(model: Any) -> set[int]:
    """Check the trees of a HistGradientBoosting estimator; return their ids."""
    width = _width(model)
    known = set()
    trees = [tree for turn in getattr(model, "_predictors", ()) for tree in turn]
    for number, tree in enumerate(trees):
        nodes = getattr(tree, "nodes", None)
        if _kind(tree) != _PREDICTOR or not isinstance(nodes, np.ndarray) or nodes.ndim != 1:
            _refuse(f"tree {number} is none")
        if "is_categorical" not in (nodes.dtype.names or ()):
            _refuse(f"tree {number} has nodes of another kind")
        if nodes["is_categorical"].any():
            # Its splits index two further tables, of which one is computed.
            _refuse(f"tree {number} splits at categories, which this check does not follow")
        leaf = nodes["is_leaf"].astype(bool)
        left, right, feature = (nodes[name].astype(np.int64) for name in ("left", "right", "feature_idx"))
        _depth_of(f"tree {number}", np.where(leaf, -1, left), np.where(leaf, -1, right), feature, width)
        known.add(id(tree))
    return known


def _width(estimator: Any) -> int:
    width = getattr(estimator, "n_features_in_", None)
    if not isinstance(width, int) or width < 1:
        _refuse(f"a {type(estimator).__name__} does not say how many features it takes")
    return width


def _depth_of(
    which: str, left: NDArray[np.int64], right: NDArray[np.int64], feature: NDArray[np.int64], width: int
) -> int:
    """Check the nodes of a tree; return its depth. A leaf has −1 for both children."""
    n_nodes = len(left)
    leaf = left == -1
    if n_nodes < 1 or (leaf != (right == -1)).any():
        _refuse(f"{which} has no nodes, or one with a single child")
    node = np.flatnonzero(~leaf)
    children = np.concatenate([left[node], right[node]])
    if ((children <= np.concatenate([node, node])) | (children >= n_nodes)).any():
        _refuse(f"{which} has a child out of range, or before its parent")
    if (np.bincount(children, minlength=n_nodes) != (np.arange(n_nodes) > 0)).any():
        _refuse(f"{which} has a node that is the child of none or of two")
    split = feature[node]
    if len(split) and (split.min() < 0 or split.max() >= width):
        _refuse(f"{which} splits at a feature beyond the {width} there are")
    depth, level = -1, np.zeros(1, dtype=np.int64)
    while len(level):
        level = level[~leaf[level]]
        level = np.concatenate([left[level], right[level]])
        depth += 1
    return depth


def _refuse_owner(part: Any) -> NoReturn:
    raise UntrustedTypesError(
        f"the trees of a {type(part).__name__} from a file are not on the list of allowed types, as nothing here checks how"
        " it uses them: don't load it, unless you trust its author and can get it as a pickle",
        code="bundle.untrusted_types",
        types=[_TREE],
    )


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(
        f"the scikit-learn model is damaged or crafted: {what}. Get the file again from where it was saved, or save the"
        " model again; don't load it from elsewhere",
        code="bundle.payload",
    )
