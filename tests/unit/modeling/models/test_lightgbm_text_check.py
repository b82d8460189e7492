"""Only texts that LightGBM could have written reach its parser."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import lightgbm_text_twin as twin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright._core import check_lightgbm_text as check_text
from tradewright.bundle import read_bundle, write_bundle
from tradewright.errors import IntegrityError
from tradewright.models import BoostingModel

RNG = np.random.default_rng(3)
X = RNG.normal(size=(400, 4))
X[:, 3] = RNG.integers(0, 40, 400)
Y = X[:, 0] + np.isin(X[:, 3], [1, 5, 33, 39]) * 2.0


def text(y: Any = Y, fit: dict[str, Any] | None = None, classifier: bool = False, **params: Any) -> bytes:
    kind = lgb.LGBMClassifier if classifier else lgb.LGBMRegressor
    params = {"n_estimators": 4, "num_leaves": 6, "verbosity": -1, "random_state": 0, "n_jobs": 1} | params
    booster = kind(**params).fit(X, y, **(fit or {})).booster_
    return booster.model_to_string().encode()  # type: ignore[no-any-return]


CATEGORICAL = {"fit": {"categorical_feature": [3]}, "cat_smooth": 1, "min_data_per_group": 5}


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"n_estimators": 200, "num_leaves": 31},
        {"y": Y * 0.0},
        {"y": Y > 0.5, "classifier": True},
        {"y": np.digitize(Y, [0.0, 1.0]), "classifier": True},
        {"y": np.digitize(Y, [0.0, 1.0]), "classifier": True, "objective": "multiclassova"},
        CATEGORICAL,
        {"linear_tree": True},
        {"linear_tree": True, "y": Y * 0.0},
        {"objective": "quantile", "alpha": 0.9},
        {"objective": "huber"},
        {"reg_sqrt": True},
        {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
        {"boosting_type": "dart"},
        {"monotone_constraints": [1, 0, 0, 0]},
        {"num_leaves": 2},
    ],
)
def test_what_lightgbm_writes_passes(case: dict[str, Any]) -> None:
    check_text(text(**case))


def test_missing_values_and_foreign_names_pass() -> None:
    holes = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
    data = lgb.Dataset(holes, Y, feature_name=["größe", "b", "c", "d"], params={"verbosity": -1})
    check_text(lgb.train({"verbosity": -1, "num_leaves": 5}, data, 5).model_to_string().encode())


def resized(data: bytes) -> bytes:
    """Write tree_sizes as they are now, so that only the crafted value is wrong."""
    blocks = re.split(rb"(?=^Tree=\d+$)", data.partition(b"end of trees\n")[0], flags=re.MULTILINE)[1:]
    sizes = b" ".join(b"%d" % len(block) for block in blocks)
    return re.sub(rb"^tree_sizes=.*$", b"tree_sizes=" + sizes, data, count=1, flags=re.MULTILINE)


def line(name: bytes, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    pattern = re.compile(rb"^" + name + rb"=(.*)$", re.MULTILINE)
    return lambda data: pattern.sub(lambda m: name + b"=" + b" ".join(change(m[1].split(b" "))), data, count=1)


def first(value: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda values: [value, *values[1:]]


@pytest.mark.parametrize(
    ("name", "change", "tree"),
    [
        (b"left_child", first(b"100000000"), 0),
        (b"right_child", first(b"-7"), 0),
        (b"left_child", first(b"0"), 0),
        (b"left_child", lambda values: values[:-1], 0),
        (b"left_child", lambda values: [*values, b"1"], 0),
        (b"left_child", lambda values: [values[1], *values[1:]], 0),
        (b"left_child", first(b"99999999999999999999"), 0),
        (b"split_feature", first(b"4"), 0),
        (b"split_feature", first(b"-1"), 0),
        (b"threshold", lambda values: values[1:], 0),
        (b"threshold", first(b"0x1"), 0),
        (b"leaf_value", lambda values: values[1:], 0),
        (b"num_leaves", first(b"2000000000"), 0),
        (b"num_leaves", first(b"0"), 0),
        (b"decision_type", first(b"3"), 0),
        (b"num_cat", first(b"5"), 0),
        (b"is_linear", first(b"1"), 0),
        (b"shrinkage", lambda _: [b"1\nleft_child=5 5 5 5 5"], 0),
        (b"max_feature_idx", first(b"100000"), None),
        (b"num_class", first(b"1000"), None),
        (b"objective", lambda _: [b"multiclass", b"num_class:1000"], None),
    ],
)
def test_what_does_not_hold_together_is_refused(
    name: bytes, change: Callable[[list[bytes]], list[bytes]], tree: int | None
) -> None:
    whole = text()
    crafted = resized(line(name, change)(whole))
    assert crafted != whole
    with pytest.raises(IntegrityError, match="crafted") as caught:
        check_text(crafted)
    assert caught.value.fields.get("tree") == tree
    assert caught.value.code == ("bundle.lightgbm_header" if tree is None else "bundle.lightgbm_tree")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (b"cat_boundaries", lambda values: [*values[:-1], b"1000000"]),
        (b"cat_boundaries", first(b"-5")),
        (b"cat_threshold", lambda values: values[1:]),
    ],
)
def test_bit_sets_of_categories_are_in_range(name: bytes, change: Callable[[list[bytes]], list[bytes]]) -> None:
    whole = text(**CATEGORICAL)
    assert b"cat_threshold=" in whole
    with pytest.raises(IntegrityError, match=name.decode()):
        check_text(resized(line(name, change)(whole)))


def test_features_of_linear_leaves_are_in_range() -> None:
    crafted = re.sub(rb"^(leaf_features=.*?)\d", rb"\g<1>9", text(linear_tree=True), count=1, flags=re.MULTILINE)
    with pytest.raises(IntegrityError, match="leaf_features"):
        check_text(resized(crafted))
    crafted = re.sub(rb"^(num_features=(?:0 )*)[1-9]", rb"\g<1>3", text(linear_tree=True), count=1, flags=re.MULTILINE)
    with pytest.raises(IntegrityError, match="leaf_"):
        check_text(resized(crafted))


@pytest.mark.parametrize(
    "craft",
    [
        lambda data: re.sub(rb"^tree_sizes=.*\n", b"", data, flags=re.MULTILINE),
        lambda data: data.replace(b"Tree=1\n", b"Tree=7\n"),
        lambda data: data.replace(b"end of trees\n", b""),
        lambda data: data[: len(data) // 8],
        lambda data: data.replace(b"num_cat=0\n", b"num_cat=0\n\n", 1),
        lambda data: data.replace(b"objective=", b"objective=\0", 1),
        lambda _: b"",
        lambda _: b"tree\n",
    ],
)
def test_the_frame_holds(craft: Callable[[bytes], bytes]) -> None:
    with pytest.raises(IntegrityError):
        check_text(craft(text()))


def test_a_crafted_bundle_does_not_end_the_process(tmp_path: Path) -> None:
    estimator = lgb.LGBMRegressor(n_estimators=4, num_leaves=6, random_state=0)
    BoostingModel(estimator).fit(X, Y).save(tmp_path / "good.twm")
    bundle = read_bundle(tmp_path / "good.twm")
    crafted = bundle.payloads["model.txt"]
    for name in (b"left_child", b"right_child"):
        crafted = line(name, lambda values: [b"100000000"] * len(values))(crafted)
    crafted = re.sub(rb"^tree_sizes=.*\n", b"", crafted, flags=re.MULTILINE)
    manifest = {key: bundle.manifest[key] for key in ("model_class", "payload_format", "config", "metadata")}
    write_bundle(tmp_path / "bad.twm", manifest, {"model.txt": crafted})
    script = (
        "import sys, numpy as np, tradewright as tw\n"
        "try:\n    tw.load_model(sys.argv[1]).predict(np.zeros((50, 4)))\n"
        "except tw.errors.IntegrityError as error:\n    print(error)\n    sys.exit(3)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bad.twm")], capture_output=True, text=True, check=False
    )
    assert run.returncode == 3, run.stderr
    assert "crafted" in run.stdout


def test_parameters_without_an_end_are_refused() -> None:
    data = text()
    at = data.index(b"[objective")
    for cut in (
        data[: at + 4],
        data[: data.index(b"end of parameters") + 5],
        data.replace(b"[metric: ", b"[metric ", 1),
    ):
        with pytest.raises(IntegrityError, match="parameter"):
            check_text(cut)
    check_text(data[: data.index(b"\nparameters:")])
    check_text(data[: data.index(b"end of parameters") + len(b"end of parameters")])


@functools.cache
def honest() -> tuple[bytes, ...]:
    """Small texts with all that a text can have."""
    return (
        text(n_estimators=2),
        text(n_estimators=2, **CATEGORICAL),
        text(n_estimators=2, linear_tree=True),
        text(np.digitize(Y, [0.0, 1.0]), classifier=True, n_estimators=1, num_leaves=3),
        text(n_estimators=2, boosting_type="rf", subsample=0.5, subsample_freq=1),
    )


def outcome(check: Callable[[bytes], None], data: bytes) -> str:
    try:
        check(data)
    except twin.RefusedError as error:
        return f"tree {error.tree}"
    except IntegrityError as error:
        return f"tree {error.fields.get('tree')}"
    return "passes"


#: What may stand in a number's place.
VALUES = st.one_of(
    st.integers(-4, 6).map(lambda value: b"%d" % value),
    st.sampled_from(
        b"|00|-0|+1|1.5|1.|.5|.|-|--1|1-2|1e5|1e|e5|1e+|1.5.5|nan|-inf|+nan|in|nane|1nan|131073|4294967296|10000000000"
        b"|9999999999|-99999999999999999999|0x1|1_0|1 2| 1|1  |\t1|\xff|1=1|\n1|\r|\0".split(b"|")
    ),
)


@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("tkdlb"), VALUES), max_size=3),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_the_core_and_its_plain_twin_agree(
    which: int, edits: list[tuple[int, str, bytes]], with_honest_sizes: bool
) -> None:
    """On texts in which numbers, keys, lines or bytes are others, down to the tree that is named."""
    data = honest()[which]
    for place, kind, value in edits:
        lines = data.split(b"\n")
        # The frame is a third of the lines, the trees are the rest; a list of parameters at the end is left mostly alone.
        number = place % (len(lines) if place % 4 == 0 else max(data[: data.find(b"end of trees")].count(b"\n"), 1))
        name, equals, rest = lines[number].partition(b"=")
        if kind == "t":
            tokens = rest.split(b" ")
            tokens[place // 7 % len(tokens)] = value
            lines[number] = name + equals + b" ".join(tokens)
        elif kind == "k":
            lines[number] = name + value + equals + rest
        elif kind == "d":
            del lines[number]
        elif kind == "l":
            lines.insert(number, lines[place // 7 % len(lines)])
        data = b"\n".join(lines)
        if kind == "b":
            at = place % (len(data) + 1)
            data = data[:at] + value + data[at + len(value) :]
    if with_honest_sizes:
        data = resized(data)
    assert outcome(check_text, data) == outcome(twin.check_text, data)
