"""Parameters as JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from tradewright.errors import ParameterError
from tradewright.models.parameters import decode, describe, encode

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
NESTED = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3))


@given(st.dictionaries(st.text(max_size=5), NESTED, max_size=4))
def test_encode_survives_json(params):
    assert decode(json.loads(json.dumps(encode(params), allow_nan=False))) == params


def test_nan_and_numpy_scalars():
    back = decode(encode({"nan": float("nan"), "n": np.int64(3), "pair": (1, np.float32(0.5))}))
    assert math.isnan(back["nan"])
    assert back["n"] == 3
    assert type(back["n"]) is int
    assert back["pair"] == [1, 0.5]


def test_what_has_no_faithful_form_is_refused():
    with pytest.raises(ParameterError, match="the parameter func is a builtin_function"):
        encode({"func": len})


def test_describe_is_flat_and_without_estimators():
    params = {"model": Ridge(), "steps": [("ridge", Ridge())], "kind": Ridge, "shape": np.arange(2), "w": {1: np.inf}}
    described = describe(params)
    assert described == {"kind": "sklearn.linear_model._ridge.Ridge", "shape": [0, 1], "w": {"1": "inf"}}
    json.dumps(described, allow_nan=False)
