"""The core's check of LightGBM's text once more, plainly: with numpy, line by line.

The core must take and refuse the same texts, and name the same tree.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

_HEADER_KEYS = frozenset(
    (
        *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective"),
        *("feature_names", "monotone_constraints", "feature_infos", "tree_sizes"),
    )
)
_PER_NODE = ("split_gain", "internal_value", "internal_weight", "internal_count")
_PER_LEAF = ("leaf_weight", "leaf_count")
_TREE_KEYS = frozenset(
    (
        *_PER_NODE,
        *_PER_LEAF,
        *("num_leaves", "num_cat", "split_feature", "threshold", "decision_type", "left_child", "right_child"),
        *("leaf_value", "cat_boundaries", "cat_threshold", "is_linear", "leaf_const", "num_features"),
        *("leaf_features", "leaf_coeff", "shrinkage"),
    )
)
#: The most leaves that LightGBM itself allows a tree.
_MAX_LEAVES = 131072
_PARAMETER = re.compile(rb"\[[a-z0-9_]+: [^\0\r]*\]")
#: Beyond what any count or index of LightGBM can be.
_LARGEST = 10**10


class RefusedError(Exception):
    """With the number of the tree, None for the header."""

    def __init__(self, tree: int | None, what: str) -> None:
        super().__init__(what)
        self.tree = tree


def check_text(data: bytes) -> None:
    """Raise :class:`RefusedError` where sizes and indices do not hold together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of what it cannot read, and stops there: the count tells
        _check(data)


def _check(data: bytes) -> None:
    start = data.find(b"\nTree=") + 1
    if not data.startswith(b"tree\n") or not start:
        _refuse(None, "the payload is not a LightGBM text model with trees")
    end = data.find(b"\nend of trees\n", start) + 1
    if not end or b"\0" in data or b"\r" in data[:end]:
        _refuse(None, "the trees have no end, or there are characters that LightGBM does not write")
    lines = data[len(b"tree\n") : start].split(b"\n")
    if b"average_output" in lines:
        lines.remove(b"average_output")
    header = _keys(None, b"\n".join(lines), _HEADER_KEYS)
    n_features = _header(header)
    sizes = _integers(None, header, "tree_sizes")
    if int(sizes.sum()) != end - start or (sizes <= 0).any() or len(sizes) % _integer(None, header, "num_class"):
        _refuse(None, "tree_sizes does not match the trees")
    for number, size in enumerate(sizes.tolist()):
        block = data[start : start + size]
        title = b"Tree=%d\n" % number
        body = block[len(title) :].rstrip(b"\n")
        if not block.startswith(title) or not block.endswith(b"\n\n") or b"\n\n" in body:
            _refuse(number, "tree_sizes does not match the trees")
        _tree(number, _keys(number, body, _TREE_KEYS), n_features)
        start += size
    _parameters(data[end:])


def _parameters(trailer: bytes) -> None:
    """Check the lines that say with which settings the model was trained: LightGBM splits them at their colon unseen."""
    lines = trailer.split(b"\n")
    if b"parameters:" not in lines:
        return
    start = lines.index(b"parameters:") + 1
    if b"end of parameters" not in lines[start:]:
        _refuse(None, "its parameters have no end")
    for line in lines[start : lines.index(b"end of parameters", start)]:
        if line and not _PARAMETER.fullmatch(line):
            _refuse(None, f"{line[:40].decode(errors='replace')!r} is not a parameter")


def _header(header: Mapping[str, bytes]) -> int:
    """Check the header's counts against each other; return the number of features."""
    n_features = _integer(None, header, "max_feature_idx") + 1
    for name in ("feature_names", "feature_infos"):
        if len(header.get(name, b"").split(b" ")) != n_features or n_features < 1:
            _refuse(None, f"{name} does not have max_feature_idx + 1 entries")
    n_classes = _integer(None, header, "num_class")
    if n_classes < 1 or _integer(None, header, "num_tree_per_iteration") != n_classes:
        _refuse(None, "num_tree_per_iteration is not num_class")
    # Prediction turns scores into probabilities in place, as many as the objective says.
    objective, *settings = header.get("objective", b"").split(b" ")
    counts = [setting[len(b"num_class:") :] for setting in settings if setting.startswith(b"num_class:")]
    if any(count != b"%d" % n_classes for count in counts) or bool(counts) != (n_classes > 1):
        _refuse(None, f"objective {objective.decode(errors='replace')} does not have num_class classes")
    if objective.startswith((b"multiclass", b"softmax", b"ova", b"ovr")) != (n_classes > 1):
        _refuse(None, f"objective {objective.decode(errors='replace')} does not go with num_class={n_classes}")
    return n_features


def _tree(number: int, keys: Mapping[str, bytes], n_features: int) -> None:
    n_leaves = _integer(number, keys, "num_leaves")
    if not 1 <= n_leaves <= _MAX_LEAVES:
        _refuse(number, f"num_leaves={n_leaves} is not within 1 and {_MAX_LEAVES}")
    _numbers(number, keys, "leaf_value", n_leaves)
    _numbers(number, keys, "shrinkage", 1)
    n_cat = _integer(number, keys, "num_cat")
    if n_leaves == 1:
        if n_cat:
            _refuse(number, "it has categories, but no split")
    else:
        for name in _PER_LEAF:
            _numbers(number, keys, name, n_leaves)
        for name in _PER_NODE:
            _numbers(number, keys, name, n_leaves - 1)
        _splits(number, keys, n_leaves, n_cat, n_features)
    _linear(number, keys, n_leaves, n_features)


