"""The content hash: one value for one content, whatever holds it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright import Panel, _core
from tradewright.errors import DataError, ParameterError


def fingerprint(values, name="a", unit=None, text=None):
    return _core.fingerprint_columns([np.asarray(values)], [name], [unit], [text])[0]


FRAME = {
    "date": np.arange(40).astype("datetime64[D]"),
    "asset": np.array(["MSFT", "AAPL"])[np.arange(40) % 2],
    "momentum": np.where(np.arange(40) % 7 == 0, np.nan, np.sin(np.arange(40))),
    "small": np.cos(np.arange(40)).astype(np.float32),
    "rank": np.arange(40) % 5,
    "is_open": np.arange(40) % 3 == 0,
    "ret": np.cos(np.arange(40)),
}


def panel_of(frame, **changes):
    options = {"target": "ret", "time": "date", "asset": "asset"} | changes
    return Panel.from_frame(frame, **options)


def frames():
    base = pl.DataFrame(FRAME)
    chunked = pl.concat([base[:13], base[13:14], base[14:]], rechunk=False)
    assert chunked.n_chunks() > 1
    dates = FRAME["date"]
    yield "polars", base
    yield "polars chunks", chunked
    yield "polars datetime us", base.with_columns(pl.col("date").cast(pl.Datetime("us")))
    yield "polars null for nan", base.with_columns(pl.col("momentum").fill_nan(None))
    yield "polars int8", base.with_columns(pl.col("rank").cast(pl.Int8))
    yield "polars categorical", base.with_columns(pl.col("asset").cast(pl.Categorical))
    yield "pandas ns", pd.DataFrame({**FRAME, "date": dates.astype("datetime64[ns]")})
    yield "pandas s", pd.DataFrame({**FRAME, "date": dates.astype("datetime64[s]")})
    yield "pandas uint64", pd.DataFrame({**FRAME, "rank": FRAME["rank"].astype(np.uint64)})
    yield "arrow", base.to_arrow()


@pytest.mark.parametrize(("name", "frame"), list(frames()), ids=lambda value: value if isinstance(value, str) else "")
def test_equal_across_libraries_units_widths_and_chunks(name, frame):
    assert panel_of(frame).fingerprint == panel_of(pl.DataFrame(FRAME)).fingerprint


def test_panel_from_arrays_equals_panel_from_frame():
    X = np.column_stack([FRAME["momentum"], FRAME["ret"]])
    rest = {"asset": FRAME["asset"], "time": FRAME["date"]}
    frame = pl.DataFrame({"m": X[:, 0], "r": X[:, 1], "y": FRAME["ret"], **rest})
    for matrix in (X, np.asfortranarray(X)):
        panel = Panel.from_arrays(matrix, FRAME["ret"], feature_names=["m", "r"], **rest)
        assert panel.fingerprint == panel_of(frame, target="y", time="time").fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"momentum": np.zeros(40)},
        {"small": FRAME["small"].astype(np.float64)},
        {"rank": FRAME["rank"].astype(np.float64)},
        {"is_open": FRAME["is_open"].astype(np.int8)},
        {"date": FRAME["date"] + np.timedelta64(1, "D")},
        {"asset": np.array(["MSFT", "AMZN"])[np.arange(40) % 2]},
        {"ret": -FRAME["ret"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_content_shows(change):
    assert panel_of(pl.DataFrame(FRAME | change)).fingerprint != panel_of(pl.DataFrame(FRAME)).fingerprint


def test_names_and_roles_count_and_order_of_columns_does_not():
    frame = pl.DataFrame(FRAME)
    whole = panel_of(frame).fingerprint
    assert panel_of(frame.rename({"small": "tiny"})).fingerprint != whole
    assert panel_of(frame.drop("small")).fingerprint != whole
    assert panel_of(frame.select(reversed(frame.columns))).fingerprint == whole
    assert panel_of(frame, target="momentum").fingerprint != whole
    assert panel_of(frame.reverse()).fingerprint != whole


def test_open_label_ends_are_the_same_in_every_unit():
    ends = pl.Series("end", [*(FRAME["date"][:-1] + np.timedelta64(2, "D")).tolist(), None], dtype=pl.Date)
    frame = pl.DataFrame(FRAME).with_columns(ends)
    coarse = panel_of(frame, label_end="end", missing_label_end="open")
    fine = panel_of(
        frame.with_columns(pl.col("end", "date").cast(pl.Datetime("ns"))), label_end="end", missing_label_end="open"
    )
    assert coarse.time_unit != fine.time_unit
    assert coarse.fingerprint == fine.fingerprint


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(width=32), max_size=30), st.integers(1, 4), st.sampled_from(["f4", "f8"]))
def test_layout_does_not_matter(values, columns, dtype):
    column = np.array(values, dtype=dtype)
    matrix = np.repeat(column[:, None], columns, axis=1)
    expected = [fingerprint(column, f"c{j}") for j in range(columns)]
    names = [f"c{j}" for j in range(columns)]
    frozen = matrix.copy()
    frozen.flags.writeable = False
    for source in (matrix, np.asfortranarray(matrix), frozen, list(matrix.T), np.repeat(matrix, 2, axis=0)[::2]):
        assert _core.fingerprint_columns(source, names) == expected
    assert fingerprint(-column[column == 0]) == fingerprint(column[column == 0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**62) // 86_400_000, 2**62 // 86_400_000), max_size=20))
def test_instants_agree_across_units(days):
    days = np.array(days, dtype=np.int64) // 1_000
    expected = fingerprint(days, unit="d")
    for unit, per_day in {"h": 24, "m": 1440, "s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}.items():
        keep = np.abs(days) < 2**62 // per_day
        assert fingerprint(days[keep] * per_day, unit=unit) == fingerprint(days[keep], unit="d")
    assert expected != fingerprint(days)


def test_the_same_bits_at_any_thread_count():
    matrix = np.random.default_rng(0).normal(size=(150_001, 40))
    names = [f"c{j}" for j in range(40)]
    before = _core.num_threads()
    try:
        digests = []
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            digests.append(_core.fingerprint_columns(matrix, names))
    finally:
        _core.set_num_threads(before)
    assert all(digest == digests[0] for digest in digests)
    assert digests[0] == _core.fingerprint_columns(np.asfortranarray(matrix), names)


def test_odd_arrays_are_read_by_a_panel():
    base = Panel.from_arrays(np.arange(6.0).reshape(3, 2), None, time=np.arange(3))
    for odd in (np.arange(6.0).reshape(3, 2)[::-1][::-1], np.arange(6.0).reshape(3, 2).astype(">f8")):
        assert Panel.from_arrays(odd, None, time=np.arange(3)).fingerprint == base.fingerprint
    backwards = np.ascontiguousarray(np.arange(6.0).reshape(3, 2)[::-1])[::-1]
    assert backwards.strides[0] < 0
    assert Panel.from_arrays(backwards, None, time=np.arange(3)).fingerprint == base.fingerprint
    packed = np.zeros(3, dtype=[("flag", "i1"), ("x", "f8")])
    packed["x"] = [0.0, 2.0, 4.0]
    columns = {"x0": packed["x"], "x1": np.array([1.0, 3.0, 5.0])}
    panel = Panel(columns=columns, y=None, target="y", time=np.arange(3), time_unit="bar")
    assert panel.fingerprint == base.fingerprint


def test_bad_calls_say_what_is_wrong():
    with pytest.raises(ParameterError, match="time unit=fortnight is not allowed"):
        fingerprint(np.arange(3), unit="fortnight")
    with pytest.raises(ParameterError, match="64-bit integers"):
        fingerprint(np.arange(3.0), unit="d")
    with pytest.raises(DataError, match="code 4 is not in a dictionary of 1 texts") as error:
        fingerprint(np.array([0, 4], dtype=np.int32), text=["x"])
    assert error.value.code == "data.code_out_of_range"
    assert error.value.fields == {"row": 1, "entry": 4, "size": 1}
    with pytest.raises(DataError, match="names has 2 rows"):
        _core.fingerprint_columns([np.arange(3)], ["a", "b"])
    with pytest.raises(DataError, match="32 hex digits"):
        _core.combine_fingerprints(["zz"])
