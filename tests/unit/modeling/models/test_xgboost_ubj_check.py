"""What XGBoost's parser would follow out of its arrays, and to the end of the process, is refused before it looks."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright.errors import IntegrityError
from tradewright.models.tree_based.ubjson import read_ubjson
from tradewright.models.tree_based.xgboost_ubj_check import check_ubj

KINDS = {
    "gbtree": {},
    "dart": {"booster": "dart", "rate_drop": 0.5},
    "classes": {"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 2},
    "binary": {"objective": "binary:logistic"},
    "quantiles": {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]},
    "pruned": {"tree_method": "exact", "gamma": 8.0, "max_depth": 6},
    "categories": {"max_cat_to_onehot": 1},
}


def document(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    X[:, 3] = rng.integers(0, 9, 200)
    y = X[:, 0] + X[:, 3] % 3 + rng.normal(size=200)
    y = {"classes": np.digitize(y, [0, 1]), "binary": y > 0}.get(kind, y)
    types = ["q", "q", "q", "c"] if kind == "categories" else None
    data = xgb.DMatrix(X, y, feature_types=types, enable_categorical=types is not None, nthread=1)
    return xgb.train({"max_depth": 3, "nthread": 1, **KINDS[kind]}, data, 3)


@pytest.fixture(scope="module")
def models():
    return {kind: bytes(document(kind).save_raw("ubj")) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_what_xgboost_writes_passes(models, kind):
    check_ubj(models[kind])
    check_ubj(bytes(xgb.Booster(model_file=bytearray(models[kind])).save_raw("ubj")))
    check_ubj(bytes(xgb.Booster(model_file=bytearray(models[kind]))[:2].save_raw("ubj")))


def test_the_reader_agrees_with_xgboosts_json(models):
    theirs = json.loads(xgb.Booster(model_file=bytearray(models["categories"])).save_raw("json"))

    def plain(value):
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | np.ndarray) else value

    def close(ours, theirs):
        if isinstance(theirs, dict):
            assert ours.keys() == theirs.keys()
            return all(close(ours[name], theirs[name]) for name in theirs)
        if isinstance(theirs, list):
            return len(ours) == len(theirs) and all(map(close, ours, theirs))
        return ours == pytest.approx(theirs) if isinstance(theirs, float) else ours == theirs

    assert close(plain(read_ubjson(models["categories"])), theirs)


def at(data, name, number=0):
    """Return where the numbers of a typed array begin, and how wide each is."""
    start = -1
    for _ in range(number + 1):
        start = data.index(name.encode() + b"[$", start + 1)
    width = {b"l": 4, b"L": 8, b"U": 1, b"d": 4, b"i": 1}[data[start + len(name) + 2 : start + len(name) + 3]]
    return start + len(name) + len("[$l#L") + 8, width


def put(data, name, index, value, number=0):
    start, width = at(data, name, number)
    changed = bytearray(data)
    changed[start + index * width : start + (index + 1) * width] = value.to_bytes(width, "big", signed=value < 0)
    return bytes(changed)


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "index", "value", "words"),
        [
            ("left_children", 0, 99, "left_children holds 99"),
            ("left_children", 0, 0, "child of none or of two"),
            ("right_children", 0, 1, "child of none or of two"),
            ("right_children", 0, -1, "one child"),
            ("right_children", 1, -7, "right_children holds -7"),
            ("parents", 2, 1, "child of none or of two"),
            ("parents", 0, 1, "root has a parent"),
            ("parents", 1, -5, "parents holds -5"),
            ("split_indices", 0, 4, "split_indices holds 4"),
            ("split_indices", 0, -1, "split_indices holds -1"),
            ("split_type", 0, 2, "split_type holds 2"),
            ("split_type", 0, 1, "no set of categories"),
        ],
    )
    def test_indices_out_of_range(self, models, name, index, value, words):
        with pytest.raises(IntegrityError, match=words) as caught:
            check_ubj(put(models["gbtree"], name, index, value))
        assert caught.value.fields["tree"] == 0

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("categories_segments", 99, "categories_segments holds 99"),
            ("categories_sizes", 99, "categories_sizes holds 99"),
            ("categories_sizes", -1, "categories_sizes holds -1"),
            ("categories_nodes", 5, "no set of categories|child|rise"),
            ("categories", -1, "categories holds -1"),
        ],
    )
    def test_sets_of_categories(self, models, name, value, words):
        with pytest.raises(IntegrityError, match=words):
            check_ubj(put(models["categories"], name, 0, value))

    @pytest.mark.parametrize(
        ("kind", "before", "after", "words"),
        [
            ("gbtree", b"num_featureSL" + bytes(7) + b"\x014", b"num_featureSL" + bytes(7) + b"\x013", "counts"),
            ("gbtree", b"num_treesSL" + bytes(7) + b"\x013", b"num_treesSL" + bytes(7) + b"\x014", "num_trees"),
            ("classes", b"num_classSL" + bytes(7) + b"\x013", b"num_classSL" + bytes(7) + b"\x019", "base_score"),
            ("gbtree", b"reg:squarederror", b"multi:softprob!!", "multi:softprob"),
            ("gbtree", b"gbtree}", b"gbline}", "not trees"),
            ("dart", b"weight_drop", b"weight_drip", "weight_drop is missing"),
            ("gbtree", b"left_children", b"left_childrem", "unknown|missing"),
            ("gbtree", b"loss_changes", b"base_weights", "there twice"),
            ("pruned", b"num_deletedSL" + bytes(7), b"num_deletedSL" + bytes(6) + b"\x01", "UTF-8"),
        ],
    )
    def test_counts_and_names(self, models, kind, before, after, words):
        data = models[kind]
        assert before in data
        with pytest.raises(IntegrityError, match=words):
            check_ubj(data.replace(before, after, 1 if b"children" in before or b"feature" in before else -1))

    def test_deleted_nodes_are_marked(self, models):
        start, _ = at(models["pruned"], "split_indices")
        marks = np.frombuffer(models["pruned"], ">i4", offset=start, count=20)
        first = int(np.flatnonzero(marks == 2**31 - 1)[0])
        with pytest.raises(IntegrityError, match="marked as deleted"):
            check_ubj(put(models["pruned"], "split_indices", first, 0))

    @pytest.mark.parametrize(
        "data",
        [b"", b"{", b"[", b"[$", b"[$l#L" + (2**62).to_bytes(8, "big"), b"[#L" + (2**40).to_bytes(8, "big"), b"[" * 99,
         b"SL" + (-1).to_bytes(8, "big", signed=True), b"q", b"SU\x01a", b"SL" + (1).to_bytes(8, "big") + b"\xff",
         b"Tx", b"[$S#L" + bytes(8), b"[$lx", b"Z", b"pickle"],
    )  # fmt: skip
    def test_what_is_no_document(self, data):
        with pytest.raises(IntegrityError):
            check_ubj(data)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damage_is_refused_or_harmless(models, data):
    """Whatever bytes change, the check ends with its own error or lets through what is in range."""
    raw = bytearray(models[data.draw(st.sampled_from(sorted(KINDS)))])
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
        with pytest.raises(IntegrityError):
            check_ubj(bytes(raw))
        return
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(IntegrityError):
        check_ubj(bytes(raw))