def _splits(number: int, keys: Mapping[str, bytes], n_leaves: int, n_cat: int, n_features: int) -> None:
    n_nodes = n_leaves - 1
    _within(number, "split_feature", _integers(number, keys, "split_feature", n_nodes), 0, n_features)
    node = np.arange(n_nodes)
    sides = [_integers(number, keys, name, n_nodes) for name in ("left_child", "right_child")]
    for name, side in zip(("left_child", "right_child"), sides, strict=True):
        _within(number, name, side, -n_leaves, n_nodes)
        if ((side >= 0) & (side <= node)).any():
            _refuse(number, f"{name} has a node before its parent")
    if not np.array_equal(np.sort(np.concatenate(sides)), np.delete(np.arange(-n_leaves, n_nodes), n_leaves)):
        _refuse(number, "a node or leaf is the child of none or of two")
    kind = _integers(number, keys, "decision_type", n_nodes)
    _within(number, "decision_type", kind, 0, 12)  # two flags and one of three ways to treat missing values
    threshold = _numbers(number, keys, "threshold", n_nodes)
    _categories(number, keys, threshold[kind & 1 == 1], n_cat)


def _categories(number: int, keys: Mapping[str, bytes], chosen: NDArray[np.float64], n_cat: int) -> None:
    """Check the bit sets of categorical splits, whose thresholds are their places."""
    if not n_cat:
        if len(chosen) or "cat_boundaries" in keys or "cat_threshold" in keys:
            _refuse(number, "it has categorical splits, but num_cat=0")
        return
    if not 0 < n_cat < _MAX_LEAVES or not ((chosen >= 0) & (chosen < n_cat)).all():
        _refuse(number, "the threshold of a categorical split is not within num_cat")
    boundaries = _integers(number, keys, "cat_boundaries", n_cat + 1)
    words = _integers(number, keys, "cat_threshold")
    _within(number, "cat_threshold", words, 0, 1 << 32)
    if boundaries[0] != 0 or (np.diff(boundaries) < 0).any() or boundaries[-1] != len(words):
        _refuse(number, "cat_boundaries does not rise from 0 to the length of cat_threshold")


def _linear(number: int, keys: Mapping[str, bytes], n_leaves: int, n_features: int) -> None:
    """Check the linear models in the leaves, where there are any."""
    if keys.get("is_linear", b"0") == b"0":
        return
    _numbers(number, keys, "leaf_const", n_leaves)
    counts = _integers(number, keys, "num_features", n_leaves)
    _within(number, "num_features", counts, 0, n_features + 1)
    total = int(counts.sum())
    _within(number, "leaf_features", _integers(number, keys, "leaf_features", total), 0, n_features)
    _numbers(number, keys, "leaf_coeff", total)


def _keys(number: int | None, block: bytes, known: frozenset[str]) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for line in filter(None, block.split(b"\n")):
        left, equals, value = line.partition(b"=")
        name = left.decode(errors="replace")
        if not equals or name not in known or name in keys:
            _refuse(number, f"the line {name[:40]!r} is unknown, or there twice")
        keys[name] = value
    return keys


def _parsed(
    number: int | None, keys: Mapping[str, bytes], name: str, count: int | None, dtype: type, characters: bytes
) -> NDArray[Any]:
    """Parse a line in one go; token by token the check would take longer than LightGBM itself."""
    if name not in keys:
        _refuse(number, f"{name} is missing")
    line = keys[name]
    entries = len(line.split())
    if count is not None and entries != count:
        _refuse(number, f"{name} has {entries} entries instead of {count}")
    if not entries:
        return np.zeros(0, dtype=dtype)
    values: NDArray[Any] | None = None
    if not line.translate(None, characters):
        with contextlib.suppress(ValueError):  # numpy raises or warns of what it cannot read
            values = np.fromstring(line, dtype=dtype, sep=" ")
    # What numpy reads as two numbers, such as 1-2, LightGBM reads as one.
    if values is None or len(values) != entries:
        _refuse(number, f"{name} holds something that is no number")
    return values


def _integers(number: int | None, keys: Mapping[str, bytes], name: str, count: int | None = None) -> NDArray[np.int64]:
    values = _parsed(number, keys, name, count, np.int64, b"-0123456789 ")
    if (np.abs(values) >= _LARGEST).any():
        _refuse(number, f"{name} holds something that is no number")
    return values


def _integer(number: int | None, keys: Mapping[str, bytes], name: str) -> int:
    return int(_integers(number, keys, name, 1)[0])


def _numbers(number: int | None, keys: Mapping[str, bytes], name: str, count: int) -> NDArray[np.float64]:
    return _parsed(number, keys, name, count, np.float64, b"-+.0123456789einfa ")


def _within(number: int, name: str, values: NDArray[np.int64], low: int, high: int) -> None:
    outside = (values < low) | (values >= high)
    if outside.any():
        _refuse(number, f"{name} holds {int(values[outside][0])}, outside of {low} to {high - 1}")


def _refuse(number: int | None, what: str) -> NoReturn:
    raise RefusedError(number, what)
